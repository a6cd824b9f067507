/* listener_internal.h - what the parts of a worker's listeners know of each other */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_LISTENER_INTERNAL_H
#define GATEWAY_SERVER_LISTEN_LISTENER_INTERNAL_H

#include <h2o.h>
#include <stdbool.h>

#include "gateway/config/config.h"
#include "gateway/server/listen/accept_pool.h"
#include "gateway/server/gate/gate.h"
#include "gateway/server/listen/listener.h"
#include "gateway/server/reaper.h"

/* Lives as long as its listeners, also when it is gone: connections point to its `listen`. */
struct endpoint {
    struct listeners *owner;
    size_t index;       /* the same for every worker */
    h2o_socket_t *sock; /* NULL once closed, and on workers that aren't watchers */
    SSL_CTX *tls;
    unsigned host;
    char *address;
    enum accept_class class;
    bool is_public;              /* of the list: connections get `listen` */
    struct config_listen listen; /* of the configuration as it is; what it points to lives as long as that */
    bool reads;                  /* the socket has been made to accept */
    bool gone;                   /* the configuration has it no more */
};

struct listeners {
    h2o_context_t *context;
    h2o_accept_ctx_t *accept_ctx; /* by host */
    struct connections *connections;
    struct accept_pool *pool;
    struct accept_slot *slot;
    struct address_limits *clients;
    struct gate_rules rules;
    struct reaper reaper;
    h2o_multithread_receiver_t receiver;
    bool stopped, public_stopped;
    struct {
        bool paused;
        int64_t resume_ns;
    } classes[ACCEPT_CLASSES];
    size_t count;
    struct endpoint *endpoints[LISTENER_ENDPOINTS_MAX];
};

/* Of listener.c: a listening socket has connections to accept. */
void listener_on_acceptable(h2o_socket_t *sock, const char *err);

/* Takes the descriptor over. It does not accept yet. */
void listener_endpoint_add(struct listeners *listeners, const struct listener_endpoint *from, int fd);
/* Makes those accept that should: neither paused, nor stopped, nor gone. */
void listener_endpoints_read(struct listeners *listeners);
void listener_endpoint_close(struct endpoint *endpoint);

#endif
