/* refusal.c - answers that ask the client to come back later, or to ask for less */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/refusal.h"

#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/random.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"

/* When to come back, in seconds; for an EventSource it is spread by a quarter either way. */
#define RETRY_AFTER "5"
#define RETRY_MS 5000

#define HEADERS_TOO_LARGE 431

static const struct limit_row {
    enum metric metric;
    int status;
    const char *name, *detail;
} rows[LIMIT_COUNT] = {
#define LIMIT(symbol, status, name, value, detail) [LIMIT_##symbol] = {METRIC_REJECTED_##symbol, status, name, detail},
#include "gateway/http/limits.def"
#undef LIMIT
};

static unsigned limit_value(const struct config_limits *limits, enum limit limit)
{
    switch (limit) {
#define LIMIT(symbol, status, name, value, detail)                                                                     \
    case LIMIT_##symbol:                                                                                               \
        return value;
#include "gateway/http/limits.def"
#undef LIMIT
    case LIMIT_NONE:
    case LIMIT_COUNT:
        break;
    }
    return 0;
}

static bool has_header(const h2o_req_t *req, const char *name)
{
    return h2o_find_header_by_str(&req->headers, name, strlen(name), -1) != -1;
}

static bool is_event_source(const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    ssize_t accept = h2o_find_header(&req->headers, H2O_TOKEN_ACCEPT, -1);
    ssize_t agent = h2o_find_header(&req->headers, H2O_TOKEN_USER_AGENT, -1);
    /* What every EventSource sends: WHATWG HTML, 9.2.2. */
    if (!exchange_is_method(exchange, "GET") || accept == -1 ||
        h2o_strstr(req->headers.entries[accept].value.base, req->headers.entries[accept].value.len,
                   H2O_STRLIT("text/event-stream")) == SIZE_MAX)
        return false;
    /* Browsers send these to https and loopback only; in clear text the user-agent has to do. */
    if (has_header(req, "sec-fetch-mode") || has_header(req, "sec-fetch-dest"))
        return true;
    return agent != -1 && req->headers.entries[agent].value.len >= 8 &&
           memcmp(req->headers.entries[agent].value.base, "Mozilla/", 8) == 0;
}

static void send_retry(struct exchange *exchange, const char *why)
{
    char body[128];
    /* The reason is a comment of the stream: no page gets it as an event. */
    int len = snprintf(body, sizeof(body), ": %s\nretry: %lld\n\n", why,
                       (long long)random_spread(&exchange->app->hub->random, RETRY_MS));
    CHECK(len > 0 && (size_t)len < sizeof(body));
    reply_header(exchange, "cache-control", H2O_STRLIT("no-cache, no-transform"));
    reply_send(exchange, 200, "text/event-stream; charset=utf-8", body, (size_t)len);
}

/* format is of our own table. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void refusal_send(struct exchange *exchange, enum limit limit)
{
    const struct limit_row *row = &rows[limit];
    CHECK(limit > LIMIT_NONE && limit < LIMIT_COUNT);
    const struct app *app = exchange->app;
    char peer[CONNECTION_PEER_MAX], client[IP_TEXT_MAX];
    metrics_add(app->hub->metrics, row->metric, 1);
    log_write_limited(LOG_WARN, "request-refused", log_str("limit", row->name),
                      log_str("client", exchange_address(exchange, client)),
                      log_str("peer", connection_peer(exchange->connection, peer)));
    /* a client with too large headers would send them again: it gets no invitation to retry */
    if (row->status != HEADERS_TOO_LARGE && is_event_source(exchange)) {
        char why[64];
        snprintf(why, sizeof(why), "over a limit of this gateway: %s", row->name);
        send_retry(exchange, why);
        return;
    }
    if (row->status != HEADERS_TOO_LARGE)
        reply_header(exchange, "retry-after", H2O_STRLIT(RETRY_AFTER));
    reply_problem(exchange, row->status, row->detail, limit_value(&app->config->limits, limit));
}
#pragma GCC diagnostic pop

static void send_try_again(struct exchange *exchange, const char *why)
{
    if (is_event_source(exchange)) {
        send_retry(exchange, why);
        return;
    }
    reply_header(exchange, "retry-after", H2O_STRLIT(RETRY_AFTER));
    reply_problem(exchange, 503, "%s", why);
}

void refusal_send_ending(struct exchange *exchange)
{
    metrics_add(exchange->app->hub->metrics, METRIC_REJECTED_SHUTDOWN, 1);
    connection_send_away(exchange->connection); /* or it would come back over this one */
    send_try_again(exchange, "the gateway is shutting down");
}

void refusal_send_changed(struct exchange *exchange)
{
    send_try_again(exchange, "the configuration has just changed; please try again");
}
