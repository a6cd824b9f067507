/* batch.h - what one send of a reader refers to, and how it is filled */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_BATCH_H
#define GATEWAY_CORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/close_reason.h"

struct reader;
struct run;
struct run_pool;

/* Bytes a reader takes in one send: a few stretches of memory, and room for its own texts. */
#define BATCH_PIECES 16
#define BATCH_BYTES 65536u
#define BATCH_SCRATCH 1024

struct piece {
    const char *base;
    size_t len;
    struct run *run; /* one reference of the batch's, or NULL: the bytes are its own */
};

/*
 * What one send of a reader refers to, until it has been sent. Kept in a free
 * list: sending allocates nothing. A send of one piece, the common case,
 * touches one cache line of it.
 */
struct batch {
    _Alignas(64) struct batch *next_free;
    uint32_t count; /* pieces */
    uint32_t scratch_used;
    uint64_t bytes;
    uint64_t events;
    int64_t arrived_ns; /* the oldest live event in it, monotonic; 0: there is none */
    struct piece pieces[BATCH_PIECES];
    char scratch[BATCH_SCRATCH];
};

/* There is room for one more text of the reader's own (gap, bye, preamble) and one more stretch. */
bool batch_has_room(const struct batch *batch);

/* Free batches of one hub, whose thread alone uses it. All zero: there is none. */
struct batch_pool {
    struct batch *free;
};

/* An empty one. */
struct batch *batch_take(struct batch_pool *pool);
/* What it refers to may go: it has been sent, or never will be. */
void batch_give(struct batch_pool *pool, struct run_pool *runs, struct batch *batch);
/* All have been given back. */
void batch_pool_dispose(struct batch_pool *pool);

/*
 * All of these append to the batch and move the reader's cursors and
 * last_sequence on. Hub thread. A batch that is full takes no more; what is
 * left comes with the next one.
 */

/* A stretch of a run; continues the piece before it when it lies right behind it. */
void batch_add_run(struct reader *reader, struct run *run, uint32_t offset, uint32_t size, uint64_t events);

enum gap_reason { GAP_EVICTED = 0, GAP_UNKNOWN_ID, GAP_BROKER_LOST, GAP_SLOW };

/* "retry:" and, where events have ids, the id before the first event, so that a cut before it loses nothing. */
void batch_add_preamble(struct reader *reader, bool with_id);
/* event: freshet.gap. last: what the client has; next_sequence 0: none yet. */
void batch_add_gap(struct reader *reader, enum gap_reason reason, const char *last, size_t last_len,
                   uint64_t next_sequence);
/* event: freshet.bye, and a spread-out retry: where the client should come back. */
void batch_add_bye(struct reader *reader, enum close_reason reason);
void batch_add_heartbeat(struct reader *reader);

#endif
