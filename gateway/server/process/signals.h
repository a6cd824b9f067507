/* signals.h - what the process is told by signals, taken one at a time by its main thread */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_PROCESS_SIGNALS_H
#define GATEWAY_SERVER_PROCESS_SIGNALS_H

#include <stdint.h>

/* SIGTERM, SIGINT and SIGHUP wait to be taken. Once, before any thread is made: all inherit it. */
void signals_block(void);
/* The first of them that comes within that time; 0: none did, or signals_wake was called. After signals_block. */
int signals_take(int64_t timeout_ns);
/* Ends the signals_take that is under way, or else the next one. Any thread. */
void signals_wake(void);
/* From here on SIGTERM and SIGINT kill; the first to come is ignored, unless two have been taken already. Once. */
void signals_release(void);
/* "SIGTERM" */
const char *signals_name(int number);

#endif
