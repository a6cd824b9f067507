/* base_clock.c - clocks run forwards and agree with the system's time */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

Test(base_clock, monotonic_never_goes_back)
{
    int64_t last = clock_mono_ns();

    for (int i = 0; i != 10000; ++i) {
        int64_t now = clock_mono_ns();

        cr_assert_geq(now, last);
        last = now;
    }
}

Test(base_clock, monotonic_measures_a_sleep)
{
    const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    int64_t start = clock_mono_ns();

    cr_assert_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL), 0);
    cr_assert_geq(clock_mono_ns() - start, nap.tv_nsec);
}

Test(base_clock, coarse_lags_behind_by_little)
{
    for (int i = 0; i != 1000; ++i) {
        int64_t before = clock_mono_ns();
        int64_t coarse = clock_mono_coarse_ns();

        cr_assert_leq(coarse, clock_mono_ns());
        /* A kernel at 100 Hz ticks every 10 ms. */
        cr_assert_geq(coarse, before - 11 * 1000 * 1000);
    }
}

Test(base_clock, wall_is_unix_time)
{
    /* time() reads the coarse clock and may still be in the second before. */
    int64_t before = time(NULL) * NS_PER_S;
    int64_t now = clock_wall_ns();

    cr_assert_geq(now, before);
    cr_assert_leq(now, (time(NULL) + 2) * NS_PER_S);
}

Test(base_clock, timespec_splits_at_the_second)
{
    struct timespec when = clock_timespec(3 * NS_PER_S + 25 * NS_PER_MS);

    cr_assert_eq(when.tv_sec, 3);
    cr_assert_eq(when.tv_nsec, 25000000);
    cr_assert_eq(MS_PER_S * NS_PER_MS, NS_PER_S);
}
