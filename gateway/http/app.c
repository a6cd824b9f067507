/* app.c - takes every request to what answers it */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/app.h"

#include <h2o.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/http/cors.h"
#include "gateway/http/admin/dev.h"
#include "gateway/http/limits.h"
#include "gateway/http/pending.h"
#include "gateway/http/reply.h"
#include "gateway/http/publish.h"
#include "gateway/http/subscribe.h"

struct app_handler {
    h2o_handler_t super;
    struct app *app;
};

static bool is_method(const h2o_req_t *req, const char *name)
{
    return h2o_memis(req->method.base, req->method.len, name, strlen(name));
}

static void answer_route(struct app *app, h2o_req_t *req, const struct config_route *route)
{
    const char *methods = route->publish ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
    cors_add_headers(route, req, cors_is_preflight(req) ? methods : NULL);
    enum limits_purpose purpose = route->publish && is_method(req, "POST")   ? LIMITS_PUBLISH
                                  : !route->publish && is_method(req, "GET") ? LIMITS_STREAM
                                                                             : LIMITS_OTHER;
    if (!limits_admit(app, req, purpose))
        return;
    if (route->publish && is_method(req, "POST")) {
        pending_add(app, req, route, publish_answer);
    } else if (!route->publish && (is_method(req, "GET") || is_method(req, "HEAD"))) {
        pending_add(app, req, route, subscribe);
    } else {
        reply_header(req, "allow", methods, strlen(methods));
        if (is_method(req, "OPTIONS"))
            reply_send(app, req, 204, NULL, NULL, 0);
        else
            reply_problem(app, req, 405, "%.*s is none of %s", (int)req->method.len, req->method.base, methods);
    }
}

bool app_answer_route(struct app *app, h2o_req_t *req, size_t path_len)
{
    struct route_params params;
    for (unsigned i = 0; i != app->config->routes_count; ++i) {
        const struct config_route *route = &app->config->routes[i];
        switch (route_match(&route->compiled, req->path.base, path_len, &params)) {
        case ROUTE_NO_MATCH:
            continue;
        case ROUTE_MATCH:
            answer_route(app, req, route);
            return true;
        case ROUTE_BAD_ENCODING:
            reply_problem(app, req, 400, "the path has a bad percent-encoding");
            return true;
        case ROUTE_TOO_LONG:
            reply_problem(app, req, 400, "the path is longer than %d bytes", ROUTE_PATH_MAX);
            return true;
        }
    }
    return false;
}

void app_distrust_body(h2o_req_t *req)
{
    if (req->entity.base != NULL && req->version < 0x200)
        req->http1_is_persistent = 0;
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    struct app *app = ((struct app_handler *)self)->app;
    size_t path_len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;

    app_distrust_body(req);
    if (!limits_begin(app, req))
        return 0;
    if (path_len == 0 || req->path.base[0] != '/') {
        reply_problem(app, req, 400, "the request has no path");
        return 0;
    }
    if (app->dev_nats_url != NULL && dev_answer(app, req, path_len))
        return 0;
    if (app_answer_route(app, req, path_len))
        return 0;
    if (limits_admit(app, req, LIMITS_OTHER))
        reply_problem(app, req, 404, "no route at %.*s", (int)reply_path_len(req->path.base, path_len), req->path.base);
    return 0;
}

void app_register(struct app *app, h2o_hostconf_t *host)
{
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct app_handler *handler = (struct app_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = on_req;
    handler->app = app;
}
