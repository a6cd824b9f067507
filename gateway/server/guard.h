/* guard.h - what the server keeps about one client connection, beside what HTTP knows of it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GUARD_H
#define GATEWAY_SERVER_GUARD_H

#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/server/listen/accept_pool.h"

struct acceptor;
struct address_account;
struct connection;
struct gate;
struct opener;
struct proxy_reader;

/*
 * Hangs at connection->guard from accept to close. Each member belongs to one
 * part of the server, which alone sets it. Worker thread.
 */
struct guard {
    struct connection *connection;

    /* listen/opener.c */
    struct opener *opener;
    enum accept_class class;
    const struct acceptor *acceptor; /* where it came in, while it is opening; then NULL */
    struct address_account *client;  /* its share of its address's limits (core/address_limits.h); NULL: none */
    uint64_t client_bytes;           /* the memory `client` counts for it */

    struct proxy_reader *proxy; /* of listen/proxy.c, while a PROXY header is being read */
    struct gate *gate;          /* of gate/gate.c; NULL before its first bytes may be read */
    struct list deadline;       /* in the reaper's wheel */
};

/* Hangs it at the connection. */
struct guard *guard_create(struct connection *connection, struct opener *opener, const struct acceptor *acceptor);
/* When the connection closes. */
void guard_destroy(struct guard *guard);

#endif
