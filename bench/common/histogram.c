/* histogram.c - log-linear histogram of durations */
/* SPDX-License-Identifier: MIT */
#include "bench/common/histogram.h"

#include <inttypes.h>
#include <stddef.h>

/* Upper end of a bucket: a percentile must never look better than it was. */
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned exponent = bucket / HISTOGRAM_STEPS + 5;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << (exponent - 6)) - 1;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; ++i)
        into->buckets[i] += from->buckets[i];
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; ++i)
        n += h->buckets[i];
    return n;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    double wanted = share * (double)histogram_count(h);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; ++i) {
        seen += h->buckets[i];
        if (h->buckets[i] != 0 && (double)seen >= wanted)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return h->max;
}

static double mean(const struct histogram *h)
{
    uint64_t n = histogram_count(h);
    double sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; ++i)
        sum += (double)h->buckets[i] * (double)bucket_top(i);
    return n == 0 ? 0 : sum / (double)n;
}

void histogram_json(const struct histogram *h, FILE *out)
{
    static const double curve[] = {0.1,   0.25,  0.5,   0.75,   0.9,    0.95,    0.98, 0.99,
                                   0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999, 1.0};
    fprintf(out, "{\"count\": %" PRIu64 ", \"mean\": %.0f", histogram_count(h), mean(h));
    fprintf(out, ", \"p50\": %" PRIu64 ", \"p90\": %" PRIu64, histogram_at(h, 0.5), histogram_at(h, 0.9));
    fprintf(out, ", \"p99\": %" PRIu64 ", \"p999\": %" PRIu64, histogram_at(h, 0.99), histogram_at(h, 0.999));
    fprintf(out, ", \"max\": %" PRIu64 ", \"curve\": [", h->max);
    for (size_t i = 0; i < sizeof(curve) / sizeof(curve[0]); ++i)
        fprintf(out, "%s[%g, %" PRIu64 "]", i == 0 ? "" : ", ", curve[i], histogram_at(h, curve[i]));
    fputs("]}", out);
}
