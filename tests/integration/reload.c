/* reload.c - SIGHUP: a new configuration for new requests, and the end of streams that it no longer allows */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"
#include "tests/support/text_case.h"

static struct rig rig;
static struct http_client *client;

#define ADMIN "admin: {address: \"127.0.0.1:0\"}\n"
#define ROUTE_A "  - {path: \"/a/{id}\", subjects: [\"a.{id}\"]}\n"
#define ROUTE_B "  - {path: \"/b/{id}\", subjects: [\"b.{id}\"]}\n"
#define PICK(allow) "  - {path: /pick, allow: [" allow "]}\n"

static void start(const char *yaml)
{
    rig_start_workers(&rig, yaml, 2);
    client = http_client_create(rig.gateway, HTTP_H2);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(reload, .fini = teardown, .timeout = 120);

static void require_reload(const char *yaml)
{
    REQUIRE(gateway_reload(rig.gateway, NULL, yaml));
}

static struct http_stream *open_at(const char *path)
{
    struct http_stream *stream = http_open_ready(client, path, NULL);

    REQUIRE(stream != NULL, "%s", path);
    return stream;
}

static void require_event(struct http_stream *stream, const char *subject, const char *data)
{
    size_t before = stream->log.count;

    publish(rig.publisher, subject, data);
    REQUIRE(http_wait_events(stream, before + 1), "ended: %d", stream->ended);
    REQUIRE_STR(http_event(stream, before)->data, data);
}

static void require_bye(struct http_stream *stream, const char *reason)
{
    const struct event *bye;

    REQUIRE(http_wait_end(stream));
    REQUIRE(stream->result == CURLE_OK && stream->log.count != 0, "%s", curl_easy_strerror(stream->result));
    bye = http_event(stream, stream->log.count - 1);
    REQUIRE_STR(bye->name, "freshet.bye");
    REQUIRE_STR(json_field(bye->data, "reason"), reason);
    REQUIRE(strstr(strstr(stream->body, "retry: ") + 1, "retry: ") != NULL, "it is asked back: %s", stream->body);
}

static int status_of(const char *path)
{
    struct http_stream *response = http_request(client, "GET", path, NULL, "accept: text/event-stream", NULL);
    int status = response->status;

    http_close(response);
    return status;
}

/* ---- routes ---- */

Test(reload, routes_come_and_go_and_take_their_streams_along)
{
    struct http_stream *a, *b, *added;

    start("routes:\n" ROUTE_A ROUTE_B);
    a = open_at("/a/1");
    b = open_at("/b/1");
    REQUIRE(status_of("/pick?subject=a.1") == 404);
    require_reload("routes:\n" ROUTE_A PICK("\"a.>\""));
    require_bye(b, "revoked");
    require_event(a, "a.1", "after");
    added = open_at("/pick?subject=a.1");
    require_event(added, "a.1", "both");
    REQUIRE(http_wait_events(a, 2));
    REQUIRE(status_of("/b/1") == 404);
    REQUIRE(gateway_wait_log(rig.gateway, "listen, routes\"", 0), "the ports are no longer 0");
    REQUIRE(gateway_wait_log(rig.gateway, "reload-ended streams=1", 5000));
    require_reload("routes:\n" ROUTE_A ROUTE_B);
    require_bye(added, "revoked");
    b = open_at("/b/1");
    require_event(b, "b.1", "again");
    require_event(a, "a.1", "still there");
}

Test(reload, a_choice_that_is_no_longer_allowed_ends)
{
    struct http_stream *both, *inside, *outside;

    start("routes:\n" PICK("\"a.>\", \"b.>\""));
    both = open_at("/pick?subject=a.1&subject=b.1");
    inside = open_at("/pick?subject=a.1");
    outside = open_at("/pick?subject=b.1");
    require_reload("routes:\n" PICK("\"a.*\", \"c.>\""));
    require_bye(both, "revoked");
    require_bye(outside, "revoked");
    require_event(inside, "a.1", "x");
    REQUIRE(status_of("/pick?subject=b.1") == 403);
}

Test(reload, templates_that_cover_the_old_ones_keep_streams)
{
    struct http_stream *stream;

    start("routes:\n  - {path: \"/a/{id}\", subjects: [\"a.{id}.new\"]}\n");
    stream = open_at("/a/1");
    require_reload("routes:\n  - {path: \"/a/{id}\", subjects: [\"a.{id}.>\", \"news\"]}\n");
    require_event(stream, "a.1.new", "x");
    publish(rig.publisher, "a.1.old", "not on an old stream");
    require_event(stream, "a.1.new", "y");
    require_reload("routes:\n  - {path: \"/a/{id}\", subjects: [\"a.*.old\", \"b.{id}.new\"]}\n");
    require_bye(stream, "revoked");
}

Test(reload, other_demands_on_clients_end_streams)
{
    struct http_stream *stream;

    start("routes:\n" ROUTE_A "  - {path: /asked, subjects: [q], auth: {request: ask.somebody}}\n");
    stream = open_at("/a/1");
    require_reload("routes:\n  - {path: \"/a/{id}\", subjects: [\"a.{id}\"], auth: {request: ask.somebody}}\n");
    require_bye(stream, "revoked");
    REQUIRE(status_of("/a/1") == 503, "no service is there to answer");
}

Test(reload, a_stream_keeps_the_settings_it_was_opened_with)
{
    struct http_stream *before, *after;

    start("routes:\n  - {path: /s, subjects: [s], event: none}\n");
    before = open_at("/s");
    require_reload("routes:\n  - {path: /s, subjects: [s], event: subject, history: {events: 5}, retry: 60s}\n");
    after = open_at("/s");
    REQUIRE(after->log.parser.retry_ms > 40000);
    publish(rig.publisher, "s", "x");
    REQUIRE(http_wait_events(before, 1) && http_wait_events(after, 1));
    REQUIRE_STR(http_event(before, 0)->name, "message");
    REQUIRE_STR(http_event(after, 0)->name, "s");
}

/* ---- limits, CORS, log, admin ---- */

Test(reload, limits_hold_for_the_next_request_of_an_open_connection)
{
    struct http_stream *stream, *late[12];
    unsigned refused = 0;

    start("routes:\n" ROUTE_A);
    stream = open_at("/a/1");
    open_at("/a/2");
    require_reload("limits: {streams: 2}\nroutes:\n" ROUTE_A);
    REQUIRE(status_of("/a/3") == 429);
    require_reload("limits: {streams: 3}\nroutes:\n" ROUTE_A);
    open_at("/a/3");
    REQUIRE(status_of("/a/4") == 429);
    require_event(stream, "a.1", "x");
    require_reload("limits: {new_streams_per_address: 1}\nroutes:\n" ROUTE_A);
    http_client_destroy(client);
    client = http_client_create(rig.gateway, HTTP_H2);
    for (size_t i = 0; i < 12; i++)
        late[i] = http_open(client, "/a/5", NULL);
    for (size_t i = 0; i < 12; i++) {
        REQUIRE(http_wait_headers(late[i]));
        refused += late[i]->status == 429;
    }
    REQUIRE(refused != 0);
}

Test(reload, cors_holds_for_the_next_request)
{
    struct http_stream *response;

    start("routes:\n  - {path: /s, subjects: [s], cors: {origins: [\"https://one.example\"]}}\n");
    response = http_open_ready(client, "/s", "origin: https://two.example", NULL);
    REQUIRE(http_header(response, "access-control-allow-origin") == NULL);
    require_reload("routes:\n  - {path: /s, subjects: [s], cors: {origins: [\"https://two.example\"]}}\n");
    response = http_open_ready(client, "/s", "origin: https://two.example", NULL);
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://two.example");
}

Test(reload, what_is_published_on_an_open_connection)
{
    struct http_stream *stream, *response;

    start("routes:\n" ROUTE_A);
    stream = open_at("/a/1");
    require_reload("routes:\n" ROUTE_A "  - {path: /say, allow: [\"a.>\"], publish: true}\n");
    response = http_request(client, "POST", "/say?subject=a.1", "said", NULL);
    REQUIRE(response->status == 202 && http_connects(response) == 0, "%d %s", response->status, response->body);
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->data, "said");
}

Test(reload, the_log_level_changes)
{
    start("routes:\n" ROUTE_A);
    require_reload("log: {level: error}\nroutes:\n" ROUTE_A);
    nats_fixture_kill(rig.nats);
    http_pump_for(client, 300);
    REQUIRE(!gateway_wait_log(rig.gateway, "nats-disconnected", 0), "that is a warning");
    require_reload("log: {level: debug}\nroutes:\n" ROUTE_A);
}

Test(reload, the_admin_token_changes)
{
    struct raw_http *raw;

    start(ADMIN "routes:\n" ROUTE_A);
    require_reload("admin: {address: \"127.0.0.1:0\", token: 0123456789abcdef}\nroutes:\n" ROUTE_A);
    raw = raw_http_connect(rig.gateway->admin_port);
    raw_http_send(raw, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    REQUIRE(raw_http_wait(raw, " 401 "), "%s", raw->text);
    raw_http_forget(raw);
    raw_http_send(raw, "GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer 0123456789abcdef\r\n\r\n");
    REQUIRE(raw_http_wait(raw, " 200 "), "%s", raw->text);
    raw_http_destroy(raw);
}

/* ---- what is refused ---- */

static void require_refused(const char *yaml, const char *why)
{
    REQUIRE(!gateway_reload(rig.gateway, NULL, yaml));
    REQUIRE(gateway_wait_log(rig.gateway, why, 0), "\"%s\" is not said", why);
}

Test(reload, a_bad_file_leaves_all_as_it_was)
{
    struct http_stream *stream;

    start(ADMIN "routes:\n" ROUTE_A ROUTE_B);
    stream = open_at("/b/1");
    require_refused("routes:\n" ROUTE_A "  - {path: /c, subjects: [\"c..d\"]}\n", "routes[1].subjects[0]");
    require_refused("route:\n" ROUTE_A, "did you mean routes?");
    require_refused("routes:\n" ROUTE_A "  - {path: /c, subjects: [c], auth: {jwt: {keys: nowhere.jwks}}}\n",
                    "nowhere.jwks");
    require_refused("limits: {streams: 1000}\ndrain: {window: 5s}\nroutes:\n" ROUTE_A, "limits.streams");
    require_event(stream, "b.1", "untouched");
    open_at("/b/2");
    REQUIRE(scrape(rig.gateway, "freshet_reloads_total{result=\"failed\"}") == 4);
    REQUIRE(scrape(rig.gateway, "freshet_reloads_total{result=\"ok\"}") == 0);
    require_reload(ADMIN "routes:\n" ROUTE_A ROUTE_B);
    require_event(stream, "b.1", "still");
    REQUIRE(scrape(rig.gateway, "freshet_reloads_total{result=\"ok\"}") == 1);
}

Test(reload, what_needs_a_restart_is_named_and_nothing_is_half_done)
{
    static const struct text_case cases[] = {
        {"watchdog: 20s\n", "watchdog"},
        {"limits: {replays: 3, streams: 1}\n", "limits.replays: 3 instead of 16 needs a restart"},
        {"defaults: {history: {store: jetstream, stream: NEW}}\n", "following stream NEW needs a restart"},
        {"defaults: {auth: {request: ask.somebody}}\n", "auth: adding the first route with auth needs a restart"},
    };
    struct http_stream *stream;

    start("routes:\n" ROUTE_A ROUTE_B);
    stream = open_at("/b/1");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *yaml = text_format("%sroutes:\n" ROUTE_A, cases[i].given);
        require_refused(yaml, cases[i].wanted);
        free(yaml);
    }
    rig.gateway->workers = 3;
    require_refused("routes:\n" ROUTE_A, "workers: 3 instead of 2 needs a restart");
    rig.gateway->workers = 2;
    free(rig.gateway->nats_lines);
    rig.gateway->nats_lines = text_format("  url: \"nats://127.0.0.1:1\"\n  name: other\n");
    require_refused("routes:\n" ROUTE_A, "nats.url: this change needs a restart");
    REQUIRE(gateway_wait_log(rig.gateway, "nats.name: this change needs a restart", 0));
    require_event(stream, "b.1", "untouched");
    open_at("/b/2");
}

Test(reload, an_address_that_is_taken_is_refused)
{
    struct http_stream *stream;
    char *listen;

    start("routes:\n" ROUTE_A);
    stream = open_at("/a/1");
    /* of the broker */
    listen = text_format("  - address: \"%s\"\n", strstr(nats_fixture_url(rig.nats), "127.0.0.1"));
    REQUIRE(!gateway_reload(rig.gateway, listen, "routes:\n" ROUTE_B));
    require_event(stream, "a.1", "untouched");
    REQUIRE(status_of("/b/1") == 404);
    free(listen);
}

/* ---- listeners ---- */

static struct http_stream *open_by(uint16_t port, struct http_client **by)
{
    struct gateway other = *rig.gateway;

    other.clear_port = port;
    *by = http_client_create(&other, HTTP_H2C);
    return http_open_ready(*by, "/a/1", NULL);
}

Test(reload, listeners_come_and_go)
{
    static const char with_window[] = "drain: {window: 2s}\nroutes:\n" ROUTE_A;
    struct http_client *by_first, *by_second, *by_third;
    struct http_stream *first, *second, *third;
    uint16_t second_port;

    start(with_window);
    first = open_by(rig.gateway->clear_port, &by_first);
    REQUIRE(first != NULL);
    REQUIRE(gateway_reload(rig.gateway, "  - address: \"127.0.0.1:0\"\n", with_window));
    second_port = gateway_port(rig.gateway, 2);
    second = open_by(second_port, &by_second);
    REQUIRE(second != NULL);
    third = http_open_ready(by_second, "/a/2", NULL);
    REQUIRE(third != NULL);
    REQUIRE(gateway_reload(rig.gateway, "", with_window));
    by_third = NULL;
    require_bye(second, "drain");
    publish(rig.publisher, "a.1", "x");
    REQUIRE(http_wait_events(first, 1));
    REQUIRE_STR(http_event(first, 0)->data, "x");
    require_bye(third, "drain");
    REQUIRE(open_by(second_port, &by_third) == NULL, "no listener is there");
    http_client_destroy(by_first);
    http_client_destroy(by_second);
    http_client_destroy(by_third);
}

/* ---- many times ---- */

Test(reload, again_and_again_it_grows_nowhere)
{
    struct http_stream *stream;
    size_t before;
    unsigned fds;

    start(ADMIN "routes:\n" ROUTE_A ROUTE_B);
    stream = open_at("/a/1");
    for (int i = 0; i < 20; i++)
        require_reload(i % 2 ? ADMIN "routes:\n" ROUTE_A ROUTE_B : ADMIN "routes:\n" ROUTE_A);
    before = gateway_rss_bytes(rig.gateway);
    fds = gateway_fd_count(rig.gateway);
    for (int i = 0; i < 60; i++) {
        require_reload(i % 2 ? ADMIN "routes:\n" ROUTE_A ROUTE_B : ADMIN "routes:\n" ROUTE_A);
        http_close(open_at("/a/2"));
    }
    require_event(stream, "a.1", "x");
    REQUIRE(gateway_fd_count(rig.gateway) <= fds + 2, "%u descriptors, %u before", gateway_fd_count(rig.gateway), fds);
    if (!is_sanitizer_run())
        REQUIRE(gateway_rss_bytes(rig.gateway) < before + (4u << 20), "%zu bytes, %zu before",
                gateway_rss_bytes(rig.gateway), before);
}
