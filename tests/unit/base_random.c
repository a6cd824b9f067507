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
