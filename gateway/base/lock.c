/* lock.c - a mutex that can say, in debug builds, whether the calling thread holds it */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/lock.h"

void lock_init(struct lock *lock)
{
    CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
#ifdef FRESHET_DEBUG
    lock->holder = 0;
#endif
}

void lock_dispose(struct lock *lock)
{
#ifdef FRESHET_DEBUG
    CHECK(lock->holder == 0);
#endif
    CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}
