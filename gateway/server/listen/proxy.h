/* proxy.h - takes the PROXY protocol's header off a connection before anything else reads from it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_PROXY_H
#define GATEWAY_SERVER_LISTEN_PROXY_H

#include <stdbool.h>

struct connection;
struct proxy_reader;

/* Whether the peer must begin with a header: it comes from one of its listener's proxy_protocol networks. */
bool proxy_is_expected(const struct connection *connection);

/*
 * Reads the header from a new connection's socket: exactly the header, so that
 * TLS finds its first byte where it looks for it. Calls one of the two, later:
 * `done`, with the connection's peer as the header says it and the socket as
 * new, or `failed` with the reason; NULL: the peer closed without a byte.
 */
struct proxy_callbacks {
    void (*done)(struct connection *connection);
    void (*failed)(struct connection *connection, const char *reason);
};
void proxy_expect(struct connection *connection, const struct proxy_callbacks *callbacks);
/* Of a connection that closes meanwhile; NULL is ignored. */
void proxy_destroy(struct proxy_reader *reader);

#endif
