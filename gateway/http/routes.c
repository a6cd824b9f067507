/* routes.c - takes a request on a configured route to what answers it */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/routes.h"

#include <h2o.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/http/app.h"
#include "gateway/http/cors.h"
#include "gateway/http/exchange.h"
#include "gateway/http/limits.h"
#include "gateway/http/pending.h"
#include "gateway/http/publish.h"
#include "gateway/http/reply.h"
#include "gateway/http/subscribe.h"

static void answer_route(struct exchange *exchange)
{
    bool publishes = exchange->route->publish;
    const char *methods = publishes ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
    /* first: a page should be able to read whatever answer follows */
    cors_add_headers(exchange, cors_is_preflight(exchange) ? methods : NULL);
    /* HEAD never becomes a stream, so it counts as any other request. */
    enum limits_purpose purpose = publishes && exchange_is_method(exchange, "POST")   ? LIMITS_PUBLISH
                                  : !publishes && exchange_is_method(exchange, "GET") ? LIMITS_STREAM
                                                                                      : LIMITS_OTHER;
    if (!limits_admit(exchange, purpose))
        return;
    if (publishes && exchange_is_method(exchange, "POST")) {
        pending_add(exchange, publish_answer);
    } else if (!publishes && exchange_is_read(exchange)) {
        pending_add(exchange, subscribe_answer);
    } else if (exchange_is_method(exchange, "OPTIONS")) {
        reply_header(exchange, "allow", methods, strlen(methods));
        reply_send(exchange, 204, NULL, NULL, 0);
    } else {
        reply_not_allowed(exchange, methods);
    }
}

bool routes_answer(struct exchange *exchange)
{
    const struct config *config = exchange->app->config;
    struct route_params params;
    for (unsigned i = 0; i != config->routes_count; ++i) {
        const struct config_route *route = &config->routes[i];
        switch (route_match(&route->compiled, exchange->req->path.base, exchange_path_len(exchange), &params)) {
        case ROUTE_NO_MATCH:
            continue;
        case ROUTE_MATCH:
            exchange->route = route;
            answer_route(exchange);
            return true;
        case ROUTE_BAD_ENCODING:
            reply_problem(exchange, 400, "the path has a bad percent-encoding");
            return true;
        case ROUTE_TOO_LONG:
            reply_problem(exchange, 400, "the path is longer than %d bytes", ROUTE_PATH_MAX);
            return true;
        }
    }
    return false;
}
