/* overview.c - /streams: what the gateway holds at the moment, as JSON */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/overview.h"

#include <h2o.h>

#include "gateway/base/check.h"
#include "gateway/core/hub.h"
#include "gateway/core/snapshot.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"
#include "proto/subject.h"
#include "proto/text.h"
#include "proto/units.h"

struct overview {
    struct exchange *exchange;
    struct snapshot *snapshot; /* NULL: done */
};

static void on_done(void *arg, const char *json, size_t len)
{
    struct overview *overview = arg;
    CHECK(overview->snapshot != NULL);
    overview->snapshot = NULL; /* on_dispose must not cancel it any more */
    reply_header(overview->exchange, "cache-control", H2O_STRLIT("no-store"));
    reply_send(overview->exchange, 200, "application/json", json, len);
}

static void on_dispose(void *p)
{
    struct overview *overview = p;
    if (overview->snapshot != NULL)
        snapshot_cancel(overview->snapshot);
}

/* The fault of the pair, or NULL. */
static const char *read_pair(h2o_req_t *req, struct snapshot_options *options, const struct text_query_pair *pair)
{
    char *value = h2o_mem_alloc_pool(&req->pool, pair->value_len + 1);
    size_t len;
    uint64_t number;
    if (!text_percent_decode(value, &len, pair->value, pair->value_len, true))
        return "the query has a bad percent-encoding";
    if (h2o_memis(pair->key, pair->key_len, H2O_STRLIT("limit"))) {
        if (!units_parse_u64(value, len, &number) || number > SNAPSHOT_LIMIT_MAX)
            return "limit must be a number from 0 to 10000";
        options->limit = (unsigned)number;
    } else if (h2o_memis(pair->key, pair->key_len, H2O_STRLIT("filter"))) {
        if (len > SUBJECT_MAX)
            return "filter is longer than a subject";
        if (subject_has_wildcard(value, len) && subject_check_pattern(value, len) != SUBJECT_OK)
            return "filter has a wildcard but is not a subject pattern";
        options->filter = value;
        options->filter_len = len;
    }
    return NULL;
}

static const char *read_query(const struct exchange *exchange, struct snapshot_options *options)
{
    size_t position = 0, len;
    struct text_query_pair pair;
    const char *wrong = NULL;
    const char *query = exchange_query(exchange, &len);
    while (wrong == NULL && text_query_next(query, len, &position, &pair))
        wrong = read_pair(exchange->req, options, &pair);
    return wrong;
}

void overview_answer(struct exchange *exchange)
{
    struct snapshot_options options = {.gateway = exchange->app->gateway, .limit = SNAPSHOT_LIMIT_DEFAULT};
    const char *wrong = read_query(exchange, &options);
    if (wrong != NULL) {
        reply_problem(exchange, 400, "%s", wrong);
        return;
    }
    struct overview *overview = h2o_mem_alloc_shared(&exchange->req->pool, sizeof(*overview), on_dispose);
    *overview = (struct overview){.exchange = exchange};
    overview->snapshot = snapshot_start(exchange->app->hub, &options, on_done, overview);
    if (overview->snapshot == NULL) {
        reply_header(exchange, "retry-after", H2O_STRLIT("1"));
        reply_problem(exchange, 503, "too many requests for this at a time");
    }
}
