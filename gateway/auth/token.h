/* token.h - what a verified JSON Web Token says */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_H
#define GATEWAY_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Patterns of one grant list; a token with more is malformed. */
#define TOKEN_GRANTS_MAX 256

enum token_verdict {
    TOKEN_OK = 0,
    TOKEN_INVALID, /* not a token, or a wrong signature: the client learns nothing more */
    TOKEN_EXPIRED,
    TOKEN_NOT_YET,
    TOKEN_WRONG_ISSUER,
    TOKEN_WRONG_AUDIENCE,
    TOKEN_BAD_CLAIMS, /* correctly signed, but a claim has the wrong type, or a grant is not a NATS pattern */
};

struct token_grants {
    char **patterns; /* checked NATS patterns, NUL terminated */
    unsigned count;
};

/* Immutable but for its references, and shared with the cache: token_destroy gives one reference back. Any thread. */
struct token {
    char *subject;                          /* "sub", NULL: none */
    char *id;                               /* "jti", NULL: none */
    int64_t expires_s;                      /* "exp", wall clock; 0: never */
    int64_t not_before_s;                   /* "nbf", wall clock; 0: always valid */
    struct token_grants subscribe, publish; /* "freshet": {"subscribe": […], "publish": […]} */
    char *claims;                           /* the whole payload as JSON text */
    void *json;                             /* json_t of the same, for token_claim */
    _Atomic unsigned references;
};

struct token *token_retain(struct token *token);
void token_destroy(struct token *token);

/* For an error message: "the token has expired". Static storage; nothing in it tells one bad signature from another. */
const char *token_verdict_text(enum token_verdict verdict);

/*
 * The value of a top-level claim as text: a string unchanged, a whole number in
 * decimal; NULL: there is none, or it is of another type. Lives as long as the
 * token; numbers are written into dst.
 */
#define TOKEN_CLAIM_NUMBER_MAX 24
const char *token_claim(const struct token *token, const char *name, size_t name_len,
                        char dst[static TOKEN_CLAIM_NUMBER_MAX]);

/* Every subject of the pattern is inside one of the grants. */
bool token_grants_cover(const struct token_grants *grants, const char *pattern, size_t len);

#endif
