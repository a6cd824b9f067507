/* slow.c - a reader that does not keep up costs nothing but its own stream */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/* The HTTP/2 default; what a stream takes before it stalls. */
#define WINDOW 65535
#define PAYLOAD 4000

static struct rig rig;
static struct http_client *client;
static struct h2_raw *h2;

static void setup(void)
{
    rig_start(&rig, "defaults:\n"
                    "  history: {events: 16}\n"
                    "routes:\n"
                    "  - {path: /disconnect, subjects: [\"s.>\"]}\n"
                    "  - {path: /skip, subjects: [\"s.>\"], slow: skip}\n"
                    "  - {path: /skip-two, subjects: [\"s.a\", \"s.b\"], slow: skip}\n"
                    "  - {path: /latest, subjects: [\"s.>\"], slow: latest}\n"
                    "  - {path: /latest-large, subjects: [\"s.>\"], slow: latest,\n"
                    "     history: {events: 100000, bytes: 64MiB}}\n"
                    "  - {path: /skip-none, subjects: [\"s.>\"], slow: skip, history: {store: none, events: 16}}\n");
    client = http_client_create(rig.gateway, HTTP_H2);
    h2 = h2_raw_connect(rig.gateway->clear_port, WINDOW, 0);
}

static void teardown(void)
{
    h2_raw_destroy(h2);
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(slow, .init = setup, .fini = teardown, .timeout = 120);

/* "NUMBER …" padded to size */
static void publish_number(const char *subject, size_t number, size_t size)
{
    char payload[PAYLOAD];
    int n = snprintf(payload, sizeof(payload), "%zu ", number);

    memset(payload + n, 'x', sizeof(payload) - (size_t)n);
    publish_bytes(rig.publisher, subject, payload, size);
}

static size_t number(const struct h2_raw_stream *stream, size_t i)
{
    return i < stream->log.count ? strtoul(stream->log.events[i].data, NULL, 10) : 0;
}

static struct h2_raw_stream *open_stalled(const char *path)
{
    struct h2_raw_stream *stream = &h2->streams[h2_raw_get(h2, path)];
    int64_t deadline = deadline_in(10000);

    while (stream->log.parser.retry_ms < 0 && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(stream->is_200 && stream->log.parser.retry_ms >= 0, "%s", path);
    return stream;
}

/* A reader that keeps up shows that all has gone through the gateway. */
static struct http_stream *open_witness(const char *path)
{
    struct http_stream *stream = http_open_ready(client, path, NULL);

    REQUIRE(stream != NULL);
    return stream;
}

/* Publishes numbers round robin over the subjects until well after the stalled stream has no window left. */
static size_t flood(struct http_stream *witness, const char *const *subjects, size_t count, size_t messages)
{
    size_t i;

    for (i = 1; i <= messages; i++) {
        publish_number(subjects[i % count], i, PAYLOAD);
        /* in steps, so that the witness on its small history never falls behind */
        if (i % 8 == 0)
            REQUIRE(http_wait_events(witness, i), "the witness has %zu of %zu: %.300s", witness->log.count, i,
                    witness->body);
    }
    REQUIRE(http_wait_events(witness, messages));
    return messages;
}

/* Opens the window for good and reads until the last number or the end. */
static void unstall(struct h2_raw_stream *stream, size_t last)
{
    int64_t deadline = deadline_in(10000);

    h2_raw_pump(h2, 0);
    REQUIRE(stream->body_len == WINDOW, "it is stalled at its window: %zu", (size_t)stream->body_len);
    h2_raw_window(h2, (unsigned)(stream - h2->streams), 1 << 30);
    while (!stream->ended && !stream->reset && now_ms() < deadline &&
           (stream->log.count == 0 || number(stream, stream->log.count - 1) != last))
        REQUIRE(h2_raw_pump(h2, 50), "the connection lives");
}

/* Reads what the gateway still writes into the window. */
static void settle(struct h2_raw_stream *stream)
{
    int64_t deadline = deadline_in(10000);

    while (stream->body_len < WINDOW && now_ms() < deadline)
        h2_raw_pump(h2, 50);
}

static const char *const one_subject[] = {"s.a"};
static const char *const three_subjects[] = {"s.a", "s.b", "s.c"};

Test(slow, disconnect_says_so_and_ends_the_stream)
{
    struct http_stream *witness = open_witness("/disconnect");
    struct h2_raw_stream *stalled = open_stalled("/disconnect");
    size_t last = flood(witness, one_subject, 1, 200), i;
    const struct event *bye;
    char *path;

    settle(stalled);
    unstall(stalled, last);
    REQUIRE(stalled->ended, "the stream ends in order, %zu events", stalled->log.count);
    REQUIRE(stalled->log.count > 1);
    bye = &stalled->log.events[stalled->log.count - 1];
    REQUIRE_STR(bye->name, "freshet.bye");
    REQUIRE_STR(json_field(bye->data, "reason"), "slow");
    for (i = 0; i + 1 < stalled->log.count; i++)
        REQUIRE(number(stalled, i) == i + 1, "what it got is whole: event %zu is %zu", i, number(stalled, i));
    REQUIRE(!witness->ended && !h2->closed, "no other stream suffers");
    /* it reconnects, and a gap says what it missed */
    path = text_format("/disconnect?lastEventId=%s", bye->id);
    struct http_stream *again = http_open_ready(client, path, NULL);
    REQUIRE(again != NULL && http_wait_events(again, 2));
    REQUIRE_STR(json_field(http_event(again, 0)->data, "reason"), "evicted");
    free(path);
}

static void check_skip(const char *path, const char *const *subjects, size_t count, bool has_ids)
{
    struct http_stream *witness = open_witness(path);
    struct h2_raw_stream *stalled = open_stalled(path);
    size_t last = flood(witness, subjects, count, 200), i, gap = 0;
    const char *next;

    settle(stalled);
    unstall(stalled, last);
    REQUIRE(!stalled->ended && number(stalled, stalled->log.count - 1) == last, "it catches up");
    REQUIRE(event_log_count(&stalled->log, "freshet.gap") == 1, "with one gap");
    while (strcmp(stalled->log.events[gap].name, "freshet.gap") != 0)
        gap++;
    REQUIRE(gap > 0 && gap + 1 < stalled->log.count);
    REQUIRE_STR(json_field(stalled->log.events[gap].data, "reason"), "slow");
    for (i = 0; i < gap; i++)
        REQUIRE(number(stalled, i) == i + 1, "whole before the gap");
    for (i = gap + 2; i < stalled->log.count; i++)
        REQUIRE(number(stalled, i) == number(stalled, i - 1) + 1, "whole after it");
    REQUIRE(number(stalled, gap + 1) > number(stalled, gap - 1) + 1, "and it is a gap indeed");
    next = json_field(stalled->log.events[gap].data, "next");
    if (has_ids) {
        REQUIRE_STR(next, stalled->log.events[gap + 1].id);
        REQUIRE_STR(json_field(stalled->log.events[gap].data, "last"), stalled->log.events[gap - 1].id);
    } else {
        REQUIRE_STR(next, "null");
    }
    publish_number("s.a", last + 1, 100);
    int64_t deadline = deadline_in(10000);
    while (number(stalled, stalled->log.count - 1) != last + 1 && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(number(stalled, stalled->log.count - 1) == last + 1, "and is live again");
}

Test(slow, skip_tells_the_gap_and_goes_on)
{
    check_skip("/skip", one_subject, 1, true);
}

Test(slow, skip_on_several_subjects_tells_one_gap)
{
    check_skip("/skip-two", (const char *const[]){"s.a", "s.b"}, 2, true);
}

Test(slow, skip_without_a_store)
{
    check_skip("/skip-none", one_subject, 1, false);
}

/* Numbers ascend, at most one gap stands for what went, and each subject's last state arrives. */
Test(slow, latest_brings_the_last_state_of_each_subject)
{
    struct http_stream *witness = open_witness("/latest");
    struct h2_raw_stream *stalled = open_stalled("/latest");
    size_t last = flood(witness, three_subjects, 3, 300), i, previous = 0;

    settle(stalled);
    unstall(stalled, last);
    REQUIRE(!stalled->ended && number(stalled, stalled->log.count - 1) == last, "it catches up");
    REQUIRE(event_log_count(&stalled->log, "freshet.gap") <= 1);
    for (i = 0; i < stalled->log.count; i++) {
        if (strcmp(stalled->log.events[i].name, "freshet.gap") == 0)
            continue;
        REQUIRE(number(stalled, i) > previous, "in order");
        previous = number(stalled, i);
    }
    for (i = 0; i < 3; i++)
        REQUIRE(number(stalled, stalled->log.count - 1 - i) == last - i, "the last state of each subject");
    /* what its window took before it stalled, what was on its way to it, the gap, and one state of each subject */
    REQUIRE(stalled->log.count <= WINDOW / PAYLOAD + 16 + 1 + 3, "%zu events", stalled->log.count);
}

/* Behind, but still inside its history: nothing needs to be left out. */
Test(slow, latest_is_whole_inside_the_history)
{
    struct http_stream *witness = open_witness("/latest-large");
    struct h2_raw_stream *stalled = open_stalled("/latest-large");
    size_t last = flood(witness, three_subjects, 3, 500), i;

    settle(stalled);
    unstall(stalled, last);
    for (i = 0; i < last; i++)
        REQUIRE(number(stalled, i) == i + 1, "event %zu is %s: %.100s", i, stalled->log.events[i].name,
                stalled->log.events[i].data);
    REQUIRE(stalled->log.count == last, "%zu events", stalled->log.count);
}

Test(slow, memory_stays_what_it_is)
{
    struct http_stream *witness = open_witness("/skip");
    size_t before, after, i;

    for (i = 0; i < 20; i++)
        open_stalled("/skip");
    flood(witness, one_subject, 1, 100);
    for (i = 0; i < 20; i++)
        settle(&h2->streams[i]);
    before = gateway_rss_bytes(rig.gateway);
    for (i = 0; i < 12000; i++) {
        publish_number("s.a", i, PAYLOAD);
        if (i % 8 == 0)
            publisher_flush(rig.publisher), http_pump(client, 0);
    }
    publisher_flush(rig.publisher);
    publish(rig.publisher, "s.a", "end");
    int64_t deadline = deadline_in(20000);
    while (strcmp(http_event(witness, witness->log.count - 1)->data, "end") != 0 && now_ms() < deadline)
        http_pump(client, 50);
    REQUIRE_STR(http_event(witness, witness->log.count - 1)->data, "end");
    after = gateway_rss_bytes(rig.gateway);
    REQUIRE(after < before + (16u << 20) || is_sanitizer_run(), "48 MB past 20 stalled readers cost %zu KB",
            (after - before) / 1024);
}
