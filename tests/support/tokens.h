/* tokens.h - makes keys, JWKS files and signed tokens, with OpenSSL alone */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TOKENS_H
#define TESTS_SUPPORT_TOKENS_H

#include <stddef.h>

/*
 * JSON Web Signature (RFC 7515, 7517, 7518) without any of the gateway's code
 * or libraries for it, so that a mistake there is not made here as well. An
 * error of OpenSSL ends the process by fixture_fail. The caller frees the
 * strings that are returned.
 */
struct tokens_key;

/* A fresh key: alg is HS256, RS256, PS256, ES256 or ES384; kid NULL: the key has none. */
struct tokens_key *tokens_key(const char *alg, const char *kid);
/* The same for RSA with so many bits. */
struct tokens_key *tokens_key_rsa(const char *alg, const char *kid, unsigned bits);
/* HS256 with the given secret, of any length. */
struct tokens_key *tokens_key_secret(const char *kid, const void *secret, size_t len);
void tokens_key_free(struct tokens_key *key);

/* The JWK as JSON text: of RSA and EC keys only the public part. */
char *tokens_jwk(const struct tokens_key *key);
/* {"keys": […]} of the keys up to a NULL; the file is replaced atomically. */
void tokens_write_jwks(const char *path, ...) __attribute__((sentinel));

/*
 * A compact JWS. header NULL: {"alg":…,"typ":"JWT","kid":…} of the key; one
 * that is given is signed as it is, whatever it says. payload is any text.
 *
 *   char *token = tokens_sign(key, NULL, "{\"sub\":\"me\",\"freshet\":{\"subscribe\":[\"orders.>\"]}}");
 */
char *tokens_sign(const struct tokens_key *key, const char *header, const char *payload);
/* {"sub":SUB,"jti":JTI,"exp":now + seconds,"freshet":{"subscribe":SUBSCRIBE}}, the last one as JSON, e.g. ["a.>"]. */
char *tokens_sign_for(const struct tokens_key *key, const char *sub, const char *jti, int seconds,
                      const char *subscribe);
/* base64url without padding (RFC 4648, 5), for tokens put together by hand. */
char *tokens_base64url(const void *data, size_t len);

/* The public part of an RSA or EC key in a form that a careless verifier might take for an HMAC secret. */
enum tokens_form { TOKENS_PEM, TOKENS_DER, TOKENS_MODULUS };
unsigned char *tokens_public(const struct tokens_key *key, enum tokens_form form, size_t *len);

#endif
