/* token_find.h - where a request carries its token */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_TOKEN_FIND_H
#define GATEWAY_HTTP_ACCESS_TOKEN_FIND_H

#include <stdbool.h>
#include <stddef.h>

struct config_auth;
struct exchange;

/* Not NUL terminated. */
struct token_text {
    const char *base;
    size_t len;
};

enum token_found { TOKEN_FOUND = 0, TOKEN_ABSENT, TOKEN_AMBIGUOUS };

/*
 * The text of the token in the first place that has one, of those that the
 * route allows: header, cookie, query. Unchecked: it may be empty or nonsense.
 * It points into the request or its pool.
 */
enum token_found token_find(const struct exchange *exchange, const struct config_auth *auth, struct token_text *text);

/* The cookie in one Cookie header (RFC 6265 4.2.1): *count grows by how many there are, *value is the last. */
void token_find_cookie(const char *header, size_t len, const char *name, struct token_text *value, unsigned *count);
/* The rest of "Bearer TEXT" (RFC 6750 2.1, any case); false: another scheme. */
bool token_find_bearer(const char *header, size_t len, struct token_text *text);

#endif
