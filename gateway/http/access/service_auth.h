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

/* Everything outlives the question, i.e. is in the request's pool or lives longer. */
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
 * headers, token and peer address; what is not an answer is never "allowed".
 * The service may narrow: each subject asked for must be covered by one of its
 * `subjects`, else it is SERVICE_DENIED.
 */
void service_auth_ask(struct service_question *question);

/*
 * app->service: the questions under way and the answers that are kept, of one
 * worker. Destroyed when the source calls nobody any more and the hub has run
 * all that was posted to it.
 */
struct service_auth *service_auth_create(struct app *app);
void service_auth_destroy(struct service_auth *service);

/*
 * Something was revoked: what is kept is asked for anew, and who waits for an
 * answer and is meant by it is denied. Before hub_evict in the same turn: then
 * nobody gets a stream for what was shown before the revocation.
 */
struct eviction;
void service_auth_revoke(struct service_auth *service, const struct eviction *eviction);

/* The worker ends: whoever waits is answered (unavailable), and whoever asks from now on. */
void service_auth_stop(struct service_auth *service);

#endif
