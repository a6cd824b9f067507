/* bucket.h - a token bucket in one number */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_BUCKET_H
#define PROTO_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds' worth of tokens that a full bucket holds. */
#define BUCKET_BURST_S 4

/*
 * `rate` tokens a second, BUCKET_BURST_S times as many when it is full. The
 * bucket is the time at which it will be full again: 0 is full, and so is any
 * time that has passed, so a bucket that nobody uses needs no upkeep. False:
 * empty, nothing is taken. rate: 1 … 10^9.
 */
static inline bool bucket_take(int64_t *full_ns, int64_t now_ns, uint32_t rate)
{
    int64_t token_ns = INT64_C(1000000000) / rate;
    int64_t from_ns = *full_ns > now_ns ? *full_ns : now_ns;

    if (from_ns - now_ns > BUCKET_BURST_S * INT64_C(1000000000) - token_ns)
        return false;
    *full_ns = from_ns + token_ns;
    return true;
}

#endif
