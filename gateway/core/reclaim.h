/* reclaim.h - who gives way when all rings together take too much memory */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_RECLAIM_H
#define GATEWAY_CORE_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

struct registry;

/*
 * Over its limit, the registry's budget is brought an eighth below it: first
 * channels without users are closed, the longest idle first; then the rings of
 * the others lose their oldest events, those channels first that for the
 * longest time nothing has come in on and no reader has come to or left. What
 * came within the last second stays. A reader that had not reached the dropped
 * events has fallen behind like any slow reader; one that had loses nothing,
 * also after a resume. Where more than the limit comes in a second, rings stop
 * growing at an eighth above it, see ingress_append.
 *
 * Looks at some hundred channels, then returns. True: call again soon, there
 * is more. The mailbox of index 0 is woken whenever it is time to call; one
 * thread's task. What can't be brought down waits for a second.
 */
bool reclaim_run(struct registry *registry, int64_t now_ns, int64_t wall_ns);

#endif
