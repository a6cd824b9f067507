/* base_random.c - seeds differ, and a spread value stays within its quarter */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/random.h"

#include <criterion/criterion.h>
#include <string.h>

Test(base_random, seeds_differ_and_are_never_zero)
{
    uint64_t a = random_seed(), b = random_seed();

    cr_assert_neq(a, b);
    cr_assert_neq(a, 0);
}

Test(base_random, all_bytes_are_filled)
{
    unsigned char zero[1024] = {0}, bytes[1024] = {0};

    random_fill(bytes, sizeof(bytes));
    /* Sixteen zero bytes in a row don't happen by chance. */
    for (size_t i = 0; i != sizeof(bytes); i += 16)
        cr_assert_neq(memcmp(bytes + i, zero, 16), 0);
}

Test(base_random, the_generator_repeats_from_one_state)
{
    uint64_t a = 42, b = 42;

    for (unsigned i = 0; i != 100; ++i)
        cr_assert_eq(random_next(&a), random_next(&b));
    cr_assert_neq(a, 0);
}

Test(base_random, a_spread_value_stays_within_a_quarter)
{
    uint64_t state = random_seed();
    int64_t least = INT64_MAX, most = 0;

    for (unsigned i = 0; i != 10000; ++i) {
        int64_t value = random_spread(&state, 1000);

        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    cr_assert(least >= 750 && least < 760, "%lld", (long long)least);
    cr_assert(most <= 1250 && most > 1240, "%lld", (long long)most);
    cr_assert_eq(random_spread(&state, 0), 0);
    cr_assert_eq(random_spread(&state, 1), 1);
}

Test(base_random, spread_is_a_quarter_to_each_side_and_even)
{
    enum { DRAWS = 200000, BUCKETS = 20 };
    unsigned buckets[BUCKETS] = {0};
    int64_t sum = 0;
    uint64_t state = random_seed();
    for (unsigned i = 0; i != DRAWS; ++i) {
        int64_t value = random_spread(&state, 2000);
        cr_assert(value >= 1500 && value <= 2500, "%lld", (long long)value);
        sum += value;
        if (value < 2500)
            ++buckets[(value - 1500) / (1000 / BUCKETS)];
    }
    cr_assert(sum / DRAWS >= 1990 && sum / DRAWS <= 2010, "mean %lld", (long long)(sum / DRAWS));
    for (unsigned i = 0; i != BUCKETS; ++i)
        cr_assert(buckets[i] > DRAWS / BUCKETS * 9 / 10 && buckets[i] < DRAWS / BUCKETS * 11 / 10, "bucket %u: %u", i,
                  buckets[i]);
}

Test(base_random, spread_of_little_and_of_much)
{
    static const int64_t values[] = {0, 1, 2, 3, 4, 5, 10, 86400000, INT64_C(315360000000)};
    uint64_t state = random_seed();
    for (size_t i = 0; i != sizeof(values) / sizeof(values[0]); ++i) {
        for (unsigned j = 0; j != 1000; ++j) {
            int64_t value = random_spread(&state, values[i]);
            /* a millisecond is not divided */
            cr_assert(value >= values[i] - values[i] / 4 - 1 && value <= values[i] + values[i] / 4 + 1, "%lld of %lld",
                      (long long)value, (long long)values[i]);
        }
    }
}
