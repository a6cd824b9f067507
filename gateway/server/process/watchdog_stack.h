/* watchdog_stack.h - where another thread of this process is just now */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_PROCESS_WATCHDOG_STACK_H
#define GATEWAY_SERVER_PROCESS_WATCHDOG_STACK_H

#include <sys/types.h>

/* As much as a field of a log line holds. */
#define WATCHDOG_STACK_MAX 1000

/* Takes SIGUSR2 for it. Once, before any thread may be in the way. */
void watchdog_stack_prepare(void);

/*
 * "freshet+0x1a2b libh2o-evloop.so.0.13+0x3c4d(h2o_evloop_run) …", innermost
 * first; a thread that cannot answer within a second (the kernel holds it, a
 * debugger has it) is said to be unavailable, with its state as /proc shows it.
 * One thread at a time.
 */
void watchdog_stack_take(pid_t thread, char dst[static WATCHDOG_STACK_MAX]);

#endif
