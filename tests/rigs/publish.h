/* publish.h - a gateway that publishes, and a subscriber at its broker that receives everything */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RIGS_PUBLISH_H
#define TESTS_RIGS_PUBLISH_H

#include <criterion/criterion.h>
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

struct publish_rig {
    struct rig rig;
    natsConnection *listener;
    natsSubscription *heard; /* all that is published */
};

/* One per test: each test runs in a process of its own. */
extern struct publish_rig publish_rig;
extern const char publish_yaml[];

void publish_listen(const char *url);
/* Skips what was never started. */
void publish_stop(void);
void publish_require_heard(const char *subject, const char *data, size_t len);
/* 202 with an empty object. */
void publish_require_accepted(const struct http_stream *response);
/* The caller frees. */
char *publish_letters(size_t len);

#endif
