/* nats_thread.c - threads and conditions of the sources */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_thread.h"

#include <time.h>

#include "gateway/base/check.h"

void nats_thread_block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, before) == 0);
}

void nats_thread_restore_signals(const sigset_t *before)
{
    CHECK(pthread_sigmask(SIG_SETMASK, before, NULL) == 0);
}

bool nats_thread_start(pthread_t *thread, void *(*function)(void *), void *arg)
{
    sigset_t before;
    nats_thread_block_signals(&before);
    bool started = pthread_create(thread, NULL, function, arg) == 0;
    nats_thread_restore_signals(&before);
    return started;
}

void nats_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

bool nats_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_ns)
{
    if (deadline_ns == 0)
        return pthread_cond_wait(condition, lock) == 0;
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    return pthread_cond_timedwait(condition, lock, &deadline) == 0;
}
