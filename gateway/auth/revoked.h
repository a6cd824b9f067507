/* revoked.h - tokens that are not to be accepted any more */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_REVOKED_H
#define GATEWAY_AUTH_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct token;

/* What a message on freshet.control.revoke names: all that are not NULL have to match. Immutable. */
struct revocation {
    char *sub, *jti;
    char *subject;     /* NATS pattern: streams that could receive any of it */
    char *route;       /* path template as configured */
    int64_t expires_s; /* "exp": when what it blocks ends by itself, wall clock; 0: not said */
};

#define REVOCATION_MAX 16384 /* bytes of such a message */

/*
 * {"sub": …, "jti": …, "subject": …, "route": …, "exp": …}: at least one of the
 * first four, none of them empty; exp is a NumericDate (RFC 7519). Other members are nobody's business.
 * NULL: error says why.
 */
struct revocation *revocation_parse(const char *json, size_t len, char *error, size_t size);
void revocation_destroy(struct revocation *revocation);

/*
 * The ids of revoked tokens, each until the token would have expired, and who
 * was revoked as a whole. Any thread. Forgotten with the process.
 */
struct revoked;
#define REVOKED_MAX 100000   /* beyond it the one that expires first gives way */
#define REVOKED_KEPT_S 86400 /* for a token whose expiry nobody has said */
#define REVOKED_LEEWAY_S 300 /* longer than its exp: no route may have a larger leeway */
struct revoked *revoked_create(void);
void revoked_destroy(struct revoked *revoked);
void revoked_add(struct revoked *revoked, const char *jti, int64_t expires_s, int64_t now_s);
/* Tokens of that `sub` which were issued (`iat`) up to now_s, or don't say when. expires_s: of the last of them; 0: not said. */
void revoked_add_holder(struct revoked *revoked, const char *sub, int64_t expires_s, int64_t now_s);
/*
 * What a revocation blocks: its jti; if it names a sub and nothing else, that
 * holder. A subject or route blocks no token: it only ends streams.
 */
void revoked_add_named(struct revoked *revoked, const struct revocation *revocation, int64_t now_s);
bool revoked_has(struct revoked *revoked, const char *jti, int64_t now_s);
/* By its id, or by its holder. */
bool revoked_has_token(struct revoked *revoked, const struct token *token, int64_t now_s);

#endif
