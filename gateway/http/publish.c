/* publish.c - from a POST on a route to a subject it may publish on */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/publish.h"

#include <h2o.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/http/access/authorize.h"
#include "gateway/http/cors.h"
#include "gateway/http/exchange.h"
#include "gateway/http/publish_send.h"
#include "gateway/http/reply.h"
#include "proto/text.h"

/* The one ?subject= of the query, decoded into dst. False: answered. */
static bool read_subject(struct exchange *exchange, char dst[SUBJECT_MAX + 1], size_t *len)
{
    struct text_query_pair pair;
    size_t position = 0, found = 0, query_len;
    const char *query = exchange_query(exchange, &query_len);
    /* To the end: of two subjects either could be the one that was meant. */
    while (text_query_next(query, query_len, &position, &pair)) {
        if (!h2o_memis(pair.key, pair.key_len, H2O_STRLIT("subject")))
            continue;
        char *decoded = h2o_mem_alloc_pool(&exchange->req->pool, pair.value_len + 1);
        if (++found != 1 || !text_percent_decode(decoded, len, pair.value, pair.value_len, true) ||
            *len > SUBJECT_MAX) {
            reply_problem(exchange, 400, "publishing takes one subject of at most %d bytes", SUBJECT_MAX);
            return false;
        }
        memcpy(dst, decoded, *len);
        dst[*len] = '\0';
    }
    if (found == 0)
        reply_problem(exchange, 400, "no subject: say where to publish with ?subject=NAME");
    return found != 0;
}

static bool is_allowed(const struct config_route *route, const char *subject, size_t len)
{
    for (unsigned i = 0; i != route->allow_count; ++i) {
        if (subject_matches(route->allow[i], strlen(route->allow[i]), subject, len))
            return true;
    }
    return false;
}

/* The one literal subject, into dst. False: answered. */
static bool find_subject(const struct permit *permit, char dst[SUBJECT_MAX + 1], size_t *len)
{
    struct exchange *exchange = permit->exchange;
    const struct config_route *route = exchange->route;
    if (route->subjects_count != 0) /* exactly one: config_routes.c */
        return authorize_template(permit, route->subjects[0], dst, len);
    if (!read_subject(exchange, dst, len))
        return false;
    enum subject_verdict verdict = subject_check_literal(dst, *len);
    if (verdict != SUBJECT_OK)
        reply_problem(exchange, 400, "subject \"%.*s\" %s", (int)*len, dst, subject_verdict_text(verdict));
    else if (!is_allowed(route, dst, *len))
        reply_problem(exchange, 403, "subject \"%.*s\" is outside what this route allows", (int)*len, dst);
    else
        return authorize_subject(permit, dst, *len);
    return false;
}

static void on_allowed(const struct permit *permit, void *data)
{
    const char *subject = data;
    publish_send(permit->exchange, &permit->exchange->route->history, subject, strlen(subject));
}

void publish_answer(struct exchange *exchange, const struct route_params *params)
{
    char dst[SUBJECT_MAX + 1];
    struct permit permit;
    size_t len;
    /* Before the token: on a request of a foreign page that may be its visitor's cookie. */
    if (!cors_may_write(&exchange->route->cors, exchange)) {
        reply_problem(exchange, 403, "pages of this origin may not publish here: the route's cors does not list it");
        return;
    }
    if (!authorize_begin(&permit, exchange, params))
        return;
    if (!find_subject(&permit, dst, &len)) {
        authorize_end(&permit);
        return;
    }
    /* In the pool: the question to a microservice outlives this call. */
    const char *subject = h2o_strdup(&exchange->req->pool, dst, len).base;
    authorize_then(&permit, &subject, 1, dst, len + 1, on_allowed);
}
