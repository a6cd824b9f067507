/* clock.c - the only place that asks the kernel for the time */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/clock.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    /* It only fails for a clock that doesn't exist. No CHECK: that would log, and a log line asks for the time. */
    if (clock_gettime(id, &now) != 0)
        __builtin_trap();
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_mono_coarse_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}
