/* app.c - takes every request on a public listener to what answers it */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/app.h"

#include <h2o.h>

#include "gateway/base/check.h"
#include "gateway/http/admin/dev.h"
#include "gateway/http/connection.h"
#include "gateway/http/exchange.h"
#include "gateway/http/forwarded.h"
#include "gateway/http/limits.h"
#include "gateway/http/reply.h"
#include "gateway/http/routes.h"

struct app_handler {
    h2o_handler_t super;
    struct app *app;
};

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    struct app *app = ((struct app_handler *)self)->app;
    struct exchange *exchange = exchange_begin(app, req);
    size_t path_len = exchange_path_len(exchange);
    /* before anything is counted for an address */
    forwarded_resolve(exchange->connection->listen, req, &exchange->ip);
    if (!limits_measure(exchange))
        return 0;
    /* "OPTIONS *" and CONNECT have no path */
    if (path_len == 0 || req->path.base[0] != '/') {
        reply_problem(exchange, 400, "the request has no path");
        return 0;
    }
    if (app->dev_nats_url != NULL && dev_answer(exchange))
        return 0;
    if (routes_answer(exchange))
        return 0;
    /* Counted like any request: a flood of unknown paths is a flood. */
    if (limits_admit(exchange, LIMITS_OTHER))
        reply_problem(exchange, 404, "no route at %.*s", (int)reply_path_len(req->path.base, path_len), req->path.base);
    return 0;
}

void app_register(struct app *app, h2o_hostconf_t *host)
{
    CHECK(app->hub != NULL && app->config != NULL && app->sources != NULL);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct app_handler *handler = (struct app_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = on_req;
    handler->app = app;
}
