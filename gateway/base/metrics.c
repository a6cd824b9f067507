/* metrics.c - per-thread counters, summed when they are read */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/metrics.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"

/* Guards the list and the remainder; never taken on the hot path. */
static struct lock lock = LOCK_INITIALIZER;
static struct metrics *blocks;
static uint64_t remainder_of[METRIC_COUNT]; /* the counts of unregistered blocks */
static struct metrics shared;

_Static_assert(METRIC_DELIVERY_LAST - METRIC_DELIVERY == METRICS_BUCKETS, "a histogram is its sum and its buckets");
_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "counting takes no lock");
_Static_assert(_Alignof(struct metrics) == 64, "no two threads' blocks share a cache line");

#define MS NS_PER_MS
const int64_t metrics_bound_ns[METRICS_BUCKETS] = {
    MS / 10,  MS / 4,   MS / 2,   MS,        MS * 5 / 2, MS * 5,    MS * 10,    MS * 25,   MS * 50,
    MS * 100, MS * 250, MS * 500, MS * 1000, MS * 2500,  MS * 5000, MS * 10000, INT64_MAX,
};

void metrics_register(struct metrics *block)
{
    lock_take(&lock);
    block->next = blocks;
    blocks = block;
    lock_give(&lock);
}

void metrics_unregister(struct metrics *block)
{
    lock_take(&lock);
    struct metrics **link;
    for (link = &blocks; *link != NULL && *link != block; link = &(*link)->next)
        ;
    CHECK(*link == block);
    *link = block->next;
    /* Kept: to Prometheus a counter that falls is a process that has restarted. */
    for (size_t i = 0; i != METRIC_COUNT; ++i)
        remainder_of[i] += atomic_load_explicit(&block->values[i], memory_order_relaxed);
    lock_give(&lock);
    block->next = NULL;
}

uint64_t metrics_sum(enum metric metric)
{
    CHECK((unsigned)metric < METRIC_COUNT);
    lock_take(&lock);
    uint64_t sum = remainder_of[metric] + atomic_load_explicit(&shared.values[metric], memory_order_relaxed);
    for (const struct metrics *block = blocks; block != NULL; block = block->next)
        sum += atomic_load_explicit(&block->values[metric], memory_order_relaxed);
    lock_give(&lock);
    return sum;
}

void metrics_add_shared(enum metric metric, int64_t n)
{
    CHECK((unsigned)metric < METRIC_COUNT);
    atomic_fetch_add_explicit(&shared.values[metric], (uint64_t)n, memory_order_relaxed);
}

enum metric metrics_closed(enum close_reason reason)
{
    /* A close reason without a row in metrics.def doesn't compile. */
    static const enum metric rows[] = {
#define X(symbol, label, help) [CLOSE_##symbol] = METRIC_CLOSED_##symbol,
#include "gateway/base/close_reason.def"
#undef X
    };

    CHECK((unsigned)reason < CLOSE_REASON_COUNT);
    return rows[reason];
}

static int row_status(enum metric row)
{
    static const char *const values[METRIC_COUNT] = {
#define COUNTER(symbol, name, help)
#define GAUGE(symbol, name, help)
#define LABELLED(symbol, name, label, value, help) [METRIC_##symbol] = value,
#define HISTOGRAM(symbol, name, help)
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
#undef HISTOGRAM
    };
    const char *digits = values[row];
    CHECK(digits != NULL && digits[0] != '\0' && digits[1] != '\0' && digits[2] != '\0');

    return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

enum metric metrics_status(int status)
{
    enum metric nearest = METRIC_REQUESTS_200;

    /* Rows of one name stand together in metrics.def, so the statuses are one range. */
    for (enum metric row = METRIC_REQUESTS_200; row <= METRIC_REQUESTS_503; ++row) {
        if (row_status(row) == status)
            return row;
        /* A status without a row must not get lost, or the sum over all would be wrong. */
        if (abs(row_status(row) / 100 - status / 100) < abs(row_status(nearest) / 100 - status / 100))
            nearest = row;
    }
    return nearest;
}
