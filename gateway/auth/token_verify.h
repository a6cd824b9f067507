/* token_verify.h - whether the text of a JSON Web Token can be trusted */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_VERIFY_H
#define GATEWAY_AUTH_TOKEN_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/auth/token.h"

struct keys;

/* A token may be no longer. */
#define TOKEN_MAX 16384

struct token_rules {
    const struct keys *keys;
    const char *issuer, *audience; /* NULL: any */
    int64_t leeway_s;
};

/*
 * Verifies a compact JWS (RFC 7515, 7519): HS256, RS256, PS256, ES256, ES384.
 * The key is the one `kid` names (without a kid: the only key there is for the
 * alg); its algorithm must be the token's; `crit`, `none`, encrypted tokens and
 * duplicate members are refused. now_s is the wall clock. *token is set only
 * with TOKEN_OK. Any thread; takes no lock for longer than to take a reference.
 */
enum token_verdict token_verify(const struct token_rules *rules, const char *text, size_t len, int64_t now_s,
                                struct token **token);

#endif
