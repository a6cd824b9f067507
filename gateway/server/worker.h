/* worker.h - one event loop: its thread, its hub, its connections */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_WORKER_H
#define GATEWAY_SERVER_WORKER_H

#include <stdbool.h>
#include <stddef.h>

struct accept_pool;
struct admission;
struct app;
struct clients;
struct config;
struct keys;
struct listener_endpoint;
struct liveness;
struct presence;
struct registry;
struct revoked;
struct source;
struct watchdog_pulse;
struct worker;

/* What a listener's requests are for: struct listener_endpoint.host. */
enum worker_host { WORKER_PUBLIC = 0, WORKER_ADMIN, WORKER_HOSTS };

/* What all workers share; outlives them. */
struct worker_shared {
    const struct config *config;
    const char *gateway; /* its name */
    struct registry *registry;
    struct source *const *sources; /* by history.source of a route */
    unsigned source_count;
    struct accept_pool *pool;
    struct clients *clients;
    struct admission *admission;
    struct presence *presence;
    const struct listener_endpoint *endpoints;
    size_t endpoint_count;
    const char *dev_nats_url; /* NULL unless --dev */
    struct keys *const *keys; /* by the routes' auth.keys */
    struct revoked *revoked;
    const struct liveness *liveness;
};

/*
 * In this order, all by the main thread: create each, start each (listening
 * begins), shutdown each, wait for each, release each, then, when no source
 * calls anybody any more, destroy each.
 */
struct worker *worker_create(const struct worker_shared *shared, unsigned number);
/* False: there are no threads or descriptors to be had. What follows works all the same, started or not. */
bool worker_start(struct worker *worker);
/* What its requests are handled with. */
struct app *worker_app(struct worker *worker);
/* Beats while its loop turns. */
struct watchdog_pulse *worker_pulse(struct worker *worker);

/*
 * Stops accepting, ends every stream with freshet.bye, and lets the loop end
 * when all have taken it or limits.shutdown is over; then what is left is shut
 * down. Returns at once.
 */
void worker_shutdown(struct worker *worker);
void worker_wait(struct worker *worker);

/*
 * Gives the channels back. After worker_wait. False: a connection would not
 * close within seconds of its shutdown; the process had better end as it is.
 */
bool worker_release(struct worker *worker);
void worker_destroy(struct worker *worker);

#endif
