/* token_jose.h - the form of a compact JWS, checked before any library sees it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_JOSE_H
#define GATEWAY_AUTH_TOKEN_JOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/auth/keys_jwk.h"

/* base64url, as they stand in the token. */
struct token_part {
    const char *text;
    size_t len;
};

/*
 * RFC 7515, 7.1 and 4. cjose decodes base64 up to the first '=' and asserts on
 * some of what it finds there, takes the last of two members of a name, leaks
 * when there is no alg, ignores an odd byte of a signature, and takes any crit:
 * what gets as far as cjose has none of this.
 */
struct token_jose {
    struct token_part header, payload, signature;
    size_t signature_len; /* decoded */
    enum key_alg alg;
    char *kid; /* NULL: none */
};

/* False: it is not what it should be, and there is nothing to dispose of. */
bool token_jose_parse(struct token_jose *jose, const char *text, size_t len);
void token_jose_dispose(struct token_jose *jose);

#endif
