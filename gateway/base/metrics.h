/* metrics.h - per-thread counters, summed when they are read */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_METRICS_H
#define GATEWAY_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "gateway/base/close_reason.h"

/* Of each histogram; the last one has no upper bound. */
#define METRICS_BUCKETS 17

/* A histogram is its sum, in nanoseconds, and then its buckets. */
enum metric {
#define COUNTER(symbol, name, help) METRIC_##symbol,
#define GAUGE(symbol, name, help) METRIC_##symbol,
#define LABELLED(symbol, name, label, value, help) METRIC_##symbol,
#define HISTOGRAM(symbol, name, help)                                                                                  \
    METRIC_##symbol, METRIC_##symbol##_FIRST, METRIC_##symbol##_LAST = METRIC_##symbol + METRICS_BUCKETS,
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
#undef HISTOGRAM
    METRIC_COUNT
};

/*
 * One block per counting thread. Only that thread writes it, with relaxed
 * stores and no locked instruction, so counting is nearly free on the hot path.
 * Any thread may read. A gauge that rises on one thread and falls on another is
 * correct in the sum (the values wrap).
 */
struct metrics {
    _Alignas(64) _Atomic uint64_t values[METRIC_COUNT];
    struct metrics *next;
};

/* Adds a zeroed block to metrics_sum. It must live until metrics_unregister or the end of the process. Any thread. */
void metrics_register(struct metrics *block);
/* Folds the block's values into a common remainder, so sums never go backwards. Any thread. */
void metrics_unregister(struct metrics *block);
uint64_t metrics_sum(enum metric metric);

/* Owner thread only. */
static inline void metrics_add(struct metrics *block, enum metric metric, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&block->values[metric], memory_order_relaxed);
    atomic_store_explicit(&block->values[metric], v + n, memory_order_relaxed);
}
static inline void metrics_sub(struct metrics *block, enum metric metric, uint64_t n)
{
    metrics_add(block, metric, (uint64_t)0 - n);
}

/* Upper bound of each bucket, inclusive, in ascending order; the last one is INT64_MAX. */
extern const int64_t metrics_bound_ns[METRICS_BUCKETS];

/* Adds n observations of the same duration. Owner thread only. */
static inline void metrics_observe(struct metrics *block, enum metric histogram, int64_t ns, uint64_t n)
{
    unsigned bucket = 0;

    if (ns < 0)
        ns = 0;
    while (ns > metrics_bound_ns[bucket])
        ++bucket;
    metrics_add(block, histogram, (uint64_t)ns * n);
    metrics_add(block, (enum metric)(histogram + 1 + bucket), n);
}

/* For threads without a block (nats.c callbacks): a shared block with atomic adds. Any thread. */
void metrics_add_shared(enum metric metric, int64_t n);

/* Rows for close reasons and HTTP statuses. An unlisted status counts as the nearest class's first row. */
enum metric metrics_closed(enum close_reason reason);
enum metric metrics_status(int status);

#endif
