/* held_thread.h - one thread of another process, held as a debugger does */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_HELD_THREAD_H
#define TESTS_SUPPORT_HELD_THREAD_H

#include <stdbool.h>
#include <sys/types.h>

/* The kernel's id of the thread of that name; 0: there is none. */
pid_t thread_named(pid_t pid, const char *name);
/* This one thread, and nothing else of the process, until its end or thread_let_go. */
bool thread_hold(pid_t thread);
bool thread_let_go(pid_t thread);

#endif
