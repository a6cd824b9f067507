/* connection.h - one client connection, from accept to close */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_CONNECTION_H
#define GATEWAY_HTTP_CONNECTION_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "gateway/base/list.h"

struct config_listen;
struct connection;
struct guard;
struct metrics;
struct st_h2o_req_t;
struct st_h2o_socket_t;

/*
 * The connections of one worker. Only that worker's thread touches it.
 * `opening` holds those in their TLS handshake or before their first bytes,
 * oldest first; `open` those that speak HTTP.
 */
struct connections {
    pthread_t thread;
    struct list opening, open;
    struct list sent_away; /* whose clients are still to be told: see connection_send_away */
    size_t count;
    struct metrics *metrics;
    /* Called at the end of each connection's life, and frees its guard; NULL: none of them has one. */
    void (*on_close)(void *data, struct connection *connection);
    void *on_close_data;
};

enum connection_protocol { CONNECTION_OPENING = 0, CONNECTION_HTTP1, CONNECTION_HTTP2 };

/*
 * Lives from connection_attach until libh2o closes the socket, whatever
 * becomes of handshake and protocol in between; nothing else frees it.
 */
struct connection {
    struct connections *registry;
    struct list link;    /* in the registry's opening or open */
    struct guard *guard; /* what the server keeps about it; freed by connections.on_close */

    /* the socket */
    struct st_h2o_socket_t *sock;
    int64_t accepted_ns; /* monotonic */
    bool is_killed;

    /* the peer */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
    const struct config_listen *listen; /* the entry of `listen` it came in at; NULL: the admin listener */
    char *certificate_name;             /* malloc'd, freed with the connection: see certificate.h */

    /* the protocol */
    bool is_tls;
    uint8_t protocol;  /* enum connection_protocol */
    bool is_leaving;   /* its listener is no more: no new streams; set by the listeners */
    bool is_sent_away; /* connection_send_away has been called, and … */
    struct list away;  /* … until its GOAWAY is written it is in sent_away */

    /* the requests: kept by http/exchange.c and limits.c */
    struct list requests;     /* that libh2o has not disposed of, the oldest first */
    unsigned streams;         /* kept by the stream layer */
    unsigned asking;          /* of them, those being handled: streams, and those without an answer yet */
    unsigned admitted;        /* of these, streams, also those that still wait for permission */
    unsigned unsent;          /* those whose whole answer is there, but has not left yet */
    bool has_requested;       /* there has been one */
    int64_t last_progress_ns; /* when its streams last made headway; starts as the time HTTP began */
    int64_t idle_since_ns;    /* when `asking` was last not 0, or HTTP began */
    int64_t unsent_since_ns;  /* when `unsent` last was 0 or shrank */
    int64_t bucket_ns;        /* of new streams */
    int64_t body_since_ns;    /* since when a request's body is coming in; 0: none is. Set by the gate */
};

/* By the worker's thread. */
void connections_init(struct connections *connections, struct metrics *metrics);
/* All connections must be gone. */
void connections_dispose(struct connections *connections);

/*
 * Hangs a new connection at sock->on_close, which must be free. peer: as
 * accept gave it; a family other than IPv4 and IPv6 is kept as unspecified.
 */
struct connection *connection_attach(struct connections *registry, struct st_h2o_socket_t *sock, bool is_tls,
                                     const struct sockaddr *peer, int64_t now_ns);
/* A trusted proxy has named the real client. */
void connection_set_peer(struct connection *connection, const struct sockaddr *peer);
/* The protocol is known. Before h2o_http1_accept and h2o_http2_accept, which may already run handlers. */
void connection_opened(struct connection *connection, enum connection_protocol protocol, int64_t now_ns);

struct connection *connection_of_socket(struct st_h2o_socket_t *sock);
/* NULL where the socket is no client connection's. */
struct connection *connection_find(struct st_h2o_socket_t *sock);
/* The connection a request came in on: valid in handlers, and in a generator's stop and dispose callbacks. */
struct connection *connection_of(struct st_h2o_req_t *req);

/*
 * Shuts the socket down in both directions: the only safe way to end a
 * connection from outside. libh2o notices in a later loop turn, then runs
 * every generator's stop, and the connection is freed. HTTP/1.1 with a
 * response under way is not being read: there only the next write fails, so
 * its stream has to send something (its end, for instance). Idempotent.
 */
void connection_kill(struct connection *connection);

/*
 * The client should open its next streams over another connection: over HTTP/2
 * the next turn sends it a GOAWAY. To be called when one of its streams ends
 * and not before: some clients drop a connection at a GOAWAY, with all that is
 * open on it. Idempotent.
 */
void connection_send_away(struct connection *connection);
void connections_kill_all(struct connections *connections);

/* fn may kill the connection it is given. Those that are opening come first. */
void connections_for_each(struct connections *connections, void (*fn)(void *arg, struct connection *connection),
                          void *arg);

/* "192.0.2.1:443", "[2001:db8::1]:443", "unknown"; an IPv4-mapped address as IPv4. Returns dst. */
#define CONNECTION_PEER_MAX 64
const char *connection_peer(const struct connection *connection, char dst[static CONNECTION_PEER_MAX]);

#endif
