/* dev.c - what --dev serves besides the routes: the page, and publishing */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/dev.h"

#include <arpa/inet.h>
#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/http/admin/console.h"
#include "gateway/http/admin/metrics_page.h"
#include "gateway/http/admin/overview.h"
#include "gateway/http/admin/page.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/cors.h"
#include "gateway/http/exchange.h"
#include "gateway/http/publish_send.h"
#include "gateway/http/reply.h"
#include "proto/subject.h"
#include "proto/text.h"

#define PUBLISH_PREFIX "/publish/"

static void send_connection(struct exchange *exchange)
{
    char body[384], peer[CONNECTION_PEER_MAX];
    const struct connection *connection = exchange->connection;
    const h2o_req_t *req = exchange->req;
    int len = snprintf(body, sizeof(body),
                       "{\"connection\":%llu,\"protocol\":\"%s\",\"streams\":%u,\"peer\":\"%s\",\"nats\":\"%s\"}",
                       (unsigned long long)req->conn->id, req->version >= 0x200 ? "h2" : "http/1.1",
                       connection->streams, connection_peer(connection, peer), exchange->app->dev_nats_url);
    CHECK(len > 0 && (size_t)len < sizeof(body));
    reply_header(exchange, "cache-control", H2O_STRLIT("no-store"));
    reply_send(exchange, 200, "application/json", body, (size_t)len);
}

static bool is_loopback(const struct connection *connection)
{
    if (connection->peer.any.sa_family == AF_INET)
        return (ntohl(connection->peer.v4.sin_addr.s_addr) >> 24) == 127;
    return connection->peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&connection->peer.v6.sin6_addr);
}

/* The pages of the admin listener, for the console. */
static void answer_here(struct exchange *exchange, void (*answer)(struct exchange *exchange))
{
    if (is_loopback(exchange->connection))
        answer(exchange);
    else
        reply_problem(exchange, 403, "only this machine may request this");
}

/* Of a durable route whose stream stores the subject, so that the answer has an id. NULL: there is none. */
static const struct config_history *find_history(const struct config *config, const char *subject, size_t len)
{
    for (unsigned i = 0; i != config->routes_count; ++i) {
        const struct config_history *history = &config->routes[i].history;
        if (history->source == 0) /* core NATS stores nothing */
            continue;
        const struct config_stream *stream = &config->streams[history->source - 1];
        for (unsigned j = 0; j != stream->subjects_count; ++j) {
            if (subject_matches(stream->subjects[j], strlen(stream->subjects[j]), subject, len))
                return history;
        }
    }
    return NULL;
}

/* Other machines and foreign pages may read, but not change anything. False: answered. */
static bool may_change(struct exchange *exchange, const char *what)
{
    static const struct config_cors no_origins = {.origins_count = 0};
    if (!exchange_is_method(exchange, "POST")) {
        reply_not_allowed(exchange, "POST");
        return false;
    }
    if (!is_loopback(exchange->connection) || !cors_may_write(&no_origins, exchange)) {
        reply_problem(exchange, 403, "%s is allowed from this machine and this page only", what);
        return false;
    }
    return true;
}

struct cut {
    struct connection *connection;
};

/* With the request's pool: its answer has been written by then, or the connection is ending already. */
static void on_cut_dispose(void *p)
{
    connection_kill(((struct cut *)p)->connection);
}

static void answer_cut(struct exchange *exchange)
{
    if (!may_change(exchange, "cutting"))
        return;
    struct cut *cut = h2o_mem_alloc_shared(&exchange->req->pool, sizeof(*cut), on_cut_dispose);
    cut->connection = exchange->connection;
    reply_send(exchange, 204, NULL, NULL, 0);
}

static void answer_publish(struct exchange *exchange)
{
    char subject[SUBJECT_MAX * 3 + 1]; /* each byte may come as %XX */
    const char *raw = exchange->req->path.base + sizeof(PUBLISH_PREFIX) - 1;
    size_t raw_len = exchange_path_len(exchange) - (sizeof(PUBLISH_PREFIX) - 1), len;
    if (!may_change(exchange, "publishing"))
        return;
    if (raw_len >= sizeof(subject) || !text_percent_decode(subject, &len, raw, raw_len, false)) {
        reply_problem(exchange, 400, "the subject is too long or badly percent-encoded");
        return;
    }
    enum subject_verdict verdict = subject_check_literal(subject, len);
    if (verdict != SUBJECT_OK)
        reply_problem(exchange, 400, "subject \"%.*s\" %s", (int)len, subject, subject_verdict_text(verdict));
    else if (!subject_matches(DEV_SUBJECTS, sizeof(DEV_SUBJECTS) - 1, subject, len))
        reply_problem(exchange, 403, "subject \"%.*s\" is outside " DEV_SUBJECTS, (int)len, subject);
    else
        publish_send(exchange, find_history(exchange->app->config, subject, len), subject, len);
}

bool dev_answer(struct exchange *exchange)
{
    CHECK(exchange->app->dev_nats_url != NULL);
    if (exchange_path_len(exchange) > sizeof(PUBLISH_PREFIX) - 1 &&
        memcmp(exchange->req->path.base, PUBLISH_PREFIX, sizeof(PUBLISH_PREFIX) - 1) == 0) {
        answer_publish(exchange);
        return true;
    }
    if (exchange_is_path(exchange, "/dev/cut")) {
        answer_cut(exchange);
        return true;
    }
    if (!exchange_is_read(exchange))
        return false;
    if (exchange_is_path(exchange, "/dev/connection"))
        send_connection(exchange);
    else if (exchange_is_path(exchange, "/console.json"))
        console_send_info(exchange);
    else if (exchange_is_path(exchange, "/dev/metrics"))
        answer_here(exchange, metrics_page_answer);
    else if (exchange_is_path(exchange, "/dev/streams"))
        answer_here(exchange, overview_answer);
    else
        return page_answer(exchange);
    return true;
}
