/* drain.h - ends streams one after the other, at an even pace */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_DRAIN_H
#define GATEWAY_CORE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct list;
struct reader;

/*
 * From now on new readers are refused, and those there are end with CLOSE_DRAIN,
 * in the order in which they came, evenly over the window (0: as fast as turns
 * go): the gateway that they reconnect to gets a steady rate, not all at once.
 * Once in a hub's life; turn_shutdown may come in between. Hub thread.
 */
void drain_begin(struct hub *hub, int64_t window_ns);

/*
 * The same for those that a walk gives the verdict EVICT_IN_TIME, and only
 * them: before it begins. Those that are still waiting from an earlier time get
 * the new window.
 */
void drain_begin_parting(struct hub *hub, int64_t window_ns);

/* ---- of the hub, hub thread ---- */

/* Ends those whose time has come, a bounded number. True: there are more. */
bool drain_step(struct hub *hub);
/* The reader is one of those that wait for their turn to part. Idempotent. */
void drain_part(struct hub *hub, struct reader *reader);
/* The hub ends: moves all readers that wait or have been ended to the list. */
void drain_end(struct hub *hub, struct list *all);

#endif
