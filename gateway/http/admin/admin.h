/* admin.h - what the admin listener answers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_ADMIN_H
#define GATEWAY_HTTP_ADMIN_ADMIN_H

struct app;
struct st_h2o_hostconf_t;

/*
 * GET /metrics (Prometheus text format 0.0.4), /streams (what is held right
 * now, as JSON), /config (the effective configuration as JSON, secrets masked),
 * /livez (200 or 503: all loops turn) and /readyz (200 or 503: connected to the
 * broker, each JetStream stream reached, neither draining nor shutting down).
 * With admin.token set everything asks for it (Authorization: Bearer, or
 * Freshet-Admin-Token, which leaves the former to a route's own), but that
 * /livez and /readyz answer their 200 or 503 to anybody, without the reasons.
 * With admin.console also what console.h says.
 * app outlives the host configuration.
 */
void admin_register(struct app *app, struct st_h2o_hostconf_t *host);

#endif
