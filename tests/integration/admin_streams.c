/* admin_streams.c - /streams: channels and slow readers, gathered from all workers */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/held_thread.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static const char yaml[] = "watchdog: 5m\nadmin: {address: \"127.0.0.1:0\"}\n"
                           "routes:\n"
                           "  - {path: /pick, allow: [\">\"]}\n"
                           "  - {path: /slow, subjects: [\"slow.a\", \"slow.b\"], slow: skip}\n"
                           "  - {path: /none, subjects: [\"none.*\"], history: {store: none}}\n";

static struct rig rig;
static struct http_client *client, *admin;

static void setup(void)
{
    rig_start_workers(&rig, yaml, 2);
    client = http_client_create(rig.gateway, HTTP_H2);
    admin = http_client_create_admin(rig.gateway, HTTP_H1C);
}

static void teardown(void)
{
    http_client_destroy(admin);
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(admin_streams, .init = setup, .fini = teardown, .timeout = 120);

/* The whole answer, until the next call. */
static const char *streams(const char *query)
{
    static char body[65536];
    char *path = text_format("/streams%s", query);
    struct http_stream *response = http_request(admin, "GET", path, NULL, NULL);

    REQUIRE(response->status == 200, "%d %s", response->status, response->body);
    REQUIRE_STR(http_header(response, "content-type"), "application/json");
    REQUIRE_STR(http_header(response, "cache-control"), "no-store");
    snprintf(body, sizeof(body), "%s", response->body);
    http_close(response);
    free(path);
    return body;
}

static unsigned count(const char *text, const char *piece)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, piece)) != NULL; at += strlen(piece))
        ++n;
    return n;
}

/* Streams on both workers: each of so many connections has one. */
static void open_everywhere(struct http_client **clients, unsigned n, const char *path)
{
    for (unsigned i = 0; i != n; ++i) {
        clients[i] = http_client_create(rig.gateway, HTTP_H2C);
        REQUIRE(http_open_ready(clients[i], path, NULL) != NULL);
    }
}

Test(admin_streams, channels_with_the_most_streams_come_first)
{
    struct http_client *clients[12];
    struct http_stream *two, *none;
    const char *text, *head;
    char *row;

    REQUIRE_STR(json_field(streams(""), "channels"), "[]");
    open_everywhere(clients, 12, "/pick?subject=orders.1");
    REQUIRE((two = http_open_ready(client, "/pick?subject=orders.1&subject=news.%3E", NULL)) != NULL);
    REQUIRE((none = http_open_ready(client, "/none", NULL)) != NULL);
    publish(rig.publisher, "orders.1", "x");
    publish(rig.publisher, "none.1", "x");
    REQUIRE(http_wait_events(two, 1) && http_wait_events(none, 1));
    text = streams("");
    REQUIRE_STR(json_field(text, "streams"), "14");
    REQUIRE_STR(json_field(text, "connections"), "14");
    REQUIRE_STR(json_field(text, "channels_total"), "3");
    REQUIRE_STR(json_field(text, "complete"), "true");
    REQUIRE_STR(json_field(text, "slow"), "[]");
    REQUIRE(strtod(json_field(text, "uptime_seconds"), NULL) > 0 && json_field(text, "version") != NULL);
    REQUIRE(json_field(text, "gateway") != NULL);
    head = http_event(two, 0)->id;
    row = text_format("\"channels\":[{\"pattern\":\"orders.1\",\"store\":\"memory\",\"streams\":13,\"head\":\"%s\","
                      "\"events\":1,\"bytes\":",
                      head);
    REQUIRE(strstr(text, row) != NULL, "%s", text);
    REQUIRE(strstr(text, "{\"pattern\":\"news.>\",\"store\":\"memory\",\"streams\":1,\"head\":null,\"events\":0,"
                         "\"bytes\":0}") != NULL,
            "%s", text);
    REQUIRE(strstr(text, "{\"pattern\":\"none.*\",\"store\":\"none\",\"streams\":1,\"head\":null,\"events\":1,") !=
                NULL,
            "%s", text);
    REQUIRE(count(streams("?limit=1"), "\"pattern\"") == 1);
    REQUIRE(strstr(streams("?limit=1"), "orders.1") != NULL);
    REQUIRE_STR(json_field(streams("?limit=0"), "channels"), "[]");
    REQUIRE(count(streams("?filter=ew"), "\"pattern\"") == 1);
    REQUIRE(count(streams("?filter=orders.%3E"), "\"pattern\"") == 1);
    REQUIRE(count(streams("?filter=%3E"), "\"pattern\"") == 3);
    REQUIRE(count(streams("?filter=news.*"), "\"pattern\"") == 0);
    free(row);
    for (unsigned i = 0; i != 12; ++i)
        http_client_destroy(clients[i]);
}

Test(admin_streams, bad_values_are_named)
{
    REQUIRE(is_problem(http_request(admin, "GET", "/streams?limit=ten", NULL, NULL), 400, "limit"));
    REQUIRE(is_problem(http_request(admin, "GET", "/streams?limit=10001", NULL, NULL), 400, "limit"));
    REQUIRE(is_problem(http_request(admin, "GET", "/streams?limit=-1", NULL, NULL), 400, "limit"));
    REQUIRE(is_problem(http_request(admin, "GET", "/streams?filter=a.%3E.b", NULL, NULL), 400, "filter"));
    REQUIRE(is_problem(http_request(admin, "GET", "/streams?filter=%zz", NULL, NULL), 400, "percent"));
    REQUIRE(is_problem(http_request(admin, "POST", "/streams", "x", NULL), 405, "POST"));
}

Test(admin_streams, slow_readers_are_named)
{
    struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 2000, 0);
    struct h2_raw_stream *stuck = &h2->streams[h2_raw_get(h2, "/slow")];
    struct http_stream *witness = http_open_ready(client, "/pick?subject=slow.a", NULL);
    int64_t deadline = deadline_in(10000);
    const char *slow = "";
    char payload[1001];

    while (stuck->log.parser.retry_ms < 0 && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(witness != NULL && stuck->log.parser.retry_ms >= 0);
    memset(payload, 'x', 1000);
    payload[1000] = '\0';
    for (size_t n = 1; n <= 20; n++) {
        publish(rig.publisher, "slow.a", payload);
        REQUIRE(http_wait_events(witness, n));
    }
    while (strstr(slow, "\"route\"") == NULL && now_ms() < deadline)
        slow = json_field(streams(""), "slow");
    REQUIRE(strstr(slow, "\"route\":\"/slow\",\"peer\":\"127.0.0.1\",\"subjects\":[\"slow.a\",\"slow.b\"],"
                         "\"behind_events\":1") != NULL,
            "%s", slow);
    REQUIRE(strstr(slow, "\"age_seconds\":") != NULL);
    REQUIRE(strstr(json_field(streams("?filter=slow.b"), "slow"), "/slow") != NULL);
    REQUIRE_STR(json_field(streams("?filter=other"), "slow"), "[]");
    h2_raw_destroy(h2);
}

/* The worker that answers does not wait for the stuck one for ever. */
Test(admin_streams, a_worker_that_stands_still_makes_it_incomplete)
{
    pid_t thread;

    REQUIRE_STR(json_field(streams(""), "complete"), "true");
    /* whichever worker has the admin connection: if it is the held one, another connection gets the other */
    REQUIRE((thread = thread_named(rig.gateway->pid, "worker-1")) != 0 && thread_hold(thread));
    for (int i = 0; i < 10; i++) {
        struct http_client *other = http_client_create_admin(rig.gateway, HTTP_H1C);
        struct http_stream *response = http_open(other, "/streams", NULL);
        int64_t deadline = deadline_in(5000);
        while (!response->ended && now_ms() < deadline)
            http_pump(other, 50);
        if (response->ended) {
            REQUIRE(response->status == 200, "%d", response->status);
            REQUIRE_STR(json_field(response->body, "complete"), "false");
            http_client_destroy(other);
            REQUIRE(thread_let_go(thread));
            return;
        }
        http_client_destroy(other);
    }
    REQUIRE(false, "no worker answered");
}
