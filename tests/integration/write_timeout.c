/* write_timeout.c - a connection that reads nothing is shut down, one that has nothing to read is not */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

RIG_SUITE(write_timeout, 60, 1,
          "admin: {address: \"127.0.0.1:0\"}\n"
          "limits: {write_timeout: 1s}\n"
          "defaults:\n"
          "  history: {events: 16}\n"
          "  slow: skip\n"
          "  heartbeat: 1s\n"
          "routes:\n"
          "  - {path: /w, subjects: [\"w\"]}\n"
          "  - {path: /idle, subjects: [\"idle\"], heartbeat: 1h}\n");

static unsigned baseline;

static struct http_stream *open_witness(void)
{
    struct http_stream *witness = http_open_ready(rig.client, "/w", NULL);

    REQUIRE(witness != NULL);
    baseline = gateway_fd_count_at_rest(rig.gateway);
    return witness;
}

/* Publishes until the gateway has let go of all but the witness. */
static void require_shut_down(struct http_stream *witness)
{
    static char payload[60000];
    int64_t deadline = deadline_in(20000);

    memset(payload, 'x', sizeof(payload));
    while (gateway_fd_count(rig.gateway) > baseline) {
        REQUIRE(now_ms() < deadline, "%u descriptors, %u before", gateway_fd_count(rig.gateway), baseline);
        publish_bytes(rig.publisher, "w", payload, sizeof(payload));
        http_pump(rig.client, 10);
    }
    publish(rig.publisher, "w", "end");
    while (strcmp(http_event(witness, witness->log.count - 1)->data, "end") != 0 && now_ms() < deadline)
        http_pump(rig.client, 50);
    REQUIRE_STR(http_event(witness, witness->log.count - 1)->data, "end");
    REQUIRE(!witness->ended);
    REQUIRE(scrape(rig.gateway, "freshet_streams_closed_total{reason=\"timeout\"}") == 1);
}

static void await_descriptors(unsigned count)
{
    int64_t deadline = deadline_in(10000);

    while (gateway_fd_count(rig.gateway) < count) {
        REQUIRE(now_ms() < deadline);
        http_pump(rig.client, 10);
    }
}

static void check_unread_client(enum http_mode mode)
{
    struct http_stream *witness = open_witness();
    struct http_client *unread = http_client_create(rig.gateway, mode);

    unread->receive_buffer = 8192;
    REQUIRE(http_open_ready(unread, "/w", NULL) != NULL);
    await_descriptors(baseline + 1);
    require_shut_down(witness); /* `unread` is not pumped */
    http_client_destroy(unread);
}

Test(write_timeout, an_h2_connection_that_is_not_read)
{
    check_unread_client(HTTP_H2);
}

Test(write_timeout, an_http1_connection_that_is_not_read)
{
    check_unread_client(HTTP_H1C);
}

Test(write_timeout, an_http1_tls_connection_that_is_not_read)
{
    check_unread_client(HTTP_H1);
}

/* The peer reads its connection, but gives its only stream no window: no byte of the body gets through. */
Test(write_timeout, a_stream_without_window)
{
    struct http_stream *witness = open_witness();
    struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 1000, 0);
    unsigned stream = h2_raw_get(h2, "/w");
    int64_t deadline = deadline_in(10000);

    while (!h2->streams[stream].has_headers && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(h2->streams[stream].is_200);
    require_shut_down(witness);
    while (h2_raw_pump(h2, 50) && now_ms() < deadline)
        ;
    REQUIRE(h2->closed);
    h2_raw_destroy(h2);
}

Test(write_timeout, silence_is_no_stall)
{
    enum http_mode mode;
    struct http_client *clients[4];
    struct http_stream *streams[4];

    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        clients[mode] = http_client_create(rig.gateway, mode);
        streams[mode] = http_open_ready(clients[mode], "/idle", NULL);
        REQUIRE(streams[mode] != NULL);
    }
    sleep_ms(2500); /* well over the limit, and nothing to be sent */
    publish(rig.publisher, "idle", "still here");
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        REQUIRE(http_wait_events(streams[mode], 1), "%s", http_mode_names[mode]);
        REQUIRE_STR(http_event(streams[mode], 0)->data, "still here");
        http_client_destroy(clients[mode]);
    }
}
