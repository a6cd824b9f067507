/* watchdog.c - ends the process when one of its loops no longer turns */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/watchdog.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/server/process/watchdog_stack.h"

#define LOOKS_PER_PERIOD 10
/* How long the log gets to take the line: a full pipe must not keep the process alive. */
#define LAST_WORDS_S 3

_Static_assert(LOOKS_PER_PERIOD >= 4, "half a period late is later than any look on time");

struct seen {
    uint64_t turns;
    int64_t since_ns;
};

struct watchdog {
    pthread_t thread;
    struct lock lock;
    struct condition changed;
    bool is_stopping; /* under lock */
    struct watchdog_pulse *const *pulses;
    size_t count;
    int64_t period_ns;
    struct seen seen[];
};

void watchdog_pulse_begin(struct watchdog_pulse *pulse)
{
    CHECK(atomic_load_explicit(&pulse->thread, memory_order_relaxed) == 0);
    thread_accept_signal(SIGUSR2); /* by which the watchdog asks for its stack */
    /* Before its thread is known: a time of 0 would be a loop that stands still since the machine started. */
    watchdog_pulse_turn(pulse);
    atomic_store_explicit(&pulse->thread, gettid(), memory_order_release);
}

void watchdog_pulse_end(struct watchdog_pulse *pulse)
{
    CHECK(atomic_load_explicit(&pulse->thread, memory_order_relaxed) == gettid());
    atomic_store_explicit(&pulse->thread, 0, memory_order_release);
}

int64_t watchdog_pulses_longest_ns(struct watchdog_pulse *const *pulses, size_t count, unsigned *number)
{
    int64_t now_ns = clock_mono_coarse_ns(), longest_ns = 0;

    for (size_t i = 0; i != count; ++i) {
        int64_t turned_ns = atomic_load_explicit(&pulses[i]->turned_ns, memory_order_relaxed);

        /* a loop that has ended, or not begun, is not stuck */
        if (atomic_load_explicit(&pulses[i]->thread, memory_order_acquire) == 0 || now_ns - turned_ns <= longest_ns)
            continue;
        longest_ns = now_ns - turned_ns;
        *number = (unsigned)i;
    }
    return longest_ns;
}

static _Noreturn void end_process(size_t number, pid_t thread, int64_t stuck_ns)
{
    char stack[WATCHDOG_STACK_MAX];

    /* Its default action, which ends the process without a core: better than not at all. */
    alarm(LAST_WORDS_S);
    watchdog_stack_take(thread, stack);
    log_write(LOG_ERROR, "worker-stuck", log_u64("worker", number), log_i64("thread", thread),
              log_i64("stuck_ms", stuck_ns / NS_PER_MS), log_str("stack", stack));
    check_abort();
}

/* A loop that rests, has turned, or is looked at for the first time begins a period. */
static void look_at_pulses(struct watchdog *watchdog, int64_t now_ns, bool is_new_period)
{
    for (size_t i = 0; i != watchdog->count; ++i) {
        pid_t thread = atomic_load_explicit(&watchdog->pulses[i]->thread, memory_order_acquire);
        uint64_t turns = atomic_load_explicit(&watchdog->pulses[i]->turns, memory_order_relaxed);
        struct seen *seen = &watchdog->seen[i];

        if (is_new_period || thread == 0 || turns != seen->turns)
            *seen = (struct seen){.turns = turns, .since_ns = now_ns};
        else if (now_ns - seen->since_ns >= watchdog->period_ns)
            end_process(i, thread, now_ns - seen->since_ns);
    }
}

/* False: the end has come. */
static bool sleep_until(struct watchdog *watchdog, int64_t when_ns)
{
    lock_take(&watchdog->lock);
    while (!watchdog->is_stopping && condition_wait_until(&watchdog->changed, &watchdog->lock, when_ns))
        ;
    bool is_stopping = watchdog->is_stopping;
    lock_give(&watchdog->lock);
    return !is_stopping;
}

static void *run_watchdog(void *arg)
{
    struct watchdog *watchdog = arg;
    int64_t now_ns = clock_mono_ns(), wake_ns = now_ns + watchdog->period_ns / LOOKS_PER_PERIOD;

    look_at_pulses(watchdog, now_ns, true);
    while (sleep_until(watchdog, wake_ns)) {
        now_ns = clock_mono_ns();
        /* Half a period late: every thread was, as the process was stopped or the machine asleep. */
        look_at_pulses(watchdog, now_ns, now_ns - wake_ns >= watchdog->period_ns / 2);
        wake_ns = now_ns + watchdog->period_ns / LOOKS_PER_PERIOD;
    }
    return NULL;
}

static void destroy_watchdog(struct watchdog *watchdog)
{
    condition_dispose(&watchdog->changed);
    lock_dispose(&watchdog->lock);
    free(watchdog);
}

struct watchdog *watchdog_start(struct watchdog_pulse *const *pulses, size_t count, int64_t period_ms)
{
    struct watchdog *watchdog = check_calloc(1, sizeof(*watchdog) + count * sizeof(watchdog->seen[0]));

    CHECK(count != 0 && period_ms > 0);
    watchdog->pulses = pulses;
    watchdog->count = count;
    watchdog->period_ns = period_ms * NS_PER_MS;
    lock_init(&watchdog->lock);
    condition_init(&watchdog->changed);
    watchdog_stack_prepare();
    if (thread_start(&watchdog->thread, "watchdog", 0, run_watchdog, watchdog))
        return watchdog;
    destroy_watchdog(watchdog);
    return NULL;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    lock_take(&watchdog->lock);
    watchdog->is_stopping = true;
    condition_signal(&watchdog->changed);
    lock_give(&watchdog->lock);
    thread_join(watchdog->thread);
    destroy_watchdog(watchdog);
}
