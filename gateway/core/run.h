/* run.h - a stretch of a segment that a reader sends as one piece */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_RUN_H
#define GATEWAY_CORE_RUN_H

#include <stdint.h>

struct segment;

/*
 * In a run the entries of one view lie back to back: what a reader sends is
 * runs, not events. Its count of references belongs to its hub's thread; it
 * holds one reference of the segment, whose count all threads share.
 */
struct run {
    struct segment *segment;
    uint32_t refs;
    uint32_t end_offset; /* of the last entry taken so far */
    uint64_t end;        /* position after that entry */
    struct run *next_free;
};

/* Free runs of one hub, whose thread alone uses it. All zero: there is none. */
struct run_pool {
    struct run *free;
};

/* One reference, for the caller. */
struct run *run_create(struct run_pool *pool, struct segment *segment);
/* The last reference takes the run back into the pool. */
void run_release(struct run_pool *pool, struct run *run);
/* All have been released. */
void run_pool_dispose(struct run_pool *pool);

#endif
