/* admin.c - what the admin listener answers */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin.h"

#include <h2o.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/config.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/hub.h"
#include "gateway/core/source.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/limits.h"
#include "gateway/http/problem.h"

/* A row with its HELP and TYPE lines. */
#define ROW_MAX 512
#define REASON_MAX 256

static const struct row {
    const char *name, *type, *label, *value, *help;
} rows[METRIC_COUNT] = {
#define COUNTER(symbol, name, help) [METRIC_##symbol] = {name, "counter", NULL, NULL, help},
#define GAUGE(symbol, name, help) [METRIC_##symbol] = {name, "gauge", NULL, NULL, help},
#define LABELLED(symbol, name, label, value, help) [METRIC_##symbol] = {name, "counter", label, value, help},
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
};

struct admin_handler {
    h2o_handler_t super;
    struct app *app;
};

/* snprintf at the end of what is there; the buffer is large enough for every row. */
__attribute__((format(printf, 4, 5))) static void append(char *text, size_t size, size_t *used, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text + *used, size - *used, format, args);
    va_end(args);
    if (len > 0)
        *used += (size_t)len < size - *used ? (size_t)len : size - *used - 1;
}

static void send_metrics(struct app *app, h2o_req_t *req)
{
    size_t size = (METRIC_COUNT + 1) * ROW_MAX, used = 0;
    char *text = h2o_mem_alloc_pool(&req->pool, size);
    append(text, size, &used,
           "# HELP freshet_build_info The version that runs.\n# TYPE freshet_build_info gauge\n"
           "freshet_build_info{version=\"" FRESHET_VERSION "\"} 1\n");
    for (unsigned i = 0; i != METRIC_COUNT; ++i) {
        const struct row *row = &rows[i];
        unsigned long long value = metrics_sum((enum metric)i);
        if (i == 0 || strcmp(row->name, rows[i - 1].name) != 0)
            append(text, size, &used, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
        if (row->label != NULL)
            append(text, size, &used, "%s{%s=\"%s\"} %llu\n", row->name, row->label, row->value, value);
        else
            append(text, size, &used, "%s %llu\n", row->name, value);
    }
    reply_send(app, req, 200, "text/plain; version=0.0.4; charset=utf-8", text, used);
}

/* A stream whose routes could not serve a new reader now; NULL: all can. */
static const struct config_stream *find_unreached(const struct app *app)
{
    for (unsigned i = 0; i != app->config->streams_count; ++i) {
        struct source *source = app->sources[i + 1];
        if (!source->ops->is_connected(source))
            return &app->config->streams[i];
    }
    return NULL;
}

/* A durable route has its own connection, and streams on it only wait while that is away; microservices don't. */
static bool needs_core(const struct app *app)
{
    for (unsigned i = 0; i != app->config->routes_count; ++i) {
        const struct config_route *route = &app->config->routes[i];
        if (route->history.source == 0 || route->auth.request != NULL)
            return true;
    }
    return false;
}

/* The time it takes tells nothing of where they differ. */
static bool is_same(const char *given, size_t given_len, const char *token, size_t token_len)
{
    size_t different = given_len ^ token_len;
    for (size_t i = 0; i != given_len; ++i)
        different |= (size_t)(unsigned char)(given[i] ^ token[i % token_len]);
    return different == 0;
}

/* RFC 6750 section 2.1; the scheme's name in any case (RFC 9110 section 11.1). */
static bool shows_token(const struct app *app, const h2o_req_t *req)
{
    static const h2o_iovec_t scheme = {H2O_STRLIT("Bearer ")};
    const char *token = app->config->admin_token;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    if (token == NULL)
        return true;
    if (at == -1)
        return false;
    h2o_iovec_t given = req->headers.entries[at].value;
    if (given.len < scheme.len || strncasecmp(given.base, scheme.base, scheme.len) != 0)
        return false;
    size_t start = scheme.len;
    while (start != given.len && given.base[start] == ' ')
        ++start;
    return is_same(given.base + start, given.len - start, token, strlen(token));
}

static void send_unauthorized(struct app *app, h2o_req_t *req)
{
    char peer[CONNECTION_PEER_MAX];
    metrics_add(app->hub->metrics, METRIC_REJECTED_AUTH, 1);
    log_write_limited(LOG_WARN, "admin-refused", log_str("peer", connection_peer(connection_of(req), peer)));
    reply_header(req, "www-authenticate", H2O_STRLIT("Bearer realm=\"freshet admin\""));
    problem_send(app, req, 401, "this asks for authorization: Bearer, and the token that admin.token is set to");
}

/* Whether a new reader could be served now; reason says why not. */
static bool is_ready(const struct app *app, char reason[static REASON_MAX])
{
    const struct config_stream *stream;
    if (app->hub->stopping)
        snprintf(reason, REASON_MAX, "the gateway is shutting down");
    else if (needs_core(app) && !app->sources[0]->ops->is_connected(app->sources[0]))
        snprintf(reason, REASON_MAX, "there is no connection to NATS");
    else if ((stream = find_unreached(app)) != NULL)
        snprintf(reason, REASON_MAX, "stream %s: not reached", stream->name);
    else
        return true;
    return false;
}

static void send_ready(struct app *app, h2o_req_t *req)
{
    char reason[REASON_MAX];
    if (is_ready(app, reason))
        reply_send(app, req, 200, "text/plain; charset=utf-8", "ready\n", 6);
    else
        problem_send(app, req, 503, "%s", shows_token(app, req) ? reason : "not ready; the admin token shows why");
}

/* What is asked before anybody says who they are: probes of an orchestrator can't always send a header. */
static bool answer_probe(struct app *app, h2o_req_t *req, const char *path, size_t len)
{
    if (h2o_memis(path, len, H2O_STRLIT("/livez")))
        reply_send(app, req, 200, "text/plain; charset=utf-8", "alive\n", 6);
    else if (h2o_memis(path, len, H2O_STRLIT("/readyz")))
        send_ready(app, req);
    else
        return false;
    return true;
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    struct app *app = ((struct admin_handler *)self)->app;
    size_t len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;
    const char *path = req->path.base;
    limits_track(req);
    bool is_read = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) ||
                   h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    if (is_read && answer_probe(app, req, path, len))
        return 0;
    if (!shows_token(app, req)) {
        send_unauthorized(app, req);
    } else if (!is_read) {
        reply_header(req, "allow", H2O_STRLIT("GET, HEAD"));
        problem_send(app, req, 405, "%.*s is neither GET nor HEAD", (int)req->method.len, req->method.base);
    } else if (h2o_memis(path, len, H2O_STRLIT("/metrics"))) {
        send_metrics(app, req);
    } else {
        problem_send(app, req, 404, "there are /metrics, /livez and /readyz, not %.*s", (int)len, path);
    }
    return 0;
}

void admin_register(struct app *app, h2o_hostconf_t *host)
{
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct admin_handler *handler = (struct admin_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = on_req;
    handler->app = app;
}
