/* condition.h - a condition variable whose deadlines are on the monotonic clock */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_CONDITION_H
#define GATEWAY_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lock;

/* Monotonic, because setting the wall clock must not delay a waiting thread. */
struct condition {
    pthread_cond_t condition;
};

void condition_init(struct condition *condition);
/* No thread may wait for it. */
void condition_dispose(struct condition *condition);

/*
 * The caller holds the lock; it is free during the wait, and held again on
 * return. Wake-ups may be spurious: call it in a loop that tests what it waits
 * for.
 */
void condition_wait(struct condition *condition, struct lock *lock);
/* Waits until the deadline at the latest (clock_mono_ns; 0: no deadline). False: the deadline has passed. */
bool condition_wait_until(struct condition *condition, struct lock *lock, int64_t deadline_ns);

void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

#endif
