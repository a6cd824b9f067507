/* listeners.h - accepts connections for one worker and hands them to HTTP */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_LISTENERS_H
#define GATEWAY_SERVER_LISTEN_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

struct connections;
struct endpoint;
struct endpoints;
struct gate_rules;
struct listeners;
struct shared;
struct st_h2o_accept_ctx_t;
struct st_h2o_context_t;

/*
 * One per worker; only that worker's thread, which has also made the context:
 * a libh2o socket takes its buffers from a cache of the thread that made it,
 * and has to be used and closed there. What becomes of a connection is up to
 * its opener (opener.h); upgrade_to_http2 of the global configuration has to
 * be 0: over TLS only ALPN may choose HTTP/2.
 *
 * At the limit of the pool, or of the kernel's descriptors, the worker stops
 * watching its public listening sockets and clients wait in the backlog; that
 * is counted as reason="descriptors" once each time. listeners_tick resumes.
 * The same where too many are opening (reason="handshakes"). The admin
 * listener has a few connections of its own.
 */

/*
 * accept_ctx: an array, by accept class. endpoints: the same, in the same order, for every worker of the pool, as
 * connections may change workers on accept. NULL: out of descriptors (errno).
 */
struct listeners *listeners_create(struct st_h2o_context_t *context, struct st_h2o_accept_ctx_t *accept_ctx,
                                   struct connections *connections, const struct endpoints *endpoints,
                                   struct shared *shared, const struct gate_rules *rules);

/*
 * A change takes two steps, of which the second may come when all workers have
 * done the first: a connection may come from any of them. First every new
 * endpoint is added, with a descriptor of its own, which is taken over. Then
 * all of them, in the same order, are as this says: other TLS contexts, other
 * trusted proxies, other rules for connections, those there are included.
 * Endpoints that are gone close; their connections get no new streams, and a
 * GOAWAY. New ones accept.
 */
void listeners_add(struct listeners *listeners, const struct endpoint *endpoint, int fd);
void listeners_change(struct listeners *listeners, const struct endpoint *endpoints, size_t count,
                      const struct gate_rules *rules);
/* What the connections of an endpoint have as `listen`. */
const void *listeners_origin(const struct listeners *listeners, size_t index);

/* Deadlines, those of open connections too, and resumption; some times a second. */
void listeners_tick(struct listeners *listeners, int64_t now_ns);

/*
 * Closes the public listening sockets. What has been accepted is served, also
 * when it is another worker that hands it over; and the operator still gets in.
 */
void listeners_stop_public(struct listeners *listeners);
/* Closes all listening sockets. Connections that are opening stay. Idempotent. */
void listeners_stop(struct listeners *listeners);

/*
 * Frees it. Comes after listeners_stop and at least one whole turn of the
 * loop, in which connections another worker handed over arrive (and are closed).
 * Connections may outlive it as long as none is opening.
 */
void listeners_destroy(struct listeners *listeners);

#endif
