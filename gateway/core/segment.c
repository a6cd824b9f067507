/* segment.c - a piece of a channel's log: encoded events, back to back */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/segment.h"

#include <stdlib.h>

#include "gateway/base/check.h"

struct segment *segment_create(uint32_t capacity)
{
    struct segment *segment = check_malloc(sizeof(*segment) + capacity);
    atomic_init(&segment->refs, 1);
    segment->live = 0;
    segment->capacity = capacity;
    segment->front = 0;
    segment->back = 0;
    return segment;
}

void segment_retain(struct segment *segment)
{
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
}

void segment_release(struct segment *segment)
{
    uint32_t before = atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel);
    CHECK(before != 0);
    if (before == 1)
        free(segment);
}
