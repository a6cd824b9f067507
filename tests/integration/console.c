/* console.c - the console on the admin listener: off by default, and open to no page but its own */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"

#define TOKEN "s3cret-0123456789abcdef"
#define ROUTES                                                                                                         \
    "routes:\n"                                                                                                        \
    "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"], format: cloudevents, event: subject}\n"                 \
    "  - {path: /pick, allow: [\"news.>\", \"orders.>\"], cors: {origins: [\"*\"]}}\n"                                 \
    "  - {path: /closed, subjects: [closed], auth: {request: nobody.there}}\n"                                         \
    "  - {path: /post, subjects: [orders.1], publish: true, cors: {origins: [\"*\"]}}\n"

static struct rig rig;
static struct http_client *client, *public;

static void start(const char *yaml)
{
    rig_start(&rig, yaml);
    client = http_client_create_admin(rig.gateway, HTTP_H1C);
    public = http_client_create(rig.gateway, HTTP_H1C);
}

static void start_open(void)
{
    start("admin: {address: \"127.0.0.1:0\", console: true}\n" ROUTES);
}

static void start_off(void)
{
    start("admin: {address: \"127.0.0.1:0\"}\n" ROUTES);
}

static void start_guarded(void)
{
    start("admin: {address: \"127.0.0.1:0\", token: \"" TOKEN "\", console: true}\n" ROUTES);
}

static void teardown(void)
{
    http_client_destroy(public);
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(console, .init = start_open, .fini = teardown, .timeout = 60);
TestSuite(console_off, .init = start_off, .fini = teardown, .timeout = 60);
TestSuite(console_token, .init = start_guarded, .fini = teardown, .timeout = 60);

static int get(const char *path, const char *header)
{
    return http_request(client, "GET", path, NULL, header, NULL)->status;
}

static int post(const char *path, const char *header)
{
    return http_request(client, "POST", path, "x", header, NULL)->status;
}

Test(console_off, is_the_default)
{
    static const char *const paths[] = {"/", "/assets/app.js", "/console.json", "/orders/1", "/pick?subject=news.a"};

    for (size_t i = 0; i != sizeof(paths) / sizeof(paths[0]); ++i)
        REQUIRE(get(paths[i], NULL) == 404, "%s", paths[i]);
    REQUIRE(post("/post", NULL) == 405);
    REQUIRE(get("/metrics", "host: gateway.example") == 200);
}

Test(console, serves_the_page_and_not_to_the_public)
{
    struct http_stream *page = http_request(client, "GET", "/", NULL, NULL);

    REQUIRE(page->status == 200);
    REQUIRE_STR(http_header(page, "content-type"), "text/html; charset=utf-8");
    REQUIRE(strstr(http_header(page, "content-security-policy"), "default-src 'none'") != NULL);
    REQUIRE(get("/assets/app.js", NULL) == 200 && get("/assets/style.css", NULL) == 200);
    REQUIRE(get("/assets/none.js", NULL) == 404);
    REQUIRE(http_request(public, "GET", "/", NULL, NULL)->status == 404);
    REQUIRE(http_request(public, "GET", "/console.json", NULL, NULL)->status == 404);
    REQUIRE(get("/metrics", NULL) == 200 && get("/livez", NULL) == 200);
}

Test(console, tells_the_page_of_the_routes)
{
    struct http_stream *response = http_request(client, "GET", "/console.json", NULL, NULL);
    json_t *info = json_loads(response->body, 0, NULL), *route;
    const char *path, *store, *format, *event, *subject, *metrics;
    int dev, publish, auth;

    REQUIRE(response->status == 200 && info != NULL, "%s", response->body);
    REQUIRE_STR(http_header(response, "cache-control"), "no-store");
    REQUIRE(json_unpack(info, "{s:b, s:n, s:s}", "dev", &dev, "nats", "metrics", &metrics) == 0 && !dev);
    REQUIRE_STR(metrics, "/metrics");
    REQUIRE(json_array_size(json_object_get(info, "routes")) == 4);
    for (size_t i = 0; i != 4; ++i) {
        route = json_array_get(json_object_get(info, "routes"), i);
        REQUIRE(json_unpack(route, "{s:s, s:s, s:s, s:s, s:b, s:b}", "path", &path, "store", &store, "format", &format,
                            "event", &event, "publish", &publish, "auth", &auth) == 0);
        REQUIRE(publish == (strcmp(path, "/post") == 0) && auth == (strcmp(path, "/closed") == 0), "%s", path);
        if (strcmp(path, "/orders/{id}") != 0)
            continue;
        REQUIRE_STR(store, "memory");
        REQUIRE_STR(format, "cloudevents");
        REQUIRE_STR(event, "subject");
        REQUIRE(json_unpack(route, "{s:[s!], s:[]}", "subjects", &subject, "allow") == 0);
        REQUIRE_STR(subject, "orders.{id}");
    }
    json_decref(info);
}

Test(console, answers_the_routes_as_the_public_does)
{
    struct http_stream *stream = http_open_ready(client, "/pick?subject=orders.1", NULL);

    REQUIRE(stream != NULL);
    REQUIRE(post("/post", NULL) == 202);
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->data, "x");
    REQUIRE(get("/pick?subject=secret.a", NULL) == 403 && get("/pick", NULL) == 400);
    REQUIRE(get("/closed", NULL) == 503);
    REQUIRE(get("/nowhere", NULL) == 404);
    REQUIRE(http_request(client, "PUT", "/post", "x", NULL)->status == 405);
}

Test(console, is_for_loopback_names_only)
{
    static const char *const ours[] = {"host: localhost",     "host: LocalHost:9090", "host: 127.0.0.1:1",
                                       "host: 127.9.9.9:443", "host: [::1]:9090",     NULL};
    static const char *const others[] = {"host: rebound.example:9090", "host: 127.example",
                                         "host: 192.0.2.1:9090",       "host: localhost.example",
                                         "host: localhost:9090:80",    "host: [::2]:9090"};
    static const char *const paths[] = {"/", "/console.json", "/metrics", "/pick?subject=news.a"};

    for (size_t i = 0; i != sizeof(ours) / sizeof(ours[0]); ++i)
        REQUIRE(get("/", ours[i]) == 200 && get("/metrics", ours[i]) == 200, "%s", ours[i]);
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i) {
        for (size_t j = 0; j != sizeof(paths) / sizeof(paths[0]); ++j)
            REQUIRE(get(paths[j], others[i]) == 403, "%s of %s", paths[j], others[i]);
        REQUIRE(post("/post", others[i]) == 403, "%s", others[i]);
        REQUIRE(get("/livez", others[i]) == 200, "%s", others[i]);
    }
    REQUIRE(gateway_wait_log(rig.gateway, "reason=host", 5000));
}

Test(console, is_for_its_own_page_only)
{
    char own[64];

    snprintf(own, sizeof(own), "origin: http://127.0.0.1:%u", rig.gateway->admin_port);
    REQUIRE(post("/post", own) == 202 && get("/console.json", own) == 200);
    REQUIRE(get("/metrics", "sec-fetch-site: same-origin") == 200 && get("/metrics", "sec-fetch-site: none") == 200);
    /* the route itself lets any origin read and write: that is for the public listeners */
    REQUIRE(post("/post", "origin: http://other.example") == 403);
    REQUIRE(post("/post", "origin: null") == 403);
    REQUIRE(get("/pick?subject=news.a", "origin: http://other.example") == 403);
    REQUIRE(get("/pick?subject=news.a", "sec-fetch-site: cross-site") == 403);
    REQUIRE(get("/metrics", "sec-fetch-site: same-site") == 403);
    /* but a link may lead to the page */
    REQUIRE(get("/", "sec-fetch-site: cross-site") == 200);
    REQUIRE(gateway_wait_log(rig.gateway, "reason=origin", 5000));
}

Test(console_token, guards_all_but_the_page)
{
    static const char *const paths[] = {"/console.json", "/metrics", "/pick?subject=news.a", "/nowhere"};
    static const char *const wrong[] = {NULL, "freshet-admin-token: " TOKEN "x",
                                        "freshet-admin-token:", "cookie: freshet-admin-token=" TOKEN};

    REQUIRE(get("/", NULL) == 200 && get("/assets/app.js", NULL) == 200);
    for (size_t i = 0; i != sizeof(wrong) / sizeof(wrong[0]); ++i) {
        for (size_t j = 0; j != sizeof(paths) / sizeof(paths[0]); ++j)
            REQUIRE(get(paths[j], wrong[i]) == 401, "%s with %s", paths[j], wrong[i] != NULL ? wrong[i] : "nothing");
        REQUIRE(post("/post", wrong[i]) == 401);
    }
    REQUIRE(get("/console.json?token=" TOKEN, NULL) == 401);
}

Test(console_token, opens_to_either_header)
{
    REQUIRE(get("/console.json", "freshet-admin-token: " TOKEN) == 200);
    REQUIRE(get("/console.json", "authorization: Bearer " TOKEN) == 200);
    REQUIRE(post("/post", "freshet-admin-token: " TOKEN) == 202);
    REQUIRE(http_open_ready(client, "/pick?subject=news.a", "freshet-admin-token: " TOKEN, NULL) != NULL);
    /* with the token any host name will do */
    REQUIRE(http_request(client, "GET", "/metrics", NULL, "freshet-admin-token: " TOKEN, "host: gateway.example", NULL)
                ->status == 200);
    /* … but a request that another page makes is still refused */
    REQUIRE(
        http_request(client, "POST", "/post", "x", "freshet-admin-token: " TOKEN, "origin: http://other.example", NULL)
            ->status == 403);
}
