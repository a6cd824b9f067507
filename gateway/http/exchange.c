/* exchange.c - one request and its answer: found out once, used until the end */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/exchange.h"

#include <h2o.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/core/address_limits.h"
#include "gateway/core/admission.h"
#include "gateway/core/hub.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/refusal.h"
#include "gateway/http/settings.h"

_Static_assert(sizeof(struct exchange) <= 96, "each stream has one, for as long as it lives");
_Static_assert(LIMIT_COUNT <= UINT8_MAX, "`over` holds any limit");

static void uncount_stream(struct exchange *exchange)
{
    if (!exchange->is_counted)
        return;
    CHECK(exchange->connection->admitted != 0);
    exchange->is_counted = false;
    --exchange->connection->admitted;
    admission_give(exchange->app->admission);
    address_limits_end_stream(exchange->client); /* before address_limits_give, which may free the account */
    admission_give_bearer(exchange->bearer);
}

static void stop_asking(struct exchange *exchange, int64_t now_ns)
{
    struct connection *connection = exchange->connection;
    uncount_stream(exchange);
    CHECK(connection->asking > connection->admitted);
    if (--connection->asking == 0)
        connection->idle_since_ns = now_ns;
}

/* With the request's pool, always. */
static void on_dispose(void *p)
{
    struct exchange *exchange = p;
    struct connection *connection = exchange->connection;
    CHECK_THREAD(exchange->app->hub);
    int64_t now_ns = clock_mono_coarse_ns();
    list_remove(&exchange->link);
    if (exchange->is_answered) {
        CHECK(connection->unsent != 0);
        --connection->unsent;
        /* one answer has got through: the others get their full time again */
        connection->unsent_since_ns = now_ns;
    } else {
        stop_asking(exchange, now_ns);
    }
    address_limits_give(exchange->client, ADDRESS_REQUEST, exchange->bytes, now_ns);
    /* the pool is disposed of last in, first out: nothing in it uses the settings any more */
    settings_release(exchange->settings);
}

struct exchange *exchange_begin(struct app *app, h2o_req_t *req)
{
    CHECK_THREAD(app->hub);
    struct exchange *exchange = h2o_mem_alloc_shared(&req->pool, sizeof(*exchange), on_dispose);
    struct connection *connection = connection_of(req);
    *exchange = (struct exchange){.app = app, .req = req, .connection = connection, .settings = app->settings};
    settings_retain(exchange->settings);
    exchange->has_ip = ip_of_sockaddr(&connection->peer.any, &exchange->ip);
    list_append(&connection->requests, &exchange->link);
    connection->has_requested = true; /* a GOAWAY from now on costs its client no request */
    /* libh2o calls a handler when the body is complete; the gate sees that over HTTP/2 only */
    if (connection->protocol == CONNECTION_HTTP1)
        connection->body_since_ns = 0;
    ++connection->asking;
    /* libh2o takes two Content-Length values, and CL beside TE: what follows a body may be smuggled. */
    if (req->entity.base != NULL && req->version < 0x200)
        req->http1_is_persistent = 0;
    return exchange;
}

void exchange_answered(struct exchange *exchange)
{
    int64_t now_ns = clock_mono_coarse_ns();
    CHECK(!exchange->is_answered);
    exchange->is_answered = true;
    if (exchange->connection->unsent++ == 0) /* the write timeout begins with the first that waits */
        exchange->connection->unsent_since_ns = now_ns;
    stop_asking(exchange, now_ns);
}

bool exchange_is_outdated(const struct exchange *exchange)
{
    return exchange->settings != exchange->app->settings;
}

const char *exchange_address(const struct exchange *exchange, char dst[static IP_TEXT_MAX])
{
    if (exchange->has_ip)
        return ip_write(&exchange->ip, dst);
    memcpy(dst, "unknown", sizeof("unknown"));
    return dst;
}

bool exchange_is_method(const struct exchange *exchange, const char *method)
{
    return h2o_memis(exchange->req->method.base, exchange->req->method.len, method, strlen(method));
}

bool exchange_is_read(const struct exchange *exchange)
{
    return exchange_is_method(exchange, "GET") || exchange_is_method(exchange, "HEAD");
}

size_t exchange_path_len(const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    return req->query_at != SIZE_MAX ? req->query_at : req->path.len;
}

bool exchange_is_path(const struct exchange *exchange, const char *path)
{
    return h2o_memis(exchange->req->path.base, exchange_path_len(exchange), path, strlen(path));
}

const char *exchange_query(const struct exchange *exchange, size_t *len)
{
    const h2o_req_t *req = exchange->req;
    *len = 0;
    if (req->query_at == SIZE_MAX)
        return "";
    *len = req->path.len - req->query_at - 1;
    return req->path.base + req->query_at + 1;
}
