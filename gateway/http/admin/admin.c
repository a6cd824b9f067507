/* admin.c - what the admin listener answers */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/admin.h"

#include <h2o.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "gateway/config/config.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/hub.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/admin/console.h"
#include "gateway/http/admin/health.h"
#include "gateway/http/limits.h"
#include "gateway/http/admin/metrics_page.h"
#include "gateway/http/admin/overview.h"
#include "gateway/http/reply.h"

#define ADMIN_TOKEN_HEADER "freshet-admin-token"

struct admin_handler {
    h2o_handler_t super;
    struct app *app;
};

/* The time it takes tells nothing of where they differ. */
static bool is_same(const char *given, size_t given_len, const char *token, size_t token_len)
{
    size_t different = given_len ^ token_len;
    for (size_t i = 0; i != given_len; ++i)
        different |= (size_t)(unsigned char)(given[i] ^ token[i % token_len]);
    return different == 0;
}

/* Where the routes are answered too, authorization is theirs. */
static bool shows_own_header(const h2o_req_t *req, const char *token)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT(ADMIN_TOKEN_HEADER), -1);
    if (at == -1)
        return false;
    h2o_iovec_t given = req->headers.entries[at].value;
    return is_same(given.base, given.len, token, strlen(token));
}

/* RFC 6750 section 2.1; the scheme's name in any case (RFC 9110 section 11.1). */
static bool shows_token(const struct app *app, const h2o_req_t *req)
{
    static const h2o_iovec_t scheme = {H2O_STRLIT("Bearer ")};
    const char *token = app->config->admin_token;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    if (token == NULL || shows_own_header(req, token))
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
    reply_problem(app, req, 401, "this asks for authorization: Bearer, and the token that admin.token is set to");
}

/* What is asked before anybody says who they are: probes of an orchestrator can't always send a header. */
static bool answer_probe(struct app *app, h2o_req_t *req, const char *path, size_t len)
{
    if (h2o_memis(path, len, H2O_STRLIT("/livez")))
        health_answer_live(app, req, shows_token(app, req));
    else if (h2o_memis(path, len, H2O_STRLIT("/readyz")))
        health_answer_ready(app, req, shows_token(app, req));
    else
        return false;
    return true;
}

static void send_config(struct app *app, h2o_req_t *req)
{
    const char *json = app->config->effective;
    reply_header(req, "cache-control", H2O_STRLIT("no-store"));
    reply_send(app, req, 200, "application/json", json, strlen(json));
}

static bool answer_page(struct app *app, h2o_req_t *req, const char *path, size_t len)
{
    static const struct {
        const char *path;
        void (*answer)(struct app *app, h2o_req_t *req);
    } pages[] = {
        {"/metrics", metrics_page_answer},
        {"/streams", overview_answer},
        {"/config", send_config},
    };
    for (size_t i = 0; i != sizeof(pages) / sizeof(pages[0]); ++i) {
        if (h2o_memis(path, len, pages[i].path, strlen(pages[i].path))) {
            pages[i].answer(app, req);
            return true;
        }
    }
    return false;
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    struct app *app = ((struct admin_handler *)self)->app;
    size_t len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;
    const char *path = req->path.base;
    app_distrust_body(req);
    limits_track(app, req);
    bool is_read = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) ||
                   h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    if ((is_read && answer_probe(app, req, path, len)) || console_answer_page(app, req, len))
        return 0;
    if (!shows_token(app, req)) {
        send_unauthorized(app, req);
    } else if ((is_read && answer_page(app, req, path, len)) || console_answer(app, req, len)) {
        return 0;
    } else if (!is_read) {
        reply_header(req, "allow", H2O_STRLIT("GET, HEAD"));
        reply_problem(app, req, 405, "%.*s is neither GET nor HEAD", (int)req->method.len, req->method.base);
    } else {
        reply_problem(app, req, 404, "there are /metrics, /streams, /config, /livez and /readyz, not %.*s", (int)len,
                      path);
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
