/* pending.c - answers a request a little later, if it is still there */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/pending.h"

#include <h2o.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/core/turn.h"
#include "gateway/http/app.h"
#include "gateway/http/limits.h"

/* In the request's pool for as long as the stream lives: no larger than it has to be. */
struct pending {
    struct turn_later later;
    struct app *app;
    h2o_req_t *req;
    const struct config_route *route;
    void (*answer)(struct app *app, h2o_req_t *req, const struct config_route *route,
                   const struct route_params *params);
};

static void on_turn(struct turn_later *later)
{
    struct pending *pending = LIST_ENTRY(later, struct pending, later);
    h2o_req_t *req = pending->req;
    struct route_params params;
    if (limits_is_outdated(pending->app, req)) {
        limits_refuse_changed(pending->app, req);
        return;
    }
    /* matched once more: keeping the parameters until now would cost a kilobyte of each stream */
    size_t len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;
    CHECK(route_match(&pending->route->compiled, req->path.base, len, &params) == ROUTE_MATCH);
    pending->answer(pending->app, req, pending->route, &params);
}

static void on_dispose(void *p)
{
    struct pending *pending = p;
    list_remove(&pending->later.link);
}

void pending_add(struct app *app, h2o_req_t *req, const struct config_route *route,
                 void (*answer)(struct app *app, h2o_req_t *req, const struct config_route *route,
                                const struct route_params *params))
{
    struct pending *pending = h2o_mem_alloc_shared(&req->pool, sizeof(*pending), on_dispose);
    *pending = (struct pending){
        .later.run = on_turn,
        .app = app,
        .req = req,
        .route = route,
        .answer = answer,
    };
    turn_defer(app->hub, &pending->later);
}
