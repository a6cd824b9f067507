/* revoked.h - tokens that are no longer accepted */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_REVOKED_H
#define GATEWAY_AUTH_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct revocation;
struct token;

/*
 * The ids of revoked tokens, each kept until the token would have expired, and
 * holders all of whose tokens are revoked. Any thread. Not persistent.
 */
struct revoked;
#define REVOKED_MAX 100000   /* beyond it the entry that expires first is dropped */
#define REVOKED_KEPT_S 86400 /* for a token whose expiry is unknown */
#define REVOKED_LEEWAY_S 300 /* kept this long after its exp: no route may have a larger leeway */
struct revoked *revoked_create(void);
void revoked_destroy(struct revoked *revoked);
void revoked_add(struct revoked *revoked, const char *jti, int64_t expires_s, int64_t now_s);
/* Revokes the tokens of that `sub` issued (`iat`) up to now_s, or without `iat`. expires_s: the latest `exp`; 0: unknown. */
void revoked_add_holder(struct revoked *revoked, const char *sub, int64_t expires_s, int64_t now_s);
/*
 * Adds the revocation's jti, or its holder if it names a sub and nothing else.
 * A subject or route blocks no token: it only ends streams.
 */
void revoked_add_named(struct revoked *revoked, const struct revocation *revocation, int64_t now_s);
bool revoked_has(struct revoked *revoked, const char *jti, int64_t now_s);
/* By its id, or by its holder. */
bool revoked_has_token(struct revoked *revoked, const struct token *token, int64_t now_s);

#endif
