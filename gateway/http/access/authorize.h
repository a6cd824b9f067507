/* authorize.h - who a client is, and what it may do */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_AUTHORIZE_H
#define GATEWAY_HTTP_ACCESS_AUTHORIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
struct identity;
struct route_params;
struct token;

/* What a request has shown, and so may do. On its exchange's thread, between authorize_begin and authorize_end. */
struct permit {
    struct exchange *exchange;
    const struct route_params *params; /* what the path says */
    struct token *token;               /* verified; NULL: the route wants none */
    const struct identity *identity;   /* in the request's pool; NULL: the route wants no token */
    int64_t expires_ns;                /* monotonic; 0: never */
    bool is_limited;                   /* to what the token grants */
};

/*
 * Finds the token where the route says (RFC 6750 section 2.1, RFC 6265, and a
 * query value), in that order: the first one there is decides, so that a bad
 * one is not passed over. Two in one place are a 400, none or a bad one a 401
 * with www-authenticate. False: answered, and there is nothing to end.
 *
 * A token limits its bearer to what its claim "freshet" grants, without the
 * claim to nothing; but where the route asks a microservice, a token without
 * that claim only identifies the client, and the service decides alone.
 */
bool authorize_begin(struct permit *permit, struct exchange *exchange, const struct route_params *params);
/* Idempotent. The identity lives on. */
void authorize_end(struct permit *permit);

/*
 * A subject template of the route becomes a subject or pattern in dst
 * (SUBJECT_MAX + 1 bytes). One that names a claim or a certificate is personal:
 * having that name is the permission. Any other has to be granted. False:
 * answered, 400 for the path, 403 for the client.
 */
bool authorize_template(const struct permit *permit, const char *subject_template, char *dst, size_t *len);
/* The same for a checked subject of the client's choice, which the route allows. */
bool authorize_subject(const struct permit *permit, const char *subject, size_t len);

/*
 * The last word: where the route asks a microservice, once that has allowed the
 * subjects (checked, sorted, the strings in the request's pool). Leads to one
 * call of `then` with `data`, before this returns if nothing is asked or the
 * answer is cached; later with a copy of the `size` bytes at data, which moves
 * to the request's pool. No call: answered (403 or 503), or the request is gone.
 * Ends the permit when `then` returns.
 */
typedef void (*authorize_then_fn)(const struct permit *permit, void *data);
void authorize_then(struct permit *permit, const char *const *subjects, size_t subject_count, void *data, size_t size,
                    authorize_then_fn then);

#endif
