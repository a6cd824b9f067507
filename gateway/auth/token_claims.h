/* token_claims.h - reads the claims of a token whose signature is correct */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_CLAIMS_H
#define GATEWAY_AUTH_TOKEN_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/auth/token.h"

struct token_rules;

/*
 * RFC 7519, 4.1, and the "freshet" claim. payload is malloc'd and NUL
 * terminated; the call takes it over in any case. TOKEN_OK with a token, or
 * TOKEN_BAD_CLAIMS.
 */
enum token_verdict token_claims_parse(char *payload, size_t len, struct token **token);
/* When and for which audience it is valid: exp, nbf, iss, aud. */
enum token_verdict token_claims_check(const struct token *token, const struct token_rules *rules, int64_t now_s);

#endif
