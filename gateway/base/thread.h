/* thread.h - threads of this process, and the check that an object stays on its own */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_THREAD_H
#define GATEWAY_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/check.h"
#include "gateway/base/condition.h"
#include "gateway/base/lock.h"

/*
 * First in each function that only the owner of `object` may call. The object
 * has a member `pthread_t thread`, set by its owner with pthread_self() before
 * anything else. Always on.
 */
#define CHECK_THREAD(object) CHECK(pthread_equal(pthread_self(), (object)->thread))

#define THREAD_NAME_MAX 16 /* with its NUL; the kernel's limit */

/*
 * Runs function(arg) on a new thread called `name`, with stack_bytes of stack
 * (0: the system's default) and all signals blocked, except those by which the
 * processor reports a fault. The caller joins it (thread_join) or detaches it.
 * False: the system allows no further thread.
 */
bool thread_start(pthread_t *thread, const char *name, size_t stack_bytes, void *(*function)(void *), void *arg);
void thread_join(pthread_t thread);

/* The calling thread takes this signal although thread_start blocked it. */
void thread_accept_signal(int number);

/* Around a library's call that creates threads: they inherit the mask that thread_start gives ours. */
void thread_block_signals(sigset_t *before);
void thread_restore_signals(const sigset_t *before);

#endif
