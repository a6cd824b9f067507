/* reclaim.h - frees memory when all rings together take too much */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_RECLAIM_H
#define GATEWAY_CORE_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

struct registry;

/*
 * Brings a budget over its limit to an eighth below it: first it closes
 * channels without users, the longest idle first; then it evicts the oldest
 * events of the others, starting with the channel where for the longest time no
 * event has come in and no reader has joined or left. Events of the last second
 * stay. A reader that has not received an evicted event has fallen behind, like
 * any slow reader; one that has received them all loses nothing, even when it
 * resumes. If more than the limit comes in within a second, rings stop growing
 * at an eighth above it, see ingress_append.
 *
 * Handles a few hundred channels, then returns. True: call again soon, there
 * is more. Called by one thread; the mailbox of index 0 is woken whenever it is
 * time. After a call that could free nothing it pauses for a second.
 */
bool reclaim_run(struct registry *registry, int64_t now_ns, int64_t wall_ns);

#endif
