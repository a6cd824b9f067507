/* revocation.h - one message on freshet.control.revoke, parsed */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_REVOCATION_H
#define GATEWAY_AUTH_REVOCATION_H

#include <stddef.h>
#include <stdint.h>

/* A stream or token is meant if it matches every member that isn't NULL. Immutable. */
struct revocation {
    char *sub, *jti;
    char *subject;     /* NATS pattern: streams that could receive a matching subject */
    char *route;       /* path template as configured */
    int64_t expires_s; /* "exp": when the token expires anyway, wall clock; 0: unknown */
};

#define REVOCATION_MAX 16384 /* bytes of a message */

/*
 * {"sub": …, "jti": …, "subject": …, "route": …, "exp": …}: at least one of the
 * first four, none of them empty; exp is a NumericDate (RFC 7519). Unknown
 * members are ignored. NULL: error says why.
 */
struct revocation *revocation_parse(const char *json, size_t len, char *error, size_t size);
void revocation_destroy(struct revocation *revocation);

#endif
