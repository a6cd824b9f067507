/* shared.h - what all workers of the process share */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_SHARED_H
#define GATEWAY_SERVER_SHARED_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/core/registry.h"
#include "gateway/http/liveness.h"
#include "gateway/server/process/gateway_name.h"
#include "gateway/server/sources.h"

struct accept_pool;
struct address_limits;
struct admission;
struct config;
struct presence;
struct revoked;

/* Outlives the workers, and all that runs on their threads. Its members have their own rules about threads. */
struct shared {
    const struct config *config; /* of the start: what a reload never changes */
    const char *dev_nats_url;    /* NULL unless --dev */
    char name[GATEWAY_NAME_MAX]; /* of this gateway */
    struct sources sources;
    struct registry registry;
    struct accept_pool *pool;
    struct address_limits *clients;
    struct admission *admission;
    struct presence *presence;
    struct revoked *revoked;
    struct liveness liveness; /* set by the server, which knows the workers */
};

/* Both pointers outlive it. False: the NATS settings are wrong, error says why, and there is nothing to dispose of. */
bool shared_init(struct shared *shared, const struct config *config, const char *dev_nats_url, char *error,
                 size_t error_size);
/* The sources have stopped and the workers are gone. */
void shared_dispose(struct shared *shared);

#endif
