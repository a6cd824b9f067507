/* watchdog.c - ends the process when one of its loops no longer turns */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/server/process/watchdog_stack.h"

#define MS INT64_C(1000000)
#define LOOKS_PER_PERIOD 10
/* How long the log gets to take the line: a full pipe must not keep the process alive. */
#define LAST_WORDS_S 3

struct seen {
    uint64_t turns;
    int64_t since_ns;
};

struct watchdog {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    struct watchdog_pulse *const *pulses;
    size_t count;
    int64_t period_ns;
    struct seen seen[];
};

void watchdog_pulse_begin(struct watchdog_pulse *pulse)
{
    watchdog_pulse_turn(pulse);
    atomic_store_explicit(&pulse->thread, gettid(), memory_order_release);
}

void watchdog_pulse_end(struct watchdog_pulse *pulse)
{
    atomic_store_explicit(&pulse->thread, 0, memory_order_release);
}

int64_t watchdog_pulses_longest_ns(struct watchdog_pulse *const *pulses, size_t count, unsigned *number)
{
    int64_t now_ns = clock_mono_coarse_ns(), longest_ns = 0;

    for (size_t i = 0; i != count; ++i) {
        int64_t turned_ns = atomic_load_explicit(&pulses[i]->turned_ns, memory_order_relaxed);

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
              log_i64("stuck_ms", stuck_ns / MS), log_str("stack", stack));
    check_abort();
}

/* Whoever rests, has turned, or was never looked at before begins a period. */
static void look(struct watchdog *watchdog, int64_t now_ns, bool anew)
{
    for (size_t i = 0; i != watchdog->count; ++i) {
        pid_t thread = atomic_load_explicit(&watchdog->pulses[i]->thread, memory_order_acquire);
        uint64_t turns = atomic_load_explicit(&watchdog->pulses[i]->turns, memory_order_relaxed);
        struct seen *seen = &watchdog->seen[i];

        if (anew || thread == 0 || turns != seen->turns)
            *seen = (struct seen){.turns = turns, .since_ns = now_ns};
        else if (now_ns - seen->since_ns >= watchdog->period_ns)
            end_process(i, thread, now_ns - seen->since_ns);
    }
}

/* False: the end has come. */
static bool sleep_until(struct watchdog *watchdog, int64_t when_ns)
{
    struct timespec when = {.tv_sec = when_ns / 1000000000, .tv_nsec = when_ns % 1000000000};
    int error = 0;

    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping && error != ETIMEDOUT)
        error = pthread_cond_clockwait(&watchdog->changed, &watchdog->lock, CLOCK_MONOTONIC, &when);
    bool stopping = watchdog->stopping;
    pthread_mutex_unlock(&watchdog->lock);
    return !stopping;
}

static void *run(void *arg)
{
    struct watchdog *watchdog = arg;
    int64_t now_ns = clock_mono_ns(), wake_ns = now_ns + watchdog->period_ns / LOOKS_PER_PERIOD;

    look(watchdog, now_ns, true);
    while (sleep_until(watchdog, wake_ns)) {
        now_ns = clock_mono_ns();
        /* Half a period late: everybody was, since the process was stopped or the machine asleep. */
        look(watchdog, now_ns, now_ns - wake_ns >= watchdog->period_ns / 2);
        wake_ns = now_ns + watchdog->period_ns / LOOKS_PER_PERIOD;
    }
    return NULL;
}

struct watchdog *watchdog_start(struct watchdog_pulse *const *pulses, size_t count, int64_t period_ms)
{
    struct watchdog *watchdog = check_calloc(1, sizeof(*watchdog) + count * sizeof(watchdog->seen[0]));
    sigset_t all, before;
    bool started;

    watchdog->pulses = pulses;
    watchdog->count = count;
    watchdog->period_ns = period_ms * MS;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_cond_init(&watchdog->changed, NULL);
    watchdog_stack_prepare();
    /* It takes no signals, so that the one that ends the process, should the log be stuck, meets another thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&watchdog->thread, NULL, run, watchdog) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_setname_np(watchdog->thread, "watchdog");
        return watchdog;
    }
    free(watchdog);
    return NULL;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stopping = true;
    pthread_cond_signal(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    CHECK(pthread_join(watchdog->thread, NULL) == 0);
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}
