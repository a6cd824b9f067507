/* cors.c - lets pages of other origins read a route */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/cors.h"

#include <h2o.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"

#define HEADERS_ALLOWED "last-event-id, authorization, cache-control, content-type"
/* the same for a route that publishes */
#define HEADERS_ALLOWED_TO_PUBLISH HEADERS_ALLOWED ", nats-msg-id"
#define MAX_AGE "600"

bool cors_is_preflight(const struct exchange *exchange)
{
    return exchange_is_method(exchange, "OPTIONS") &&
           h2o_find_header_by_str(&exchange->req->headers, H2O_STRLIT("access-control-request-method"), -1) != -1;
}

static bool is_allowed(const struct config_cors *cors, h2o_iovec_t origin)
{
    for (unsigned i = 0; i != cors->origins_count; ++i) {
        const char *allowed = cors->origins[i];
        /* Byte by byte: the configuration takes origins only as browsers write them. */
        if (h2o_memis(origin.base, origin.len, allowed, strlen(allowed)))
            return true;
    }
    return false;
}

/* The scheme isn't compared: a proxy may have ended TLS. */
static bool is_own_origin(const h2o_req_t *req, h2o_iovec_t origin)
{
    h2o_iovec_t authority = req->input.authority;
    return origin.len > authority.len + 3 &&
           memcmp(origin.base + origin.len - authority.len, authority.base, authority.len) == 0 &&
           memcmp(origin.base + origin.len - authority.len - 3, "://", 3) == 0;
}

bool cors_may_write(const struct config_cors *cors, const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    ssize_t index = h2o_find_header_by_str(&req->headers, H2O_STRLIT("origin"), -1);
    if (index == -1) /* no page: browsers send Origin with every POST */
        return true;
    h2o_iovec_t origin = req->headers.entries[index].value;
    bool any = cors->origins_count != 0 && strcmp(cors->origins[0], "*") == 0;
    return any || is_own_origin(req, origin) || is_allowed(cors, origin);
}

static void add_allowed_headers(struct exchange *exchange)
{
    const struct config_route *route = exchange->route;
    h2o_mem_pool_t *pool = &exchange->req->pool;
    const char *always = route->publish ? HEADERS_ALLOWED_TO_PUBLISH : HEADERS_ALLOWED;
    h2o_iovec_t allowed = h2o_iovec_init(always, strlen(always));
    for (unsigned i = 0; i != route->headers_count; ++i)
        allowed = h2o_concat(pool, allowed, h2o_iovec_init(H2O_STRLIT(", ")),
                             h2o_iovec_init(route->headers[i], strlen(route->headers[i])));
    reply_header(exchange, "access-control-allow-headers", allowed.base, allowed.len);
}

void cors_add_headers(struct exchange *exchange, const char *methods)
{
    CHECK(exchange->route != NULL);
    const struct config_cors *cors = &exchange->route->cors;
    const h2o_req_t *req = exchange->req;
    if (cors->origins_count == 0)
        return;
    bool any = strcmp(cors->origins[0], "*") == 0;
    if (!any) /* Fetch, "CORS protocol and HTTP caches" */
        reply_header(exchange, "vary", H2O_STRLIT("origin"));
    ssize_t index = h2o_find_header_by_str(&req->headers, H2O_STRLIT("origin"), -1);
    if (index == -1)
        return;
    h2o_iovec_t origin = req->headers.entries[index].value;
    if (!any && !is_allowed(cors, origin))
        return;
    if (any)
        reply_header(exchange, "access-control-allow-origin", H2O_STRLIT("*"));
    else
        reply_header(exchange, "access-control-allow-origin", origin.base, origin.len);
    if (cors->credentials)
        reply_header(exchange, "access-control-allow-credentials", H2O_STRLIT("true"));
    if (methods != NULL) {
        reply_header(exchange, "access-control-allow-methods", methods, strlen(methods));
        add_allowed_headers(exchange);
        reply_header(exchange, "access-control-max-age", H2O_STRLIT(MAX_AGE));
    }
}
