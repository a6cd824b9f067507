/* token_claims.h - what a token says, once its signature is known to be right */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_CLAIMS_H
#define GATEWAY_AUTH_TOKEN_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/auth/token.h"

/*
 * RFC 7519, 4.1, and the "freshet" claim. payload is malloc'd, NUL terminated
 * and taken over in any case. TOKEN_OK with a token, or TOKEN_BAD_CLAIMS.
 */
enum token_verdict token_claims_parse(char *payload, size_t len, struct token **token);
/* When and for whom it is good: exp, nbf, iss, aud. */
enum token_verdict token_claims_check(const struct token *token, const struct token_rules *rules, int64_t now_s);

/* Tokens are shared with the cache: token_destroy gives back one reference. */
struct token *token_retain(struct token *token);

#endif
