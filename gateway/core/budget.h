/* budget.h - the memory that all rings together may take */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_BUDGET_H
#define GATEWAY_CORE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/metrics.h"

/*
 * Counts what is allocated for rings and the hubs' copies of them: segments
 * and arrays of entries, never single events, so that appending an event
 * costs nothing here. A segment that a slow connection still sends from
 * after its ring has let go of it is not counted: reclaiming could not free it.
 * Any thread. The limit is a soft one: an allocation is never refused,
 * see reclaim.h for which channels give way.
 */
struct budget {
    _Atomic uint64_t used;  /* bytes */
    _Atomic uint64_t limit; /* 0: none */
};

static inline void budget_take(struct budget *budget, uint64_t bytes)
{
    atomic_fetch_add_explicit(&budget->used, bytes, memory_order_relaxed);
    metrics_add_shared(METRIC_HISTORY_BYTES, (int64_t)bytes);
}

static inline void budget_give(struct budget *budget, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
    metrics_add_shared(METRIC_HISTORY_BYTES, -(int64_t)bytes);
}

static inline uint64_t budget_used(const struct budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

static inline uint64_t budget_limit(const struct budget *budget)
{
    return atomic_load_explicit(&budget->limit, memory_order_relaxed);
}

static inline bool budget_is_over(const struct budget *budget)
{
    uint64_t limit = budget_limit(budget);
    return limit != 0 && budget_used(budget) > limit;
}

/* So far over that reclaiming can't keep up. */
static inline bool budget_is_far_over(const struct budget *budget)
{
    uint64_t limit = budget_limit(budget);
    return limit != 0 && budget_used(budget) > limit + limit / 8;
}

#endif
