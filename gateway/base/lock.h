/* lock.h - a mutex that can say, in debug builds, whether the calling thread holds it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_LOCK_H
#define GATEWAY_BASE_LOCK_H

#include <pthread.h>

#include "gateway/base/check.h"

/*
 * Not recursive. A debug or sanitizer build remembers the holder: there a
 * thread that takes a lock twice, or gives one it doesn't hold, aborts. In a
 * release build this is a pthread_mutex_t and nothing more.
 */
struct lock {
    pthread_mutex_t mutex;
#ifdef FRESHET_DEBUG
    _Atomic pthread_t holder; /* 0: free; atomic, because a thread that doesn't hold the lock may ask */
#endif
};

/* For a lock of static storage; it needs neither lock_init nor lock_dispose. */
#define LOCK_INITIALIZER                                                                                               \
    {                                                                                                                  \
        .mutex = PTHREAD_MUTEX_INITIALIZER                                                                             \
    }

/* First in each function that needs its caller to hold the lock. Compiled in debug and sanitizer builds only. */
#ifdef FRESHET_DEBUG
#define CHECK_HELD(lock) CHECK(lock_is_held(lock))
#else
#define CHECK_HELD(lock) ((void)(lock))
_Static_assert(sizeof(struct lock) == sizeof(pthread_mutex_t), "a release build pays nothing for CHECK_HELD");
#endif

void lock_init(struct lock *lock);
/* No thread may hold it. */
void lock_dispose(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
#ifdef FRESHET_DEBUG
    CHECK(pthread_mutex_lock(&lock->mutex) == 0);
    CHECK(lock->holder == 0);
    lock->holder = pthread_self();
#else
    pthread_mutex_lock(&lock->mutex); /* the default kind has no way to fail */
#endif
}

static inline void lock_give(struct lock *lock)
{
#ifdef FRESHET_DEBUG
    CHECK(lock->holder == pthread_self());
    lock->holder = 0;
    CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
#else
    pthread_mutex_unlock(&lock->mutex);
#endif
}

#ifdef FRESHET_DEBUG
static inline _Bool lock_is_held(const struct lock *lock)
{
    return lock->holder == pthread_self();
}
#endif

#endif
