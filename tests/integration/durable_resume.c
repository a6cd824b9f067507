/* durable_resume.c - a reader of a JetStream stream resumes at the next event, from any place and on any gateway */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>

TestSuite(durable_resume, .fini = durable_stop, .timeout = 120);

TEST_IN_BOTH_MODES(durable_resume, from_the_ring)
{
    struct http_stream *stream = durable_open(durable.client, "/orders/1");

    durable_publish_seen(stream, 40);
    durable_require_some(stream, 0, 1, 40, 4, 1);
    stream = durable_resume(durable.client, "/orders/1", http_event(stream, 4)->id);
    durable_require_some(stream, 0, 18, 40, 4, 1);
    durable_publish_seen(stream, 40);
    durable_require_some(stream, 0, 18, 80, 4, 1);
}

TEST_IN_BOTH_MODES(durable_resume, from_beyond_the_ring)
{
    struct http_stream *live = durable_open(durable.client, "/small/1"), *stream, *whole;
    char *path;

    durable_publish_seen(live, 1000);
    stream = durable_resume_after(durable.client, "/small/1", 17);
    durable_require_some(stream, 0, 18, 1000, 4, 1);
    whole = durable_resume_after(durable.client, "/small/1", 0);
    durable_require_some(whole, 0, 1, 1000, 4, 1);
    path = text_format("/all?lastEventId=%s%d", durable_incarnation(durable.client), 500);
    stream = durable_open(durable.client, path);
    durable_require_all(stream, 501, 1000);
    durable_publish_seen(stream, 100);
    durable_require_all(stream, 501, 1100);
    durable_require_some(whole, 0, 1, 1100, 4, 1);
    durable_require_some(live, 0, 1, 1100, 4, 1);
    free(path);
}

/* Several of them, so that a fill of the ring serves some of them and readers of their own the others. */
TEST_IN_BOTH_MODES(durable_resume, many_at_once_from_everywhere)
{
    enum { READERS = 60, LAST = 2000 };
    struct http_stream *streams[READERS];
    const char *name;
    size_t i;

    durable_publish_through(LAST);
    name = durable_incarnation(durable.client);
    for (i = 0; i < READERS; i++) {
        char *path = text_format("/all?lastEventId=%s%zu", name, LAST - 1 - i * i / 2);
        streams[i] = http_open(durable.client, path, NULL);
        free(path);
    }
    for (i = 0; i < READERS; i++)
        durable_require_all(streams[i], LAST - i * i / 2, LAST);
    durable_publish_seen(streams[0], 20);
    for (i = 0; i < READERS; i++)
        durable_require_all(streams[i], LAST - i * i / 2, LAST + 20);
}

TEST_IN_BOTH_MODES(durable_resume, after_a_restart_of_the_gateway)
{
    struct http_stream *stream = durable_open(durable.client, "/orders/2"), *small;
    char id[64];

    durable_publish_seen(stream, 40);
    durable_require_some(stream, 0, 1, 40, 4, 2);
    snprintf(id, sizeof(id), "%s", http_event(stream, 6)->id);
    http_client_destroy(durable.client);
    gateway_kill(durable.gateway);
    durable_publish(400);
    gateway_restart(durable.gateway);
    durable.client = http_client_create(durable.gateway, HTTP_H2);
    stream = durable_resume(durable.client, "/orders/2", id);
    small = durable_resume(durable.client, "/small/2", id);
    durable_require_some(stream, 0, 27, 440, 4, 2);
    durable_require_some(small, 0, 27, 440, 4, 2);
    durable_publish_seen(stream, 40);
    durable_require_some(stream, 0, 27, 480, 4, 2);
    durable_require_some(small, 0, 27, 480, 4, 2);
}

TEST_IN_BOTH_MODES(durable_resume, on_another_gateway)
{
    struct gateway *other = durable_start_gateway(nats_fixture_url(durable.nats), 2);
    struct http_client *there = http_client_create(other, HTTP_H2);
    struct http_stream *stream = durable_open(durable.client, "/every"), *twin = durable_open(there, "/every");
    unsigned hop;
    size_t i;

    durable_publish_seen(twin, 100);
    durable_require_all(stream, 1, 100);
    durable_require_all(twin, 1, 100);
    for (i = 0; i < 100; i++)
        REQUIRE_STR(http_event(twin, i)->id, http_event(stream, i)->id);
    for (hop = 1; hop <= 6; hop++) {
        char id[64];
        snprintf(id, sizeof(id), "%s", event_log_last_id(&stream->log));
        http_close(stream);
        durable_publish_seen(twin, hop * 17);
        stream = durable_resume(hop % 2 == 1 ? there : durable.client, "/every", id);
        durable_require_all(stream, durable_sequence(id) + 1, durable.stored);
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

    for (n = after + 1; n <= durable.stored; n++)
        count += is_picked(n);
    REQUIRE(http_wait_events(stream, count), "%zu of %zu events after %zu", stream->log.count, count, (size_t)after);
    for (n = after + 1; n <= durable.stored; n++)
        if (is_picked(n))
            durable_require_number(stream, index++, n);
    REQUIRE(stream->log.count == count, "%zu more", stream->log.count - count);
}

TEST_IN_BOTH_MODES(durable_resume, several_subjects_that_overlap)
{
    static const uint64_t cursors[] = {0, 1, 2, 13, 250, 395, 399, 400};
    static const char path[] = "/pick?subject=orders.1.a&subject=orders.2.*&subject=orders.*.b";
    struct http_stream *live = durable_open(durable.client, path), *streams[8];
    size_t i;

    durable_publish_seen(live, 400);
    for (i = 0; i < 8; i++) {
        streams[i] = durable_resume_after(durable.client, path, cursors[i]);
        require_picked(streams[i], cursors[i]);
    }
    durable_publish_seen(live, 60);
    for (i = 0; i < 8; i++)
        require_picked(streams[i], cursors[i]);
    require_picked(live, 0);
}

TEST_IN_BOTH_MODES(durable_resume, since_earliest)
{
    durable_check_start("/orders/1", "earliest", 1, 4, 1);
    durable_publish_through(300);
    durable_check_start("/orders/1", "earliest", 1, 4, 1);
    durable_check_start("/small/3", "earliest", 1, 4, 3);
    durable_check_start("/all", "earliest", 1, 1, 0);
}

/* Each subject's last message, in the order of their sequences: the last eight numbers. */
TEST_IN_BOTH_MODES(durable_resume, since_last)
{
    durable_publish_through(403);
    durable_check_start("/all", "last", durable.stored - 7, 1, 0);
    durable_publish_through(40);
    durable_check_start("/orders/2", "last", durable.stored - 7, 4, 2);
    durable_check_start("/pick?subject=orders.1.a", "last", durable.stored - 7, 8, 5);
}

TEST_IN_BOTH_MODES(durable_resume, an_empty_stream_and_a_subject_nobody_used)
{
    static const char *const starts[] = {"earliest", "5m", "2001-01-01T00:00:00Z", "last", "now"};
    struct http_stream *streams[5];
    size_t i;

    for (i = 0; i < 5; i++) {
        char *path = text_format("/all?since=%s", starts[i]);
        char *whole = text_format("/all?follow=false&since=%s", starts[i]);
        streams[i] = durable_open(durable.client, path);
        durable_require_response(durable.client, whole, 1, 0, 1, 0);
        free(whole);
        free(path);
    }
    durable_publish_seen(streams[0], 50);
    for (i = 0; i < 5; i++)
        durable_require_all(streams[i], 1, 50);
    for (i = 0; i < 5; i++) {
        char *whole = text_format("/small/nobody?follow=false&since=%s", starts[i]);
        durable_require_response(durable.client, whole, 1, 0, 1, 0);
        free(whole);
    }
}

TEST_IN_BOTH_MODES(durable_resume, follow_false_from_a_cursor)
{
    static const uint64_t cursors[] = {0, 1, 600, 990, 1000};
    enum http_mode mode;
    size_t i;

    durable_publish_through(1000);
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *own = http_client_create(durable.gateway, mode);
        for (i = 0; i < 5; i++) {
            char *path = text_format("/all?follow=false&lastEventId=%s%llu", durable_incarnation(durable.client),
                                     (unsigned long long)cursors[i]);
            durable_require_response(own, path, cursors[i] + 1, 1000, 1, 0);
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

    for (n = after + 1; n <= durable.stored; n++)
        count += (n < 20 || n > 54) && n != 60;
    REQUIRE(http_wait_events(stream, count), "%zu of %zu events", stream->log.count, count);
    for (n = after + 1; n <= durable.stored; n++)
        if ((n < 20 || n > 54) && n != 60)
            durable_require_number(stream, index++, n);
    REQUIRE(stream->log.count == count, "%zu more", stream->log.count - count);
}

TEST_IN_BOTH_MODES(durable_resume, what_was_deleted_inside_the_stream_is_no_gap)
{
    static const uint64_t cursors[] = {10, 19, 30, 54, 59, 60};
    struct http_stream *streams[6];
    size_t i;

    durable_publish_through(60);
    for (i = 20; i <= 60; i++)
        if (i < 55 || i == 60)
            jetstream_delete_message(durable.js, "ORDERS", i);
    for (i = 0; i < 6; i++) {
        streams[i] = durable_resume_after(durable.client, "/all", cursors[i]);
        require_those_left(streams[i], cursors[i]);
    }
    durable_publish_seen(streams[0], 5);
    for (i = 0; i < 6; i++)
        require_those_left(streams[i], cursors[i]);
}
