/* keys_jwk.h - one key of a JWKS file, and what it has to say about a signature */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_KEYS_JWK_H
#define GATEWAY_AUTH_KEYS_JWK_H

#include <stdbool.h>
#include <stddef.h>

struct _cjose_jwk_int;
struct json_t;

enum key_alg { KEY_HS256 = 0, KEY_RS256, KEY_PS256, KEY_ES256, KEY_ES384, KEY_ALGS };

/* RFC 7518, 3.1. False: no name of an algorithm that is spoken here. */
bool key_alg_parse(const char *name, enum key_alg *alg);

/* Immutable, any thread. */
struct key {
    enum key_alg alg;
    char *kid; /* NULL: none */
    struct _cjose_jwk_int *jwk;
    size_t signature_len;
    /* base64url: a header of this alg, and a signature of the right form that no text has. */
    char *header, *no_signature;
};

enum key_verdict {
    KEY_USABLE = 0,
    KEY_LEFT_OUT, /* of a kind or for a use that is not ours: no mistake */
    KEY_BAD,
};

/* RFC 7517, 4. Only with KEY_USABLE is there something to dispose of; else *reason says why, without naming a value. */
enum key_verdict key_init(struct key *key, const struct json_t *jwk, const char **reason);
void key_dispose(struct key *key);

/*
 * The compact JWS, whose form has been checked and whose signature decodes to
 * signature_len bytes, is signed by this key. Leaves nothing in OpenSSL's error
 * queue, where TLS on the same thread would take it for its own.
 */
bool key_verify(const struct key *key, const char *text, size_t len);
/* Takes as long as key_verify of a text with such a payload. */
void key_verify_nothing(const struct key *key, const char *payload, size_t payload_len);

#endif
