/* token_jose.h - checks the form of a compact JWS before any library sees it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_JOSE_H
#define GATEWAY_AUTH_TOKEN_JOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/auth/key.h"

/* base64url; points into the token's text. */
struct token_part {
    const char *text;
    size_t len;
};

/*
 * RFC 7515, 7.1 and 4. cjose decodes base64 up to the first '=' and asserts on
 * some inputs, uses the last of two members with one name, leaks without an
 * alg, ignores an odd byte of a signature, and accepts any crit. Tokens with
 * any of this are refused here and never reach cjose.
 */
struct token_jose {
    struct token_part header, payload, signature;
    size_t signature_len; /* decoded */
    enum key_alg alg;
    char *kid; /* NULL: none */
};

/* False: malformed, and there is nothing to dispose of. */
bool token_jose_parse(struct token_jose *jose, const char *text, size_t len);
void token_jose_dispose(struct token_jose *jose);

#endif
