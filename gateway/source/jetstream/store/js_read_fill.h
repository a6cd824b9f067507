/* js_read_fill.h - reads the newest stored messages of a channel, as many as it keeps */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_FILL_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/source/jetstream/store/js_read.h"

struct channel;
struct fill;

/* One fill of a channel, from session to session. */
struct js_read_fill {
    struct channel *channel;
    struct fill *fill;  /* NULL: not begun */
    bool is_unfiltered; /* reads all subjects, since that is faster */
    uint64_t after;     /* for fill_finish */
    uint64_t position;  /* all above after and up to here was added */
    /* The search for a start with no more messages than it takes. */
    bool is_settled;
    unsigned tries;
    uint64_t too_many, too_few; /* numbers behind which there are; too_few 0: none known */
};

/* DONE: fill_finish is up to the caller. */
enum js_read_status js_read_fill(struct js_read *read, struct js_read_fill *job);

#endif
