/* condition.c - a condition variable whose deadlines are on the monotonic clock */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/condition.h"

#include <errno.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"

void condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    /* pthread_cond_timedwait takes the wall clock unless told otherwise. */
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&condition->condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void condition_dispose(struct condition *condition)
{
    CHECK(pthread_cond_destroy(&condition->condition) == 0);
}

/* The wait gives the mutex and takes it again without lock_give and lock_take: these keep the holder right. */
static void note_given(struct lock *lock)
{
    CHECK_HELD(lock);
#ifdef FRESHET_DEBUG
    lock->holder = 0;
#endif
}

static void note_taken(struct lock *lock)
{
#ifdef FRESHET_DEBUG
    lock->holder = pthread_self();
#endif
    CHECK_HELD(lock);
}

void condition_wait(struct condition *condition, struct lock *lock)
{
    note_given(lock);
    CHECK(pthread_cond_wait(&condition->condition, &lock->mutex) == 0);
    note_taken(lock);
}

bool condition_wait_until(struct condition *condition, struct lock *lock, int64_t deadline_ns)
{
    if (deadline_ns == 0) { /* as a time it would have passed long ago */
        condition_wait(condition, lock);
        return true;
    }
    CHECK(deadline_ns > 0);
    struct timespec deadline = clock_timespec(deadline_ns);
    note_given(lock);
    int error = pthread_cond_timedwait(&condition->condition, &lock->mutex, &deadline);
    note_taken(lock);
    CHECK(error == 0 || error == ETIMEDOUT);
    return error == 0;
}

void condition_signal(struct condition *condition)
{
    CHECK(pthread_cond_signal(&condition->condition) == 0);
}

void condition_broadcast(struct condition *condition)
{
    CHECK(pthread_cond_broadcast(&condition->condition) == 0);
}
