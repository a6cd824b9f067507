/* app.h - what the request handlers of one worker share */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_APP_H
#define GATEWAY_HTTP_APP_H

#include <stdint.h>

#include "gateway/base/log.h"

struct admission;
struct address_limits;
struct config;
struct connection;
struct hub;
struct keys;
struct liveness;
struct presence;
struct revoked;
struct service_auth;
struct settings;
struct source;
struct st_h2o_hostconf_t;

/* One per worker, its thread only; outlives the worker's connections. */
struct app {
    const struct config *config;
    const char *gateway; /* its name */
    struct hub *hub;
    struct address_limits *clients; /* NULL: addresses have no limits */
    struct admission *admission;
    struct presence *presence;
    struct source *const *sources; /* by history.source of a route; 0 is core NATS */
    /* --dev: its broker; adds the page at /, its assets, /dev/…, POST /publish/{subject} */
    const char *dev_nats_url;
    struct keys *const *keys;  /* by route->auth.keys */
    struct settings *settings; /* that config and keys belong to; NULL: they never change */
    struct revoked *revoked;
    struct service_auth *service;
    const struct liveness *liveness; /* NULL: unknown, reported as alive */
    struct {
        const struct connection *connection; /* compared, never followed */
        int64_t turn_ns;
    } written;                     /* the write that hub->written_ns is the time of; kept by stream.c */
    struct log_limit access_limit; /* of access_log.h */
};

/* Registers the one handler that answers everything. app outlives the host configuration. */
void app_register(struct app *app, struct st_h2o_hostconf_t *host);

#endif
