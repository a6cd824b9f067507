/* token.h - a JSON Web Token: verified, and what it says */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_H
#define GATEWAY_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keys;

/* A token may be no longer. */
#define TOKEN_MAX 16384
/* Patterns of one grant list; a token with more is malformed. */
#define TOKEN_GRANTS_MAX 256

struct token_rules {
    const struct keys *keys;
    const char *issuer, *audience; /* NULL: whatever */
    int64_t leeway_s;
};

enum token_verdict {
    TOKEN_OK = 0,
    TOKEN_INVALID, /* not a token, or its signature is not right: whoever asks is not told more */
    TOKEN_EXPIRED,
    TOKEN_NOT_YET,
    TOKEN_WRONG_ISSUER,
    TOKEN_WRONG_AUDIENCE,
    TOKEN_BAD_CLAIMS, /* rightly signed, but a claim has the wrong type, or a grant is no NATS pattern */
};

struct token_grants {
    char **patterns; /* checked NATS patterns, NUL terminated */
    unsigned count;
};

/* Immutable; freed by token_destroy. */
struct token {
    char *subject;                          /* "sub", NULL: none */
    char *id;                               /* "jti", NULL: none */
    int64_t expires_s;                      /* "exp", wall clock; 0: never */
    struct token_grants subscribe, publish; /* "freshet": {"subscribe": […], "publish": […]} */
    char *claims;                           /* the whole payload as JSON text */
    void *json;                             /* json_t of the same, for token_claim */
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
void token_destroy(struct token *token);

/* For an error message: "the token has expired". Static storage; nothing in it tells one bad signature from another. */
const char *token_verdict_text(enum token_verdict verdict);

/*
 * The value of a top-level claim as text: a string as it is, a whole number in
 * decimal; NULL: there is none, or it is of another kind. Lives as long as the
 * token; numbers are written into dst.
 */
#define TOKEN_CLAIM_NUMBER_MAX 24
const char *token_claim(const struct token *token, const char *name, size_t name_len,
                        char dst[static TOKEN_CLAIM_NUMBER_MAX]);

/* Every subject of the pattern is inside one of the grants. */
bool token_grants_cover(const struct token_grants *grants, const char *pattern, size_t len);

#endif
