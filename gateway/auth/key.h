/* key.h - one key of a JWKS file, and the signatures it verifies */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_KEY_H
#define GATEWAY_AUTH_KEY_H

#include <stdbool.h>
#include <stddef.h>

struct _cjose_jwk_int;
struct json_t;

enum key_alg { KEY_HS256 = 0, KEY_RS256, KEY_PS256, KEY_ES256, KEY_ES384, KEY_ALGS };

/* RFC 7518, 3.1. False: not the name of a supported algorithm. */
bool key_alg_parse(const char *name, enum key_alg *alg);

/* Immutable, any thread. */
struct key {
    enum key_alg alg;
    char *kid; /* NULL: none */
    struct _cjose_jwk_int *jwk;
    size_t signature_len;
    /* base64url: a header of this alg, and a well-formed signature that fits no text. For key_verify_nothing. */
    char *header, *no_signature;
};

enum key_verdict {
    KEY_USABLE = 0,
    KEY_LEFT_OUT, /* of a type or for a use that tokens have no need of: skipped, not an error */
    KEY_BAD,
};

/* RFC 7517, 4. Only a KEY_USABLE needs key_dispose; otherwise *reason says why, without quoting a value. */
enum key_verdict key_init(struct key *key, const struct json_t *jwk, const char **reason);
void key_dispose(struct key *key);

/*
 * Whether this key signed the compact JWS, which has passed token_jose_parse
 * and whose signature decodes to signature_len bytes. Leaves nothing in
 * OpenSSL's error queue, where TLS on the same thread would read it as its own
 * failure.
 */
bool key_verify(const struct key *key, const char *text, size_t len);
/* Takes as long as key_verify with the same payload, so that a client can't tell by the time what was wrong. */
void key_verify_nothing(const struct key *key, const char *payload, size_t payload_len);

#endif
