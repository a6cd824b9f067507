/* stream_start.c - a gateway at its start: streams that are there, come late, or don't fit */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/text_case.h"

static const char yaml[] = "admin: {address: \"127.0.0.1:0\"}\n"
                           "routes:\n"
                           "  - {path: /core, subjects: [\"core.a\"]}\n"
                           "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"],\n"
                           "     history: {store: jetstream, stream: ORDERS}}\n"
                           "  - {path: /notes, allow: [\"notes.*\"], history: {store: jetstream, stream: NOTES}}\n";

static const struct jetstream_stream orders = {.name = "ORDERS", .subjects = {"orders.>"}},
                                     notes = {.name = "NOTES", .subjects = {"notes.>"}};

static struct rig rig;
static struct jetstream *js;
static struct http_client *client, *admin;

static void setup(void)
{
    rig.nats = nats_fixture_start(NULL);
    REQUIRE(rig.nats != NULL);
    js = jetstream_connect(nats_fixture_url(rig.nats));
}

static void teardown(void)
{
    http_client_destroy(client);
    http_client_destroy(admin);
    gateway_destroy(rig.gateway);
    jetstream_destroy(js);
    nats_fixture_stop(rig.nats);
    rig = (struct rig){0};
}

TestSuite(stream_start, .init = setup, .fini = teardown, .timeout = 120);

static void start_listening(const char *routes)
{
    rig.gateway =
        gateway_start_listening(&(struct gateway_options){.nats_url = nats_fixture_url(rig.nats), .yaml = routes});
    client = http_client_create(rig.gateway, HTTP_H2);
    admin = rig.gateway->admin_port != 0 ? http_client_create_admin(rig.gateway, HTTP_H1C) : NULL;
}

static void await_readiness(int status, const char *word)
{
    int64_t deadline = deadline_in(30000);
    struct http_stream *response = http_request(admin, "GET", "/readyz", NULL, NULL);

    while ((response->status != status || strstr(response->body, word) == NULL) && now_ms() < deadline) {
        http_close(response);
        http_pump_for(admin, 20);
        response = http_request(admin, "GET", "/readyz", NULL, NULL);
    }
    REQUIRE(response->status == status && strstr(response->body, word) != NULL, "%d %s", response->status,
            response->body);
    http_close(response);
}

static void require_event(struct http_stream *stream, size_t index, const char *text)
{
    REQUIRE(stream != NULL && http_wait_events(stream, index + 1), "no \"%s\"", text);
    REQUIRE_STR(http_event(stream, index)->data, text);
}

/* `ready` is logged when the latest events are at hand, so the first reader has them at once. */
Test(stream_start, ready_means_warm)
{
    jetstream_create(js, &orders);
    jetstream_create(js, &notes);
    jetstream_publish(js, "orders.1", "stored before");
    start_listening(yaml);
    REQUIRE(gateway_wait_log(rig.gateway, " ready ", 10000));
    REQUIRE(!gateway_wait_log(rig.gateway, "stream-not-ready", 0));
    await_readiness(200, "ready");
    require_event(http_open_ready(client, "/orders/1?since=earliest", NULL), 0, "stored before");
}

Test(stream_start, a_stream_that_comes_late_is_waited_for)
{
    struct http_stream *stream, *other;

    jetstream_create(js, &orders);
    start_listening(yaml);
    await_readiness(503, "stream NOTES: not reached");
    /* a client that comes before the stream exists stays, and gets it from the start */
    stream = http_open(client, "/notes?subject=notes.a&since=earliest", NULL);
    other = http_open_ready(client, "/orders/1", NULL);
    jetstream_publish(js, "orders.1", "not held up");
    require_event(other, 0, "not held up");
    REQUIRE(gateway_wait_log(rig.gateway, "stream-not-ready stream=NOTES", 10000));
    REQUIRE(gateway_wait_log(rig.gateway, " ready ", 10000));
    jetstream_create(js, &notes);
    jetstream_publish(js, "notes.a", "at last");
    require_event(stream, 0, "at last");
    await_readiness(200, "ready");
}

Test(stream_start, it_ends_in_order_while_it_waits)
{
    int64_t began;

    jetstream_create(js, &orders);
    start_listening(yaml);
    began = now_ms();
    REQUIRE(gateway_stop(rig.gateway) == 0);
    REQUIRE(now_ms() - began < scaled_ms(4000));
    REQUIRE(!gateway_wait_log(rig.gateway, " ready ", 0));
}

Test(stream_start, without_a_broker_it_waits_too)
{
    nats_fixture_kill(rig.nats);
    start_listening(yaml);
    REQUIRE(gateway_wait_log(rig.gateway, "stream-not-ready", 10000));
    REQUIRE(gateway_wait_log(rig.gateway, " ready ", 10000));
    await_readiness(503, "NATS");
    nats_fixture_restart(rig.nats);
    jetstream_create(js, &orders);
    jetstream_create(js, &notes);
    await_readiness(200, "ready");
    jetstream_publish(js, "notes.b", "late");
    require_event(http_open_ready(client, "/notes?subject=notes.*&since=earliest", NULL), 0, "late");
}

/* Short outages are pauses on durable routes: a gateway that has no others stays ready, for a while. */
Test(stream_start, durable_routes_alone_bear_a_short_outage)
{
    jetstream_create(js, &orders);
    start_listening("admin: {address: \"127.0.0.1:0\"}\n"
                    "routes:\n"
                    "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"],\n"
                    "     history: {store: jetstream, stream: ORDERS}}\n");
    await_readiness(200, "ready");
    nats_fixture_kill(rig.nats);
    REQUIRE(gateway_wait_log(rig.gateway, "stream-lost", 10000));
    await_readiness(200, "ready");
    await_readiness(503, "ORDERS");
    nats_fixture_restart(rig.nats);
    await_readiness(200, "ready");
}

static void require_fault(const char *subject)
{
    char *log;

    REQUIRE(gateway_wait_exit(rig.gateway) == 2);
    log = gateway_log(rig.gateway);
    REQUIRE(strstr(log, "stream-unusable") != NULL && strstr(log, subject) != NULL && strstr(log, "ORDERS") != NULL,
            "%s", subject);
    REQUIRE(strstr(log, " ready ") == NULL);
    free(log);
}

Test(stream_start, subjects_outside_the_stream_end_it)
{
    static const struct text_case outside[] = {
        {"{path: /a, subjects: [orders.a, other.a]", "other.a"},
        {"{path: \"/{x}/a\", subjects: [\"{x}.a\"]", "*.a"},
        {"{path: /a, allow: [\"orders.>\", \">\"]", ">"},
        {"{path: /a, subjects: [other.b], publish: true", "other.b"},
    };

    jetstream_create(js, &orders);
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        char *routes = text_format("routes:\n  - %s, history: {store: jetstream, stream: ORDERS}}\n", outside[i].given);
        start_listening(routes);
        require_fault(outside[i].wanted);
        http_client_destroy(client);
        client = NULL;
        gateway_destroy(rig.gateway);
        rig.gateway = NULL;
        free(routes);
    }
}

/* Neither broker nor stream is needed: errors in the connection's settings are reported all the same. */
Test(stream_start, a_work_queue_is_not_read)
{
    struct jetstream_stream queue = orders;

    queue.work_queue = true;
    jetstream_create(js, &queue);
    jetstream_create(js, &notes);
    jetstream_publish(js, "orders.1", "for somebody");
    start_listening(yaml);
    REQUIRE(gateway_wait_exit(rig.gateway) == 2);
    REQUIRE(gateway_wait_log(rig.gateway, "the stream ORDERS is a work queue", 1000));
    REQUIRE(jetstream_state(js, "ORDERS").count == 1);
}

Test(stream_start, but_it_may_be_published_to)
{
    struct jetstream_stream queue = orders;
    struct http_stream *response;

    queue.work_queue = true;
    jetstream_create(js, &queue);
    start_listening("routes:\n"
                    "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"], publish: true,\n"
                    "     history: {store: jetstream, stream: ORDERS}}\n");
    REQUIRE(gateway_wait_log(rig.gateway, " ready ", 10000));
    response = http_request(client, "POST", "/orders/1", "for somebody", NULL);
    REQUIRE(response->status == 201, "%d %s", response->status, response->body);
    http_close(response);
    REQUIRE(jetstream_state(js, "ORDERS").count == 1);
    REQUIRE(jetstream_state(js, "ORDERS").consumers == 0);
}

Test(stream_start, check_asks_nobody)
{
    char *path = sandbox_path("check.yaml");
    struct run_result result;

    nats_fixture_kill(rig.nats);
    sandbox_write(path, "listen: [{address: \"127.0.0.1:0\"}]\nroutes: [{path: /a, subjects: [a], history: {store: "
                        "jetstream, stream: ORDERS, live: republish}}]\n");
    result = gateway_run((const char *const[]){"--check", "--config", path, NULL});
    REQUIRE(result.code == 0 && strstr(result.out, "ok") != NULL, "%d %s", result.code, result.err);
    run_result_dispose(&result);
    free(path);
}

Test(stream_start, since_last_is_for_stored_routes)
{
    struct http_stream *stream;

    jetstream_create(js, &orders);
    jetstream_create(js, &notes);
    jetstream_publish(js, "notes.a", "a1");
    jetstream_publish(js, "notes.b", "b");
    jetstream_publish(js, "notes.a", "a2");
    start_listening(yaml);
    REQUIRE(gateway_wait_log(rig.gateway, " ready ", 10000));
    REQUIRE(is_problem(http_request(client, "GET", "/core?since=last", NULL, NULL), 400, "JetStream"));
    stream = http_open_ready(client, "/notes?subject=notes.*&since=last", NULL);
    require_event(stream, 0, "b");
    require_event(stream, 1, "a2");
    jetstream_publish(js, "notes.b", "b2");
    require_event(stream, 2, "b2");
}
