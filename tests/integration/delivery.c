/* delivery.c - freshet_delivery_seconds is about news: neither history nor heartbeats are in it */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

#define COUNT "freshet_delivery_seconds_count"

static struct rig rig;
static struct jetstream *js;
static struct http_client *client;

static void start(const char *routes)
{
    char *yaml = text_format("admin: {address: \"127.0.0.1:0\"}\nroutes:\n%s", routes);

    rig.gateway = gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(rig.nats), .yaml = yaml});
    client = http_client_create(rig.gateway, HTTP_H2);
    free(yaml);
}

static void setup(void)
{
    rig.nats = nats_fixture_start(NULL);
    REQUIRE(rig.nats != NULL);
    rig.publisher = publisher_connect(nats_fixture_url(rig.nats));
    js = jetstream_connect(nats_fixture_url(rig.nats));
}

static void teardown(void)
{
    http_client_destroy(client);
    jetstream_destroy(js);
    rig_stop(&rig);
}

TestSuite(delivery, .init = setup, .fini = teardown, .timeout = 120);

static void require_count(uint64_t wanted)
{
    int64_t deadline = deadline_in(10000);
    uint64_t count;

    while ((count = scrape(rig.gateway, COUNT)) != wanted && now_ms() < deadline)
        http_pump(client, 20);
    REQUIRE(count == wanted, "%llu, not %llu", (unsigned long long)count, (unsigned long long)wanted);
}

/* Replayed messages don't count, live ones do. */
static void check_stored(const char *routes, const struct jetstream_stream *stream)
{
    struct http_stream *first, *second;

    jetstream_create(js, stream);
    for (int i = 0; i < 10; i++)
        jetstream_publish(js, "st.a", "before");
    start(routes);
    REQUIRE((first = http_open_ready(client, "/st?since=earliest", NULL)) != NULL);
    REQUIRE(http_wait_events(first, 10));
    require_count(0);
    for (size_t n = 1; n <= 5; n++) {
        jetstream_publish(js, "st.a", "news");
        REQUIRE(http_wait_events(first, 10 + n));
    }
    require_count(5);
    REQUIRE((second = http_open_ready(client, "/st?since=earliest", NULL)) != NULL);
    REQUIRE(http_wait_events(second, 15));
    require_count(5);
}

Test(delivery, of_a_stream_by_a_consumer)
{
    check_stored("  - {path: /st, subjects: [\"st.>\"], history: {store: jetstream, stream: S}}\n",
                 &(struct jetstream_stream){.name = "S", .subjects = {"st.>"}});
}

Test(delivery, of_a_stream_that_republishes)
{
    check_stored("  - {path: /st, subjects: [\"st.>\"], history: {store: jetstream, stream: S, live: republish}}\n",
                 &(struct jetstream_stream){
                     .name = "S", .subjects = {"st.>"}, .republish_from = "st.>", .republish_to = "live.st.>"});
}

Test(delivery, heartbeats_and_goodbyes_are_none)
{
    struct http_stream *stream;
    int64_t deadline = deadline_in(10000);

    start("  - {path: /m, subjects: [m], heartbeat: 1s}\n");
    REQUIRE((stream = http_open_ready(client, "/m", NULL)) != NULL);
    publish(rig.publisher, "m", "x");
    REQUIRE(http_wait_events(stream, 1));
    uint64_t len = stream->body_len;
    while (stream->body_len == len && now_ms() < deadline)
        http_pump(client, 50);
    REQUIRE(stream->body_len != len);
    require_count(1);
}

/* Each stream's wait counts, with all of it. */
Test(delivery, a_slow_reader_is_late)
{
    struct h2_raw *h2;
    struct h2_raw_stream *slow;
    struct http_stream *witness;
    int64_t deadline = deadline_in(20000);
    char payload[3001] = "";

    start("  - {path: /m, subjects: [m]}\n");
    h2 = h2_raw_connect(rig.gateway->clear_port, 2000, 0);
    slow = &h2->streams[h2_raw_get(h2, "/m")];
    REQUIRE((witness = http_open_ready(client, "/m", NULL)) != NULL);
    while (slow->log.parser.retry_ms < 0 && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    memset(payload, 'x', sizeof(payload) - 1);
    publish(rig.publisher, "m", payload);
    REQUIRE(http_wait_events(witness, 1));
    require_count(1); /* half of the other one's has no window */
    sleep_ms(1100);
    h2_raw_window(h2, 0, 1 << 20);
    while (slow->log.count < 1 && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    require_count(2);
    REQUIRE(scrape(rig.gateway, "freshet_delivery_seconds_bucket{le=\"1\"}") == 1);
    REQUIRE(scrape(rig.gateway, "freshet_delivery_seconds_sum") >= 1);
    h2_raw_destroy(h2);
}
