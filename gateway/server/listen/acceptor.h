/* acceptor.h - one listening socket of one worker */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_ACCEPTOR_H
#define GATEWAY_SERVER_LISTEN_ACCEPTOR_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/config/config.h"
#include "gateway/server/listen/accept_pool.h"

struct connection;
struct endpoint;
struct listeners;
struct st_h2o_context_t;
struct st_h2o_socket_t;

/*
 * Lives as long as its listeners, also when it is gone: connections point to
 * its `listen`. Worker thread.
 */
struct acceptor {
    struct listeners *owner;
    size_t index;                 /* of its endpoint, the same for every worker */
    enum accept_class class;      /* of its endpoint */
    char *address;                /* bound to, for the log */
    struct st_h2o_socket_t *sock; /* NULL once closed, and on workers that aren't watchers */
    SSL_CTX *tls;                 /* NULL: cleartext */
    bool is_listed;               /* in the configuration's list: connections get `listen` */
    bool is_reading;              /* the socket has been made to accept */
    bool is_gone;                 /* the configuration has it no more */
    struct config_listen listen;  /* of the configuration as it is; what it points to lives as long as that */
};

struct acceptor *acceptor_create(struct listeners *owner, size_t index, const struct endpoint *endpoint);
void acceptor_destroy(struct acceptor *acceptor);

/* Takes the descriptor over. It does not accept yet. */
void acceptor_open(struct acceptor *acceptor, struct st_h2o_context_t *context, int fd);
/* sock->data of the callback is the acceptor. Idempotent, and no more than ignored without a socket. */
void acceptor_read(struct acceptor *acceptor, void (*on_acceptable)(struct st_h2o_socket_t *sock, const char *err));
void acceptor_pause(struct acceptor *acceptor);
void acceptor_close(struct acceptor *acceptor);

/* Its endpoint under another configuration. */
void acceptor_change(struct acceptor *acceptor, const struct endpoint *endpoint);
/*
 * The configuration has it no more: closes it for ever, and its connections
 * trust no proxy from now on. True: it was not gone before.
 */
bool acceptor_end(struct acceptor *acceptor);
/* Whether the connection came in there. */
bool acceptor_has(const struct acceptor *acceptor, const struct connection *connection);

#endif
