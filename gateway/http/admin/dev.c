/* dev.c - what --dev serves beside the routes: the page, and publishing */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/dev.h"

#include <arpa/inet.h>
#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/admin/console.h"
#include "gateway/http/cors.h"
#include "gateway/http/admin/metrics_page.h"
#include "gateway/http/admin/overview.h"
#include "gateway/http/admin/page.h"
#include "gateway/http/reply.h"
#include "gateway/http/publish.h"
#include "proto/subject.h"
#include "proto/text.h"

#define PUBLISH_PREFIX "/publish/"

static bool is_get(const h2o_req_t *req)
{
    return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) ||
           h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
}

static void send_connection(struct app *app, h2o_req_t *req)
{
    char body[384], peer[CONNECTION_PEER_MAX];
    const struct connection *connection = connection_of(req);
    int len = snprintf(body, sizeof(body),
                       "{\"connection\":%llu,\"protocol\":\"%s\",\"streams\":%u,\"peer\":\"%s\",\"nats\":\"%s\"}",
                       (unsigned long long)req->conn->id, req->version >= 0x200 ? "h2" : "http/1.1",
                       connection->streams, connection_peer(connection, peer), app->dev_nats_url);
    reply_header(req, "cache-control", H2O_STRLIT("no-store"));
    reply_send(app, req, 200, "application/json", body, (size_t)len);
}

static bool is_loopback(const struct connection *connection)
{
    if (connection->peer.any.sa_family == AF_INET)
        return (ntohl(connection->peer.v4.sin_addr.s_addr) >> 24) == 127;
    return connection->peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&connection->peer.v6.sin6_addr);
}

/* What the admin listener has, for the page. */
static void answer_here(struct app *app, h2o_req_t *req, void (*answer)(struct app *app, h2o_req_t *req))
{
    if (is_loopback(connection_of(req)))
        answer(app, req);
    else
        reply_problem(app, req, 403, "this is for this machine only");
}

/* What a durable route carries is stored, so that the answer is its id. NULL: there is none for the subject. */
static const struct config_history *find_history(const struct config *config, const char *subject, size_t len)
{
    for (unsigned i = 0; i != config->routes_count; ++i) {
        const struct config_history *history = &config->routes[i].history;
        if (history->source == 0)
            continue;
        const struct config_stream *stream = &config->streams[history->source - 1];
        for (unsigned j = 0; j != stream->subjects_count; ++j) {
            if (subject_matches(stream->subjects[j], strlen(stream->subjects[j]), subject, len))
                return history;
        }
    }
    return NULL;
}

/* Whoever else is there, or whatever page, may look and no more. False: answered. */
static bool may_change(struct app *app, h2o_req_t *req, const char *what)
{
    static const struct config_cors no_origins = {.origins_count = 0};
    if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"))) {
        reply_header(req, "allow", H2O_STRLIT("POST"));
        reply_problem(app, req, 405, "%s takes POST", what);
        return false;
    }
    if (!is_loopback(connection_of(req)) || !cors_may_write(&no_origins, req)) {
        reply_problem(app, req, 403, "%s is for this machine and this page only", what);
        return false;
    }
    return true;
}

struct cut {
    struct connection *connection;
};

/* With the request's pool: its answer has been written by then, or the connection is going anyway. */
static void on_cut_dispose(void *p)
{
    connection_kill(((struct cut *)p)->connection);
}

static void answer_cut(struct app *app, h2o_req_t *req)
{
    if (!may_change(app, req, "cutting"))
        return;
    struct cut *cut = h2o_mem_alloc_shared(&req->pool, sizeof(*cut), on_cut_dispose);
    cut->connection = connection_of(req);
    reply_send(app, req, 204, NULL, NULL, 0);
}

static void answer_publish(struct app *app, h2o_req_t *req, size_t path_len)
{
    char subject[SUBJECT_MAX * 3 + 1];
    const char *raw = req->path.base + sizeof(PUBLISH_PREFIX) - 1;
    size_t raw_len = path_len - (sizeof(PUBLISH_PREFIX) - 1), len;
    if (!may_change(app, req, "publishing"))
        return;
    if (raw_len >= sizeof(subject) || !text_percent_decode(subject, &len, raw, raw_len, false)) {
        reply_problem(app, req, 400, "the subject is too long or badly percent-encoded");
        return;
    }
    enum subject_verdict verdict = subject_check_literal(subject, len);
    if (verdict != SUBJECT_OK)
        reply_problem(app, req, 400, "subject \"%.*s\" %s", (int)len, subject, subject_verdict_text(verdict));
    else if (!subject_matches(DEV_SUBJECTS, sizeof(DEV_SUBJECTS) - 1, subject, len))
        reply_problem(app, req, 403, "subject \"%.*s\" is outside " DEV_SUBJECTS, (int)len, subject);
    else
        publish_send(app, req, find_history(app->config, subject, len), subject, len);
}

bool dev_answer(struct app *app, h2o_req_t *req, size_t path_len)
{
    if (path_len > sizeof(PUBLISH_PREFIX) - 1 &&
        memcmp(req->path.base, PUBLISH_PREFIX, sizeof(PUBLISH_PREFIX) - 1) == 0) {
        answer_publish(app, req, path_len);
        return true;
    }
    if (h2o_memis(req->path.base, path_len, H2O_STRLIT("/dev/cut"))) {
        answer_cut(app, req);
        return true;
    }
    if (!is_get(req))
        return false;
    if (h2o_memis(req->path.base, path_len, H2O_STRLIT("/dev/connection")))
        send_connection(app, req);
    else if (h2o_memis(req->path.base, path_len, H2O_STRLIT("/console.json")))
        console_send_info(app, req);
    else if (h2o_memis(req->path.base, path_len, H2O_STRLIT("/dev/metrics")))
        answer_here(app, req, metrics_page_answer);
    else if (h2o_memis(req->path.base, path_len, H2O_STRLIT("/dev/streams")))
        answer_here(app, req, overview_answer);
    else
        return page_answer(app, req, path_len);
    return true;
}
