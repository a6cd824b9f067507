/* durable_republish.c - streams that are followed through republished messages: no consumer, and nothing lost */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"
#include "tests/support/broker_monitor.h"

TestSuite(durable_republish, .fini = durable_stop, .timeout = 120);

static long consumers(void)
{
    return broker_monitor_consumers(nats_fixture_monitor_port(durable.nats), "ORDERS");
}

static bool has_no_consumer(void)
{
    int64_t deadline = deadline_in(10000);
    while (consumers() != 0) {
        if (now_ms() > deadline)
            return false;
        sleep_ms(20);
    }
    return true;
}

static void expect_numbers(struct http_stream *stream, uint64_t from, uint64_t to)
{
    REQUIRE(http_wait_events(stream, (size_t)(to - from + 1)), "%zu events of %s", stream->log.count, stream->body);
    for (uint64_t n = from; n <= to; ++n) {
        const struct event *event = &stream->log.events[n - from];
        REQUIRE_STR(event->name, "message");
        REQUIRE_STR(event->data, rig_note("%llu", (unsigned long long)n));
    }
}

Test(durable_republish, ten_thousand_channels_without_a_consumer)
{
    enum { CONNECTIONS = 100, STREAMS = 100 };
    static struct http_client *clients[CONNECTIONS];
    static struct http_stream *streams[CONNECTIONS][STREAMS];
    unsigned channels = is_sanitizer_run() ? 10 : CONNECTIONS;

    durable_start("republish", NULL);
    for (unsigned c = 0; c < channels; c++) {
        clients[c] = http_client_create(durable.gateway, HTTP_H2);
        for (unsigned s = 0; s < STREAMS; s++)
            streams[c][s] = http_open(clients[c], rig_note("/small/c%us%u", c, s), NULL);
        for (unsigned s = 0; s < STREAMS; s++)
            REQUIRE(http_wait_headers(streams[c][s]));
    }
    REQUIRE(has_no_consumer(), "%ld consumers", consumers());
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned c = 0; c < channels; c++) {
            for (unsigned s = 0; s < STREAMS; s++)
                jetstream_publish_later(durable.js, rig_note("orders.c%us%u.x", c, s), round == 0 ? "first" : "second");
            jetstream_flush(durable.js);
        }
    }
    for (unsigned c = 0; c < channels; c++) {
        for (unsigned s = 0; s < STREAMS; s++) {
            REQUIRE(http_wait_events(streams[c][s], 2), "stream %u of %u", s, c);
            REQUIRE_STR(streams[c][s]->log.events[0].data, "first");
            REQUIRE_STR(streams[c][s]->log.events[1].data, "second");
        }
    }
    REQUIRE(has_no_consumer(), "%ld consumers", consumers());
    for (unsigned c = 0; c < channels; c++)
        http_client_destroy(clients[c]);
}

/* Where it may not subscribe, the gateway follows the stream with a consumer, which it may have. */
Test(durable_republish, a_gateway_that_may_not_subscribe_uses_a_consumer)
{
    struct jetstream_stream stream;
    struct http_stream *one, *every;
    char *url;

    durable.live = "republish";
    stream = durable_orders();
    durable.nats =
        nats_fixture_start("authorization { users = [ {user: all, password: pw}, {user: gateway, password: pw, "
                           "permissions: {publish: \">\", subscribe: {deny: [\"republished.orders.0.>\"]}}} ] }\n");
    REQUIRE(durable.nats != NULL);
    url = text_format("nats://all:pw@127.0.0.1:%d", nats_fixture_port(durable.nats));
    durable.js = jetstream_connect(url);
    free(url);
    jetstream_create(durable.js, &stream);
    url = text_format("nats://gateway:pw@127.0.0.1:%d", nats_fixture_port(durable.nats));
    durable.gateway = durable_start_gateway(url, 1);
    free(url);
    durable.client = http_client_create(durable.gateway, HTTP_H2);
    every = http_open(durable.client, "/every", NULL);
    one = http_open(durable.client, "/orders/0", NULL);
    REQUIRE(http_wait_headers(one) && http_wait_headers(every));
    durable_publish(40);
    expect_numbers(every, 1, 40);
    REQUIRE(http_wait_events(one, 10), "%zu events", one->log.count);
    REQUIRE_STR(one->log.events[0].data, "4");
    REQUIRE_STR(one->log.events[9].data, "40");
    REQUIRE(consumers() == 1);
}

Test(durable_republish, a_stream_that_republishes_nothing_is_followed_with_a_consumer)
{
    struct jetstream_stream plain = {.name = "ORDERS", .subjects = {"orders.>"}};
    struct http_stream *every;

    durable_start("republish", &plain);
    REQUIRE(gateway_wait_log(durable.gateway, "stream-republishes-nothing", 5000));
    every = http_open(durable.client, "/every", NULL);
    REQUIRE(http_wait_headers(every));
    durable_publish(20);
    expect_numbers(every, 1, 20);
    REQUIRE(consumers() == 1);
}

Test(durable_republish, so_is_one_that_leaves_a_channel_out)
{
    struct jetstream_stream partly = {.name = "ORDERS", .subjects = {"orders.>"}};
    struct http_stream *one, *two;

    partly.republish_from = "orders.1.>";
    partly.republish_to = "republished.>";
    durable_start("republish", &partly);
    one = http_open(durable.client, "/orders/1", NULL);
    REQUIRE(http_wait_headers(one));
    REQUIRE(has_no_consumer());
    two = http_open(durable.client, "/orders/2", NULL);
    REQUIRE(http_wait_headers(two));
    durable_publish(20);
    REQUIRE(http_wait_events(one, 5) && http_wait_events(two, 5));
    REQUIRE_STR(one->log.events[4].data, "17");
    REQUIRE_STR(two->log.events[4].data, "18");
    REQUIRE(consumers() == 1);
}

Test(durable_republish, channels_come_and_go_under_load)
{
    static const char *const paths[] = {"/orders/0", "/orders/1", "/small/2", "/small/3", "/all", "/every"};
    struct http_stream *every;

    durable_start("republish", NULL);
    every = http_open(durable.client, "/every", NULL);
    REQUIRE(http_wait_headers(every));
    for (unsigned round = 0; round < 60; round++) {
        struct http_client *other = http_client_create(durable.gateway, HTTP_H2);
        struct http_stream *passing = http_open(other, paths[round % 6], NULL);
        durable_publish(round % 2 == 0 ? 10 : 50);
        REQUIRE(http_wait_headers(passing));
        if (round % 3 == 0)
            http_client_destroy(other);
        durable_publish(10);
        if (round % 3 != 0)
            http_client_destroy(other);
    }
    expect_numbers(every, 1, durable.stored);
}
