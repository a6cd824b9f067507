/* service_auth.h - asks a microservice whether a request is allowed */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_SERVICE_AUTH_H
#define GATEWAY_HTTP_ACCESS_SERVICE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;
struct exchange;
struct route_params;
struct token;

/* Everything it points to is in the request's pool or lives longer. */
struct service_question {
    struct exchange *exchange; /* auth.request of its route is set */
    const struct route_params *params;
    const char *const *subjects; /* checked patterns, sorted */
    size_t subject_count;
    const struct token *token; /* verified; NULL: the route wants none */
    struct service_answer {
        enum { SERVICE_ALLOWED = 0, SERVICE_DENIED, SERVICE_UNAVAILABLE } verdict;
        int64_t expires_ns; /* of the permission, monotonic; 0: never */
        const char *reason; /* of a denial, checked UTF-8, in the request's pool; or NULL */
    } answer;
    void (*answered)(struct service_question *question);
};

/*
 * Leads to `answered` on this thread, once: later, or before this returns
 * (cached). Not at all if the request is gone before. An answer is cached for
 * the lifetime the service gives it, for the same route, parameters, subjects,
 * headers, token and peer address; without a valid answer the request is never allowed.
 * The service may narrow: each subject asked for must be covered by one of its
 * `subjects`, else it is SERVICE_DENIED.
 */
void service_auth_ask(struct service_question *question);

/*
 * app->service: the questions in flight and the cached answers of one worker.
 * Destroyed when the source makes no more calls and the hub has run all that
 * was posted to it.
 */
struct service_auth *service_auth_create(struct app *app);
void service_auth_destroy(struct service_auth *service);

/*
 * Something was revoked: the cache is emptied, and the waiting requests that it
 * concerns are denied. Before the eviction in the same turn, so that no request
 * gets a stream for a token or an answer from before the revocation.
 */
struct eviction;
void service_auth_revoke(struct service_auth *service, const struct eviction *eviction);

/* The worker ends: waiting and later requests are answered (unavailable). */
void service_auth_stop(struct service_auth *service);

#endif
