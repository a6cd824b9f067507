/* console.c - the console page on the admin listener, and the JSON that the page reads about the gateway */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/console.h"

#include <h2o.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/http/admin/page.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/cors.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"
#include "gateway/http/routes.h"

/*
 * Without a token the listener is on loopback, which is its only protection.
 * A foreign page can give its own host name the address 127.0.0.1 (DNS
 * rebinding) and is then of the same origin, but the request still has that name.
 */
static bool names_loopback(const h2o_req_t *req)
{
    char name[ADDRESS_HOST_MAX + 1];
    h2o_iovec_t authority = req->input.authority, host;
    uint16_t port;
    const char *end = h2o_url_parse_hostport(authority.base, authority.len, &host, &port);
    if (end != authority.base + authority.len || host.len > ADDRESS_HOST_MAX)
        return false;
    memcpy(name, host.base, host.len);
    name[host.len] = '\0';
    return address_is_loopback(name);
}

/* A GET without CORS carries no Origin, but browsers say in sec-fetch-site which page made it. */
static bool is_of_other_page(const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    static const struct config_cors no_origins = {.origins_count = 0};
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("sec-fetch-site"), -1);
    if (!cors_may_write(&no_origins, exchange))
        return true;
    if (at == -1) /* no browser: curl, Prometheus */
        return false;
    h2o_iovec_t site = req->headers.entries[at].value;
    return !h2o_memis(site.base, site.len, H2O_STRLIT("same-origin")) &&
           !h2o_memis(site.base, site.len, H2O_STRLIT("none")); /* typed in, or a bookmark */
}

static void note_refusal(const struct exchange *exchange, const char *reason)
{
    char peer[CONNECTION_PEER_MAX];
    metrics_add(exchange->app->hub->metrics, METRIC_REJECTED_AUTH, 1);
    log_write_limited(LOG_WARN, "admin-refused", log_str("peer", connection_peer(exchange->connection, peer)),
                      log_str("reason", reason));
}

bool console_answer_page(struct exchange *exchange)
{
    const struct config *config = exchange->app->config;
    if (!config->admin_console)
        return false;
    if (config->admin_token == NULL && !names_loopback(exchange->req)) {
        note_refusal(exchange, "host");
        reply_problem(exchange, 403, "without admin.token the host of a request must be a loopback name or address");
        return true;
    }
    /* Before the origin is judged: a link on another page may lead here, and the files hold no secrets. */
    if (exchange_is_read(exchange) && page_answer(exchange))
        return true;
    if (is_of_other_page(exchange)) {
        note_refusal(exchange, "origin");
        reply_problem(exchange, 403, "only the gateway's own page may request this, not a page of another origin");
        return true;
    }
    return false;
}

bool console_answer(struct exchange *exchange)
{
    if (!exchange->app->config->admin_console)
        return false;
    if (exchange_is_read(exchange) && exchange_is_path(exchange, "/console.json")) {
        console_send_info(exchange);
        return true;
    }
    return routes_answer(exchange);
}

static json_t *list_strings(char *const *list, unsigned count)
{
    json_t *array = json_array();
    for (unsigned i = 0; i != count; ++i)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static json_t *describe_route(const struct config_route *route)
{
    static const char *const stores[] = {
        [POLICY_STORE_MEMORY] = "memory",
        [POLICY_STORE_NONE] = "none",
        [POLICY_STORE_JETSTREAM] = "jetstream",
    };
    static const char *const formats[] = {
        [POLICY_FORMAT_TEXT] = "text",
        [POLICY_FORMAT_BASE64] = "base64",
        [POLICY_FORMAT_CLOUDEVENTS] = "cloudevents",
    };
    static const char *const events[] = {
        [POLICY_EVENT_NONE] = "none",
        [POLICY_EVENT_SUBJECT] = "subject",
        [POLICY_EVENT_HEADER] = "header",
    };
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:b, s:b}", "path", route->path, "subjects",
                     list_strings(route->subjects, route->subjects_count), "allow",
                     list_strings(route->allow, route->allow_count), "store", stores[route->history.store], "format",
                     formats[route->format], "event", events[route->event], "publish", route->publish, "auth",
                     route->auth.required);
}

void console_send_info(struct exchange *exchange)
{
    const struct app *app = exchange->app;
    bool dev = app->dev_nats_url != NULL;
    json_t *routes = json_array();
    for (unsigned i = 0; i != app->config->routes_count; ++i)
        json_array_append_new(routes, describe_route(&app->config->routes[i]));
    json_t *info = json_pack("{s:s, s:b, s:s?, s:s, s:s, s:o}", "version", FRESHET_VERSION, "dev", dev, "nats",
                             app->dev_nats_url, "metrics", dev ? "/dev/metrics" : "/metrics", "streams",
                             dev ? "/dev/streams" : "/streams", "routes", routes);
    CHECK(info != NULL);
    char *text = json_dumps(info, JSON_COMPACT);
    CHECK(text != NULL);
    json_decref(info);
    reply_header(exchange, "cache-control", H2O_STRLIT("no-store"));
    reply_send(exchange, 200, "application/json", text, strlen(text));
    free(text);
}
