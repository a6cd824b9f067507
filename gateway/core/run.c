/* run.c - a stretch of a segment that a reader sends as one piece */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/run.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/core/segment.h"

struct run *run_create(struct run_pool *pool, struct segment *segment)
{
    struct run *run = pool->free;
    if (run != NULL)
        pool->free = run->next_free;
    else
        run = check_malloc(sizeof(*run));
    segment_retain(segment);
    *run = (struct run){.segment = segment, .refs = 1};
    return run;
}

void run_release(struct run_pool *pool, struct run *run)
{
    CHECK(run->refs != 0);
    if (--run->refs != 0)
        return;
    segment_release(run->segment);
    run->next_free = pool->free;
    pool->free = run;
}

void run_pool_dispose(struct run_pool *pool)
{
    while (pool->free != NULL) {
        struct run *run = pool->free;
        pool->free = run->next_free;
        free(run);
    }
}
