/* watchdog.h - ends the process when one of its loops no longer turns */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_PROCESS_WATCHDOG_H
#define GATEWAY_SERVER_PROCESS_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/clock.h"

/*
 * A loop that is stuck serves no client, and nothing inside it can tell. So each
 * counts its turns, and a thread outside looks several times per period. A
 * loop that has not turned for a whole period is logged as `worker-stuck` with
 * the stack its thread is in, then the process ends by SIGABRT: with a core
 * where those are kept, and for its supervisor to start again.
 *
 * Addresses are MODULE+OFFSET, as addr2line -e MODULE takes them. A process
 * that was stopped or suspended as a whole is not stuck: its watchdog has slept
 * as well, and starts a new period.
 */
struct watchdog_pulse {
    _Atomic uint64_t turns;
    _Atomic int64_t turned_ns; /* when it last did, monotonic and coarse */
    _Atomic pid_t thread;      /* kernel's id of the thread that turns; 0: no loop runs */
};

/* By the loop's own thread: it begins, has turned, has ended. */
void watchdog_pulse_begin(struct watchdog_pulse *pulse);
static inline void watchdog_pulse_turn(struct watchdog_pulse *pulse)
{
    /* One thread writes: without the bus lock that an atomic increment takes. */
    uint64_t turns = atomic_load_explicit(&pulse->turns, memory_order_relaxed);
    atomic_store_explicit(&pulse->turns, turns + 1, memory_order_relaxed);
    atomic_store_explicit(&pulse->turned_ns, clock_mono_coarse_ns(), memory_order_relaxed);
}
void watchdog_pulse_end(struct watchdog_pulse *pulse);
/* For how long the one that has stood still the longest has, and which it is; those that rest don't count. Any thread. */
int64_t watchdog_pulses_longest_ns(struct watchdog_pulse *const *pulses, size_t count, unsigned *number);

/*
 * One per process: it takes SIGUSR2, which its own signals tell a thread to
 * show its stack with. pulses outlive it, their order is the workers' numbers.
 * NULL: there is no thread to be had.
 */
struct watchdog *watchdog_start(struct watchdog_pulse *const *pulses, size_t count, int64_t period_ms);
/* NULL is ignored. */
void watchdog_stop(struct watchdog *watchdog);

#endif
