/* histogram.h - log-linear histogram of durations */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COMMON_HISTOGRAM_H
#define BENCH_COMMON_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

/*
 * 64 linear steps per power of two: every value is known to 1.6 %, from
 * nanoseconds to years, in a fixed 30 kB. All zero is an empty histogram.
 * Not thread safe: one per thread, merged at the end.
 */
#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 59)

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t max;
};

static inline unsigned histogram_bucket(uint64_t v)
{
    if (v < HISTOGRAM_STEPS)
        return (unsigned)v;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(v);
    return (exponent - 5) * HISTOGRAM_STEPS + (unsigned)(v >> (exponent - 6)) - HISTOGRAM_STEPS;
}

static inline void histogram_add(struct histogram *h, uint64_t v)
{
    ++h->buckets[histogram_bucket(v)];
    if (v > h->max)
        h->max = v;
}

void histogram_merge(struct histogram *into, const struct histogram *from);
uint64_t histogram_count(const struct histogram *h);
/* The value that the given share (0 … 1) of all entries doesn't exceed, to 1.6 %; 0 when empty. */
uint64_t histogram_at(const struct histogram *h, double share);

/* As a JSON object: count, mean, p50, p90, p99, p999, max and "curve", a list of [share, value]. */
void histogram_json(const struct histogram *h, FILE *out);

#endif
