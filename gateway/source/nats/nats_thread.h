/* nats_thread.h - threads and conditions of the sources */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_THREAD_H
#define GATEWAY_SOURCE_NATS_NATS_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Signals are for the thread that waits for them: the client library's threads and ours inherit a full mask. */
void nats_thread_block_signals(sigset_t *before);
void nats_thread_restore_signals(const sigset_t *before);
/* With all signals blocked. */
bool nats_thread_start(pthread_t *thread, void *(*function)(void *), void *arg);

/* Deadlines are monotonic: setting the wall clock must not hold up anybody. */
void nats_condition_init(pthread_cond_t *condition);
/* Waits until the deadline (0: for ever). The lock is held. False: the deadline has passed. */
bool nats_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_ns);

#endif
