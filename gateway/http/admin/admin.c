/* admin.c - what the admin listener answers */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/admin.h"

#include <h2o.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/http/access/token_find.h"
#include "gateway/http/admin/console.h"
#include "gateway/http/admin/health.h"
#include "gateway/http/admin/metrics_page.h"
#include "gateway/http/admin/overview.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"

#define ADMIN_TOKEN_HEADER "freshet-admin-token"

struct admin_handler {
    h2o_handler_t super;
    struct app *app;
};

/* In a time that depends on the given length only, so that the token can't be guessed byte by byte. */
static bool is_same(const char *given, size_t given_len, const char *token, size_t token_len)
{
    CHECK(token_len != 0);
    size_t different = given_len ^ token_len;
    /* %: a token shorter than what was given is not read past its end. */
    for (size_t i = 0; i != given_len; ++i)
        different |= (size_t)(unsigned char)(given[i] ^ token[i % token_len]);
    return different == 0;
}

/* The console calls routes on this listener too, where Authorization carries the token of the route. */
static bool shows_own_header(const h2o_req_t *req, const char *token)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT(ADMIN_TOKEN_HEADER), -1);
    if (at == -1)
        return false;
    h2o_iovec_t given = req->headers.entries[at].value;
    return is_same(given.base, given.len, token, strlen(token));
}

static bool shows_token(const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    const char *token = exchange->app->config->admin_token;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    if (token == NULL || shows_own_header(req, token))
        return true;
    if (at == -1)
        return false;
    h2o_iovec_t value = req->headers.entries[at].value;
    struct token_text given;
    return token_find_bearer(value.base, value.len, &given) && is_same(given.base, given.len, token, strlen(token));
}

static void send_unauthorized(struct exchange *exchange)
{
    char peer[CONNECTION_PEER_MAX];
    metrics_add(exchange->app->hub->metrics, METRIC_REJECTED_AUTH, 1);
    log_write_limited(LOG_WARN, "admin-refused", log_str("peer", connection_peer(exchange->connection, peer)));
    reply_header(exchange, "www-authenticate", H2O_STRLIT("Bearer realm=\"freshet admin\""));
    reply_problem(exchange, 401, "this needs the header Authorization: Bearer with the token in admin.token");
}

/* Before any token is required: an orchestrator's probes can't always send a header. */
static bool answer_probe(struct exchange *exchange)
{
    if (exchange_is_path(exchange, "/livez"))
        health_answer_live(exchange, shows_token(exchange));
    else if (exchange_is_path(exchange, "/readyz"))
        health_answer_ready(exchange, shows_token(exchange));
    else
        return false;
    return true;
}

static void send_config(struct exchange *exchange)
{
    const char *json = exchange->app->config->effective;
    reply_header(exchange, "cache-control", H2O_STRLIT("no-store"));
    reply_send(exchange, 200, "application/json", json, strlen(json));
}

static bool answer_page(struct exchange *exchange)
{
    static const struct {
        const char *path;
        void (*answer)(struct exchange *exchange);
    } pages[] = {
        {"/metrics", metrics_page_answer},
        {"/streams", overview_answer},
        {"/config", send_config},
    };
    for (size_t i = 0; i != sizeof(pages) / sizeof(pages[0]); ++i) {
        if (exchange_is_path(exchange, pages[i].path)) {
            pages[i].answer(exchange);
            return true;
        }
    }
    return false;
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    struct exchange *exchange = exchange_begin(((struct admin_handler *)self)->app, req);
    bool is_read = exchange_is_read(exchange);
    /* The page asks for the token itself, and so has to come without one. */
    if ((is_read && answer_probe(exchange)) || console_answer_page(exchange))
        return 0;
    if (!shows_token(exchange)) {
        send_unauthorized(exchange);
    } else if ((is_read && answer_page(exchange)) || console_answer(exchange)) {
        return 0;
    } else if (!is_read) {
        reply_not_allowed(exchange, "GET, HEAD");
    } else {
        size_t len = reply_path_len(req->path.base, exchange_path_len(exchange));
        reply_problem(exchange, 404, "no page at %.*s: there are /metrics, /streams, /config, /livez and /readyz",
                      (int)len, req->path.base);
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
