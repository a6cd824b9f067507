/* listen_socket.h - listening sockets from "host:port" text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_LISTEN_SOCKET_H
#define GATEWAY_SERVER_LISTEN_LISTEN_SOCKET_H

#include <stddef.h>

/*
 * Addresses are as gateway/base/address.h takes them. A name is opened at
 * every address it has, "*" as one socket for IPv6 and IPv4. Port 0 lets the
 * kernel choose; a name with several addresses then gets the same port on as
 * many of them as have it free.
 */
struct passed;

#define LISTEN_SOCKETS_MAX 8
#define LISTEN_SOCKET_TEXT_MAX 80

struct listen_socket {
    int fd;                            /* listening, non-blocking, close-on-exec; the caller closes it */
    char text[LISTEN_SOCKET_TEXT_MAX]; /* what it is really bound to: "127.0.0.1:40123", "[::]:8443" */
};

/*
 * Opens at most LISTEN_SOCKETS_MAX sockets and returns how many; 0: none is
 * open and error has "ADDRESS: why". Accepted sockets inherit TCP_NODELAY, a
 * keepalive that finds a vanished peer within about 90 s, and (unless 0)
 * stall_ms: how long sent bytes may stay unacknowledged, or the peer's window
 * closed, before the kernel itself drops the connection. What has been passed
 * to the process, bound to one of the addresses, is taken instead of opening
 * another; passed: NULL where nothing was.
 */
size_t listen_socket_open(const char *address, unsigned stall_ms, struct passed *passed,
                          struct listen_socket sockets[static LISTEN_SOCKETS_MAX], char *error, size_t size);

/* What a stall_ms of the opening was. */
void listen_socket_set_stall(int fd, unsigned stall_ms);

#endif
