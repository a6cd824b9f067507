/* authorize.h - who asks, and what they may */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_AUTHORIZE_H
#define GATEWAY_HTTP_ACCESS_AUTHORIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
struct identity;
struct route_params;
struct service_question;
struct token;

/* What a request has shown. */
struct permit {
    struct token *token;             /* verified; NULL: the route wants none */
    const struct identity *identity; /* in the request's pool; NULL: nobody in particular */
    int64_t expires_ns;              /* monotonic; 0: never */
    bool is_limited;                 /* to what the token grants */
};

/*
 * Finds the token where the route says (RFC 6750 section 2.1, RFC 6265, and a
 * query value), in that order: the first one there is decides, so that a bad
 * one is not passed over. Two in one place are a 400, none or a bad one a 401
 * with www-authenticate. False: answered, and there is nothing to dispose.
 *
 * A token limits its bearer to what its claim "freshet" grants, without the
 * claim to nothing; but where the route asks a microservice, a token without
 * that claim only says who it is, and the service decides alone.
 */
bool authorize(struct exchange *exchange, struct permit *permit);
/* Idempotent. The identity lives on. */
void permit_dispose(struct permit *permit);

/*
 * A subject template of the route becomes a subject or pattern in dst
 * (SUBJECT_MAX + 1 bytes). One that names a claim or a certificate is personal:
 * having that name is the permission. Any other has to be granted. False:
 * answered, 400 for the path, 403 for who asks.
 */
bool authorize_template(struct exchange *exchange, const struct permit *permit, bool publish,
                        const char *subject_template, const struct route_params *params, char *dst, size_t *len);
/* The same for a checked subject of the client's choice, which the route allows. */
bool authorize_subject(struct exchange *exchange, const struct permit *permit, bool publish, const char *subject,
                       size_t len);

/* What the microservice has said, noted in the permit. False: answered, 403 or 503. */
bool authorize_answer(const struct service_question *question, struct permit *permit);

#endif
