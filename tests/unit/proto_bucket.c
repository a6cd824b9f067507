/* proto_bucket.c - a bucket gives its burst at once, then its rate, and forgets nothing in between */
/* SPDX-License-Identifier: MIT */
#include "proto/bucket.h"

#include <criterion/criterion.h>

#define S INT64_C(1000000000)

static unsigned take_all(int64_t *bucket, int64_t now_ns, uint32_t rate)
{
    unsigned taken = 0;

    while (bucket_take(bucket, now_ns, rate))
        taken++;
    return taken;
}

Test(proto_bucket, a_full_one_holds_four_seconds_of_its_rate)
{
    static const uint32_t rates[] = {1, 2, 7, 100, 1000, 100000};

    for (size_t i = 0; i != sizeof(rates) / sizeof(rates[0]); i++) {
        int64_t bucket = 0;
        unsigned taken = take_all(&bucket, 5 * S, rates[i]);
        /* a token that takes no whole number of nanoseconds is a little cheaper */
        cr_expect(taken >= 4 * rates[i] && taken <= 4 * rates[i] + 1, "%u of rate %u", taken, rates[i]);
    }
}

Test(proto_bucket, it_fills_at_its_rate)
{
    int64_t bucket = 0, now = 1000 * S;

    cr_expect_eq(take_all(&bucket, now, 10), 40);
    cr_expect_not(bucket_take(&bucket, now + S / 10 - 1, 10));
    cr_expect(bucket_take(&bucket, now + S / 10, 10));
    cr_expect_not(bucket_take(&bucket, now + S / 10, 10));
    cr_expect_eq(take_all(&bucket, now + S / 10 + S, 10), 10);
    cr_expect_eq(take_all(&bucket, now + 60 * S, 10), 40, "no more than full");
}

Test(proto_bucket, what_is_refused_takes_nothing)
{
    int64_t bucket = 0, now = 9 * S;

    take_all(&bucket, now, 1);
    for (int i = 0; i != 1000; i++)
        cr_expect_not(bucket_take(&bucket, now, 1));
    cr_expect(bucket_take(&bucket, now + S, 1));
}
