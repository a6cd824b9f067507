/* farewell.h - from the signal that ends the gateway until no client is left */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_FAREWELL_H
#define GATEWAY_SERVER_FAREWELL_H

#include <stdint.h>

struct config_drain;
struct worker;

/*
 * Drains all workers and waits until no client is left, config->timeout_ms is over
 * or a second signal comes; in any case worker_shutdown is next. turn is called
 * every turn_ns with the number of streams that are left. Main thread.
 */
enum drain_end { DRAIN_DONE = 0, DRAIN_TIMEOUT, DRAIN_SIGNAL };
enum drain_end farewell_run(struct worker *const *workers, unsigned count, const struct config_drain *config,
                            int64_t turn_ns, void (*turn)(void *arg, uint64_t streams), void *arg);

#endif
