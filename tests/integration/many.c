/* many.c - a hundred streams on one connection, and many connections on two workers */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(many, 60, 2,
          "routes:\n"
          "  - {path: \"/m/{id}\", subjects: [\"m.{id}\"]}\n"
          "  - {path: /all, subjects: [\"m.>\"]}\n");

Test(many, a_hundred_streams_on_one_connection_get_their_own_events)
{
    enum { STREAMS = 100, MESSAGES = 20 };
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *streams[STREAMS];
    long connections = 0;
    size_t i, k;

    for (i = 0; i < STREAMS; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/m/%zu", i);
        streams[i] = http_open(client, path, NULL);
    }
    for (i = 0; i < STREAMS; i++) {
        REQUIRE(http_wait_first_block(streams[i]), "stream %zu", i);
        connections += http_connects(streams[i]);
    }
    REQUIRE(connections == 1, "%ld connections", connections);
    for (k = 0; k < MESSAGES; k++) {
        for (i = 0; i < STREAMS; i++) {
            char subject[16];
            snprintf(subject, sizeof(subject), "m.%zu", i * 37 % STREAMS);
            publish_format(rig.publisher, subject, "%zu:%zu", i * 37 % STREAMS, k);
        }
    }
    for (i = 0; i < STREAMS; i++) {
        REQUIRE(http_wait_events(streams[i], MESSAGES), "stream %zu has %zu", i, streams[i]->log.count);
        for (k = 0; k < MESSAGES; k++) {
            char expected[32];
            snprintf(expected, sizeof(expected), "%zu:%zu", i, k);
            REQUIRE_STR(http_event(streams[i], k)->data, expected);
        }
    }
    http_pump_for(client, 50);
    for (i = 0; i < STREAMS; i++)
        REQUIRE(streams[i]->log.count == MESSAGES && !streams[i]->ended, "stream %zu", i);
    http_client_destroy(client);
}

Test(many, the_hundred_and_first_is_refused_and_the_others_live)
{
    struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    int64_t deadline = deadline_in(10000);
    unsigned i, opened = 0;

    for (i = 0; i < 101; i++)
        h2_raw_get(h2, "/all");
    while ((opened < 100 || !h2->streams[100].reset) && now_ms() < deadline && h2_raw_pump(h2, 50))
        for (i = 0, opened = 0; i < 100; i++)
            opened += h2->streams[i].is_200 && h2->streams[i].log.parser.retry_ms >= 0;
    REQUIRE(opened == 100, "%u are open", opened);
    REQUIRE(h2->streams[100].reset && h2->streams[100].error == 7, "REFUSED_STREAM, not %u", h2->streams[100].error);
    publish(rig.publisher, "m.x", "x");
    for (i = 0; i < 100; i++) {
        while (h2->streams[i].log.count == 0 && now_ms() < deadline)
            h2_raw_pump(h2, 50);
        REQUIRE(h2->streams[i].log.count == 1, "stream %u", i);
    }
    h2_raw_reset(h2, 50);
    i = h2_raw_get(h2, "/all"); /* a place is free again */
    while (h2->streams[i].log.parser.retry_ms < 0 && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(h2->streams[i].is_200);
    h2_raw_destroy(h2);
}

Test(many, one_message_reaches_a_hundred_streams)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *streams[100];
    size_t i, k;

    for (i = 0; i < 100; i++)
        REQUIRE((streams[i] = http_open_ready(client, "/all", NULL)) != NULL);
    for (k = 0; k < 200; k++)
        publish_format(rig.publisher, "m.a", "%zu", k);
    for (i = 0; i < 100; i++) {
        REQUIRE(http_wait_events(streams[i], 200), "stream %zu has %zu", i, streams[i]->log.count);
        for (k = 0; k < 200; k++)
            REQUIRE(strtoul(http_event(streams[i], k)->data, NULL, 10) == k);
    }
    http_client_destroy(client);
}

Test(many, forty_connections_on_two_workers)
{
    enum { CONNECTIONS = 40, MESSAGES = 100 };
    struct http_client *clients[CONNECTIONS];
    struct http_stream *own[CONNECTIONS], *all[CONNECTIONS];
    size_t i, k;

    for (i = 0; i < CONNECTIONS; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/m/%zu", i % 5);
        clients[i] = http_client_create(rig.gateway, (enum http_mode)(i % 4));
        REQUIRE((own[i] = http_open_ready(clients[i], path, NULL)) != NULL);
        REQUIRE((all[i] = http_open_ready(clients[i], "/all", NULL)) != NULL);
    }
    for (k = 0; k < MESSAGES; k++) {
        char subject[16];
        snprintf(subject, sizeof(subject), "m.%zu", k % 5);
        publish_format(rig.publisher, subject, "%zu", k);
    }
    for (i = 0; i < CONNECTIONS; i++) {
        REQUIRE(http_wait_events(own[i], MESSAGES / 5), "connection %zu", i);
        REQUIRE(http_wait_events(all[i], MESSAGES), "connection %zu", i);
        for (k = 0; k < MESSAGES / 5; k++)
            REQUIRE(strtoul(http_event(own[i], k)->data, NULL, 10) == k * 5 + i % 5);
        for (k = 0; k < MESSAGES; k++)
            REQUIRE(strtoul(http_event(all[i], k)->data, NULL, 10) == k);
        /* workers share one history: an event has one id wherever it is read */
        REQUIRE_STR(http_event(all[i], MESSAGES - 1)->id, http_event(all[0], MESSAGES - 1)->id);
    }
    for (i = 0; i < CONNECTIONS; i++)
        http_client_destroy(clients[i]);
}
