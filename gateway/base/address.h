/* address.h - "host:port" as the configuration writes it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_ADDRESS_H
#define GATEWAY_BASE_ADDRESS_H

#include <stdbool.h>

#define ADDRESS_HOST_MAX 253 /* RFC 1035: the longest name in text */

/* Ready for getaddrinfo. */
struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets; empty: every address of this machine */
    char port[6];                    /* "0" to "65535" */
};

/*
 * Accepts "127.0.0.1:8443", "[::1]:8443", "localhost:8443" and "*:8443".
 * Resolves nothing. NULL on success, else the fault, for an error message
 * (static storage); *address is then undefined.
 */
const char *address_parse(const char *s, struct address *address);

/*
 * host: an address without brackets, or a name. Of names only "localhost" is
 * one: "127.example" may belong to another machine.
 */
bool address_is_loopback(const char *host);

#endif
