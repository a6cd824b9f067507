/* config_reload.h - from one configuration to the next without a restart */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_RELOAD_H
#define GATEWAY_CONFIG_CONFIG_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config/config.h"

/*
 * Some things are done once, at the start, and stay: threads, the connections
 * to NATS, the streams that are followed. first: the configuration of the
 * start; next: one that is good as such. Each key that needs a restart is
 * reported, one call each; false: there was one.
 */
bool config_reload_check(const struct config *first, const struct config *next, config_error_fn on_error, void *arg);

/*
 * Numbers the streams of next as first has them, which lives longer. Those
 * that no route of next uses stay in the list, without subjects. After a check.
 */
void config_reload_adopt(const struct config *first, struct config *next);

/* Which top-level keys differ, as "listen, routes"; "nothing" if none does. Returns text. */
#define CONFIG_CHANGES_MAX 128
const char *config_reload_changes(const struct config *before, const struct config *after,
                                  char text[static CONFIG_CHANGES_MAX]);

/* What two routes, which may be of two configurations, ask of a client is the same. */
bool config_reload_same_auth(const struct config_route *route, const struct config_route *other);

#endif
