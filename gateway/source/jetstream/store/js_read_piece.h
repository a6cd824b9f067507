/* js_read_piece.h - reads one piece of stored messages for one reader */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_PIECE_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/source/jetstream/store/js_read.h"

struct fetch;

/* What lasts from piece to piece of a fetch, whichever thread reads them. */
struct js_read_fetch {
    struct fetch *fetch;
    bool is_unfiltered;            /* reads all subjects, since that is faster */
    bool has_snapshot, is_retaken; /* … by another consumer than the first */
    unsigned skips;                /* consumers that began behind the snapshot they were to give */
    uint64_t snapshot; /* FETCH_LAST: at least all above this number is handed out, not only the last of a subject */
};

/* May leave a piece with events behind also when it isn't done: to be handed out. */
enum js_read_status js_read_piece(struct js_read *read, struct js_read_fetch *job);

#endif
