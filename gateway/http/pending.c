/* pending.c - answers a request a little later, if it is still there */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/pending.h"

#include <h2o.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/core/turn.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/refusal.h"

/* In the request's pool for as long as the stream lives: no larger than it has to be. */
struct pending {
    struct turn_later later;
    struct exchange *exchange;
    void (*answer)(struct exchange *exchange, const struct route_params *params);
};

_Static_assert(sizeof(struct pending) <= 40, "each stream has one, for as long as it lives");

static void on_turn(struct turn_later *later)
{
    struct pending *pending = LIST_ENTRY(later, struct pending, later);
    struct exchange *exchange = pending->exchange;
    struct route_params params;
    CHECK(!exchange->is_answered);
    if (exchange_is_outdated(exchange)) { /* a reload came between: the route may not exist any more */
        refusal_send_changed(exchange);
        return;
    }
    /* matched once more: keeping the parameters until now would cost a kilobyte of each stream */
    CHECK(route_match(&exchange->route->compiled, exchange->req->path.base, exchange_path_len(exchange), &params) ==
          ROUTE_MATCH);
    pending->answer(exchange, &params);
}

static void on_dispose(void *p)
{
    struct pending *pending = p;
    list_remove(&pending->later.link);
}

void pending_add(struct exchange *exchange,
                 void (*answer)(struct exchange *exchange, const struct route_params *params))
{
    CHECK(exchange->route != NULL && answer != NULL);
    struct pending *pending = h2o_mem_alloc_shared(&exchange->req->pool, sizeof(*pending), on_dispose);
    *pending = (struct pending){.later.run = on_turn, .exchange = exchange, .answer = answer};
    turn_defer(exchange->app->hub, &pending->later);
}
