/* clock.h - the only place that asks the kernel for the time */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_CLOCK_H
#define GATEWAY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define MS_PER_S INT64_C(1000)

/* Nanoseconds as the system's calls take them; ns is not negative. */
static inline struct timespec clock_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

/* Monotonic time in nanoseconds, for deadlines and durations. Any thread. */
int64_t clock_mono_ns(void);
/* The same, a few ms coarse and several times cheaper (CLOCK_MONOTONIC_COARSE). */
int64_t clock_mono_coarse_ns(void);
/* Wall-clock Unix time in nanoseconds, for what leaves the process. Any thread. */
int64_t clock_wall_ns(void);
/* Processor time of all threads so far, in nanoseconds. */
int64_t clock_process_cpu_ns(void);

#endif
