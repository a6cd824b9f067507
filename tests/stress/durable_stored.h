/* durable_stored.h - the numbers that the broker itself has, to tell its faults from the gateway's */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STRESS_DURABLE_STORED_H
#define TESTS_STRESS_DURABLE_STORED_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/jetstream.h"
#include "tests/support/sandbox.h"

#define DURABLE_SUBJECTS 50

struct durable_stored {
    unsigned long last[DURABLE_SUBJECTS]; /* number of each subject's last message */
    unsigned long faults;                 /* numbers that are missing, doubled or out of order */
};

/* Payloads are "SUBJECT NUMBER". */
static void durable_on_stored(void *arg, uint64_t sequence, const char *subject, const char *data, size_t len)
{
    struct durable_stored *stored = arg;
    char text[64], *end;

    snprintf(text, sizeof(text), "%.*s", (int)len, data);
    unsigned long which = strtoul(text, &end, 10), number = strtoul(end, NULL, 10);
    if (which >= DURABLE_SUBJECTS)
        fixture_fail("%s holds %s", subject, text);
    if (number != stored->last[which] + 1) {
        fprintf(stderr, "durable: the broker's own stream has \"%s\" at %llu, after number %lu\n", text,
                (unsigned long long)sequence, stored->last[which]);
        stored->faults++;
    }
    stored->last[which] = number;
}

static struct durable_stored durable_read(struct jetstream *js, const char *stream)
{
    struct durable_stored stored = {0};

    jetstream_read(js, stream, durable_on_stored, &stored);
    return stored;
}

#endif
