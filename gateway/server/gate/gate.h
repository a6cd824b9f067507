/* gate.h - stands between a socket and libh2o, which must not be shown everything */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GATE_GATE_H
#define GATEWAY_SERVER_GATE_GATE_H

#include <openssl/types.h>
#include <stdbool.h>

struct config_limits;
struct connection;
struct gate;

/* What a listener's connections may do. */
struct gate_rules {
    const struct config_limits *limits;
    bool takes_bodies; /* something can be published to here: DATA frames are no attack */
};

/*
 * Takes the place of libh2o's reader: every byte that has come in on the
 * connection's socket is looked at before libh2o sees it. Call right after
 * h2o_http2_accept / h2o_http1_accept would have been called: these do call
 * them. The socket may be gone when they return. rules outlive the connection.
 */
struct st_h2o_accept_ctx_t;
void gate_http2_accept(struct connection *connection, struct st_h2o_accept_ctx_t *accept_ctx,
                       const struct gate_rules *rules);
void gate_http1_accept(struct connection *connection, struct st_h2o_accept_ctx_t *accept_ctx,
                       const struct gate_rules *rules);

/* The rules have changed: from now on they are those of this connection, too. */
void gate_apply_rules(struct connection *connection);

/*
 * The connection's gate, at first no more than the meter of its bytes (see
 * gate_meter.h). Before h2o_socket_ssl_handshake or the first read. rules
 * outlive the connection.
 */
void gate_create(struct connection *connection, const struct gate_rules *rules);
/* When the connection closes; NULL is ignored. */
void gate_destroy(struct gate *gate);

/*
 * libh2o (2.2.5) keeps the context as a bare pointer until the first bytes of
 * the handshake come, and a reload may let go of it before that: the
 * connection holds a reference of its own. After gate_create.
 */
void gate_keep_tls(struct connection *connection, SSL_CTX *context);

#endif
