/* admin.h - what the admin listener answers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_ADMIN_H
#define GATEWAY_HTTP_ADMIN_ADMIN_H

struct app;
struct st_h2o_hostconf_t;

/*
 * GET /metrics (Prometheus text format 0.0.4), /streams (what the gateway
 * holds at the moment, as JSON), /config (the effective configuration as JSON, secrets masked),
 * /livez (200 or 503: all loops turn) and /readyz (200 or 503: connected to the
 * broker, each JetStream stream reached, neither draining nor shutting down).
 * With admin.token set all of it requires that token (Authorization: Bearer, or
 * Freshet-Admin-Token, which leaves the former to the route's own token), except
 * that /livez and /readyz answer 200 or 503 without it, and without reasons.
 * With admin.console it also serves the console (console.h).
 * app outlives the host configuration.
 */
void admin_register(struct app *app, struct st_h2o_hostconf_t *host);

#endif
