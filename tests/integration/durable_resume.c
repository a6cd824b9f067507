/* durable_resume.c - on a JetStream stream a reader goes on at the next event, from anywhere, on any gateway */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/durable_rig.h"

#include <stdio.h>

TestSuite(durable_resume, .fini = teardown, .timeout = 120);

TEST_IN_BOTH_MODES(durable_resume, from_the_ring)
{
    struct http_stream *stream = open_at(client, "/orders/1");

    publish_seen(stream, 40);
    require_some(stream, 0, 1, 40, 4, 1);
    stream = resume_at(client, "/orders/1", http_event(stream, 4)->id);
    require_some(stream, 0, 18, 40, 4, 1);
    publish_seen(stream, 40);
    require_some(stream, 0, 18, 80, 4, 1);
}

TEST_IN_BOTH_MODES(durable_resume, from_beyond_the_ring)
{
    struct http_stream *live = open_at(client, "/small/1"), *stream, *whole;
    char *path;

    publish_seen(live, 1000);
    stream = resume_after(client, "/small/1", 17);
    require_some(stream, 0, 18, 1000, 4, 1);
    whole = resume_after(client, "/small/1", 0);
    require_some(whole, 0, 1, 1000, 4, 1);
    path = text_format("/all?lastEventId=%s%d", incarnation(client), 500);
    stream = open_at(client, path);
    require_all(stream, 501, 1000);
    publish_seen(stream, 100);
    require_all(stream, 501, 1100);
    require_some(whole, 0, 1, 1100, 4, 1);
    require_some(live, 0, 1, 1100, 4, 1);
    free(path);
}

/* Several of them, so that a fill of the ring serves some of them and readers of their own the others. */
TEST_IN_BOTH_MODES(durable_resume, many_at_once_from_everywhere)
{
    enum { READERS = 60, LAST = 2000 };
    struct http_stream *streams[READERS];
    const char *name;
    size_t i;

    publish_through(LAST);
    name = incarnation(client);
    for (i = 0; i < READERS; i++) {
        char *path = text_format("/all?lastEventId=%s%zu", name, LAST - 1 - i * i / 2);
        streams[i] = http_open(client, path, NULL);
        free(path);
    }
    for (i = 0; i < READERS; i++)
        require_all(streams[i], LAST - i * i / 2, LAST);
    publish_seen(streams[0], 20);
    for (i = 0; i < READERS; i++)
        require_all(streams[i], LAST - i * i / 2, LAST + 20);
}

TEST_IN_BOTH_MODES(durable_resume, after_a_restart_of_the_gateway)
{
    struct http_stream *stream = open_at(client, "/orders/2"), *small;
    char id[64];

    publish_seen(stream, 40);
    require_some(stream, 0, 1, 40, 4, 2);
    snprintf(id, sizeof(id), "%s", http_event(stream, 6)->id);
    http_client_destroy(client);
    gateway_kill(gateway);
    publish_next(400);
    gateway_restart(gateway);
    client = http_client_create(gateway, HTTP_H2);
    stream = resume_at(client, "/orders/2", id);
    small = resume_at(client, "/small/2", id);
    require_some(stream, 0, 27, 440, 4, 2);
    require_some(small, 0, 27, 440, 4, 2);
    publish_seen(stream, 40);
    require_some(stream, 0, 27, 480, 4, 2);
    require_some(small, 0, 27, 480, 4, 2);
}

TEST_IN_BOTH_MODES(durable_resume, on_another_gateway)
{
    struct gateway *other = start_gateway(nats_fixture_url(nats), 2);
    struct http_client *there = http_client_create(other, HTTP_H2);
    struct http_stream *stream = open_at(client, "/every"), *twin = open_at(there, "/every");
    unsigned hop;
    size_t i;

    publish_seen(twin, 100);
    require_all(stream, 1, 100);
    require_all(twin, 1, 100);
    for (i = 0; i < 100; i++)
        REQUIRE_STR(http_event(twin, i)->id, http_event(stream, i)->id);
    for (hop = 1; hop <= 6; hop++) {
        char id[64];
        snprintf(id, sizeof(id), "%s", event_log_last_id(&stream->log));
        http_close(stream);
        publish_seen(twin, hop * 17);
        stream = resume_at(hop % 2 == 1 ? there : client, "/every", id);
        require_all(stream, sequence_of(id) + 1, stored);
    }
    http_client_destroy(there);
    gateway_destroy(other);
}

/* orders.1.a: n % 8 = 5; orders.2.*: n % 4 = 2; orders.*.b: n % 8 < 4 */
static bool is_picked(uint64_t n)
{
    return n % 8 == 5 || n % 4 == 2 || n % 8 < 4;
}

static void require_picked(struct http_stream *stream, uint64_t after)
{
    size_t index = 0, count = 0;
    uint64_t n;

    for (n = after + 1; n <= stored; n++)
        count += is_picked(n);
    REQUIRE(http_wait_events(stream, count), "%zu of %zu events after %zu", stream->log.count, count, (size_t)after);
    for (n = after + 1; n <= stored; n++)
        if (is_picked(n))
            require_number(stream, index++, n);
    REQUIRE(stream->log.count == count, "%zu more", stream->log.count - count);
}

TEST_IN_BOTH_MODES(durable_resume, several_subjects_that_overlap)
{
    static const uint64_t cursors[] = {0, 1, 2, 13, 250, 395, 399, 400};
    static const char path[] = "/pick?subject=orders.1.a&subject=orders.2.*&subject=orders.*.b";
    struct http_stream *live = open_at(client, path), *streams[8];
    size_t i;

    publish_seen(live, 400);
    for (i = 0; i < 8; i++) {
        streams[i] = resume_after(client, path, cursors[i]);
        require_picked(streams[i], cursors[i]);
    }
    publish_seen(live, 60);
    for (i = 0; i < 8; i++)
        require_picked(streams[i], cursors[i]);
    require_picked(live, 0);
}

TEST_IN_BOTH_MODES(durable_resume, since_earliest)
{
    check_start("/orders/1", "earliest", 1, 4, 1);
    publish_through(300);
    check_start("/orders/1", "earliest", 1, 4, 1);
    check_start("/small/3", "earliest", 1, 4, 3);
    check_start("/all", "earliest", 1, 1, 0);
}

/* Each subject's last message, in the order of their sequences: the last eight numbers. */
TEST_IN_BOTH_MODES(durable_resume, since_last)
{
    publish_through(403);
    check_start("/all", "last", stored - 7, 1, 0);
    publish_through(40);
    check_start("/orders/2", "last", stored - 7, 4, 2);
    check_start("/pick?subject=orders.1.a", "last", stored - 7, 8, 5);
}

TEST_IN_BOTH_MODES(durable_resume, an_empty_stream_and_a_subject_nobody_used)
{
    static const char *const starts[] = {"earliest", "5m", "2001-01-01T00:00:00Z", "last", "now"};
    struct http_stream *streams[5];
    size_t i;

    for (i = 0; i < 5; i++) {
        char *path = text_format("/all?since=%s", starts[i]);
        char *whole = text_format("/all?follow=false&since=%s", starts[i]);
        streams[i] = open_at(client, path);
        require_whole_response(client, whole, 1, 0, 1, 0);
        free(whole);
        free(path);
    }
    publish_seen(streams[0], 50);
    for (i = 0; i < 5; i++)
        require_all(streams[i], 1, 50);
    for (i = 0; i < 5; i++) {
        char *whole = text_format("/small/nobody?follow=false&since=%s", starts[i]);
        require_whole_response(client, whole, 1, 0, 1, 0);
        free(whole);
    }
}

TEST_IN_BOTH_MODES(durable_resume, follow_false_from_a_cursor)
{
    static const uint64_t cursors[] = {0, 1, 600, 990, 1000};
    enum http_mode mode;
    size_t i;

    publish_through(1000);
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *own = http_client_create(gateway, mode);
        for (i = 0; i < 5; i++) {
            char *path = text_format("/all?follow=false&lastEventId=%s%llu", incarnation(client),
                                     (unsigned long long)cursors[i]);
            require_whole_response(own, path, cursors[i] + 1, 1000, 1, 0);
            free(path);
        }
        http_client_destroy(own);
    }
}

/* The numbers after the first that are still there: 20 … 54 and 60 are not. */
static void require_those_left(struct http_stream *stream, uint64_t after)
{
    size_t index = 0, count = 0;
    uint64_t n;

    for (n = after + 1; n <= stored; n++)
        count += (n < 20 || n > 54) && n != 60;
    REQUIRE(http_wait_events(stream, count), "%zu of %zu events", stream->log.count, count);
    for (n = after + 1; n <= stored; n++)
        if ((n < 20 || n > 54) && n != 60)
            require_number(stream, index++, n);
    REQUIRE(stream->log.count == count, "%zu more", stream->log.count - count);
}

TEST_IN_BOTH_MODES(durable_resume, what_was_deleted_inside_the_stream_is_no_gap)
{
    static const uint64_t cursors[] = {10, 19, 30, 54, 59, 60};
    struct http_stream *streams[6];
    size_t i;

    publish_through(60);
    for (i = 20; i <= 60; i++)
        if (i < 55 || i == 60)
            jetstream_delete_message(js, "ORDERS", i);
    for (i = 0; i < 6; i++) {
        streams[i] = resume_after(client, "/all", cursors[i]);
        require_those_left(streams[i], cursors[i]);
    }
    publish_seen(streams[0], 5);
    for (i = 0; i < 6; i++)
        require_those_left(streams[i], cursors[i]);
}
