/* since.c - where a stream without a cursor starts, and follow=false, which ends after the history */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(since, 60, 1,
          "routes:\n"
          "  - {path: /s, subjects: [\"s\"]}\n"
          "  - {path: /untouched, subjects: [\"u\"]}\n");

static struct http_stream *keep_history(void)
{
    struct http_stream *stream = http_open_ready(rig.client, "/s", NULL);

    REQUIRE(stream != NULL);
    return stream;
}

/* Publishes and waits until the history has it. */
static void add(struct http_stream *reader, const char *text)
{
    size_t count = reader->log.count;

    publish(rig.publisher, "s", text);
    REQUIRE(http_wait_events(reader, count + 1));
}

/* The events a new stream gets of the history, joined by blanks, and then those to come. */
static void require_events(struct http_stream *reader, const char *query, const char *expected)
{
    static unsigned turn;
    char *path = text_format("/s%s", query), *end = text_format("end%u", ++turn);
    struct http_stream *stream = http_open_ready(rig.client, path, NULL);
    char got[256] = "";
    size_t i, len = 0;

    REQUIRE(stream != NULL, "%s", path);
    add(reader, end);
    for (i = 0; http_wait_events(stream, i + 1) && strcmp(http_event(stream, i)->data, end) != 0; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", i == 0 ? "" : " ", http_event(stream, i)->data);
    REQUIRE_STR(http_event(stream, i)->data, end);
    REQUIRE_STR(got, expected);
    http_close(stream);
    free(path);
    free(end);
}

Test(since, now_is_the_default)
{
    struct http_stream *reader = keep_history();

    add(reader, "old");
    require_events(reader, "", "");
    require_events(reader, "?since=now", "");
}

Test(since, earliest_is_all_there_is)
{
    struct http_stream *reader = keep_history();

    add(reader, "a");
    add(reader, "b");
    require_events(reader, "?since=earliest", "a b");
}

Test(since, a_duration_reaches_so_far_back)
{
    struct http_stream *reader = keep_history();
    int64_t a_arrived;

    add(reader, "a");
    a_arrived = now_ms();
    add(reader, "b");
    require_events(reader, "?since=5m", "a b");
    /* the age of an event is what is tested, so time itself is the condition */
    while (now_ms() < a_arrived + 1100)
        http_pump(rig.client, 20);
    require_events(reader, "?since=1s", "");
    require_events(reader, "?since=1h", "a b end1 end2");
}

Test(since, a_time_is_a_place_in_the_history)
{
    struct http_stream *reader = keep_history();
    struct timespec ts;
    struct tm tm;
    char query[96], utc[32];

    add(reader, "before");
    sleep_ms(20);
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%S", &tm);
    sleep_ms(20);
    add(reader, "after");
    snprintf(query, sizeof(query), "?since=%s.%03ldZ", utc, ts.tv_nsec / 1000000);
    require_events(reader, query, "after");
    snprintf(query, sizeof(query), "?since=%s.%03ld%%2B00:00", utc, ts.tv_nsec / 1000000);
    require_events(reader, query, "after end1");
    require_events(reader, "?since=2001-01-01T00:00:00Z", "before after end1 end2");
}

static void check_follow_false(enum http_mode mode)
{
    struct http_client *own = http_client_create(rig.gateway, mode);
    struct http_stream *response = http_request(own, "GET", "/s?since=earliest&follow=false", NULL, NULL);
    char *path;

    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 200, "%s", http_mode_names[mode]);
    REQUIRE(response->log.count == 3, "%zu", response->log.count);
    REQUIRE_STR(http_event(response, 0)->data, "a");
    REQUIRE_STR(http_event(response, 2)->data, "c");
    path = text_format("/s?follow=false&lastEventId=%s", http_event(response, 0)->id);
    response = http_request(own, "GET", path, NULL, NULL);
    REQUIRE(response->ended && response->result == CURLE_OK && response->log.count == 2, "%s %s: %zu, %s",
            http_mode_names[mode], path, response->log.count, curl_easy_strerror(response->result));
    response = http_request(own, "GET", "/s?follow=false", NULL, NULL);
    REQUIRE(response->ended && response->result == CURLE_OK && response->log.count == 0, "%zu", response->log.count);
    response = http_request(own, "GET", "/untouched?follow=false&since=earliest", NULL, NULL);
    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 200 && response->log.count == 0);
    free(path);
    http_client_destroy(own);
}

Test(since, follow_false_ends_after_the_history)
{
    struct http_stream *reader = keep_history(), *stream;
    enum http_mode mode;

    add(reader, "a");
    add(reader, "b");
    add(reader, "c");
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++)
        check_follow_false(mode);
    stream = http_open_ready(rig.client, "/s?follow=true&since=earliest", NULL);
    REQUIRE(stream != NULL);
    REQUIRE(http_wait_events(stream, 3));
    add(reader, "live");
    REQUIRE(http_wait_events(stream, 4) && !stream->ended);
}

/* More than one write can take: the end comes after the last event, not after the first batch. */
Test(since, follow_false_replays_a_large_history_whole)
{
    struct http_stream *reader = keep_history(), *response;
    char payload[2001];
    size_t i;

    memset(payload, 'x', sizeof(payload) - 1);
    payload[sizeof(payload) - 1] = '\0';
    for (i = 0; i < 1000; i++) {
        int n = snprintf(payload, sizeof(payload), "%zu", i);
        payload[n] = ' ';
        publish(rig.publisher, "s", payload);
    }
    REQUIRE(http_wait_events(reader, 1000));
    response = http_request(rig.client, "GET", "/s?since=earliest&follow=false", NULL, NULL);
    REQUIRE(response->ended && response->result == CURLE_OK);
    REQUIRE(response->log.count == 1000, "%zu", response->log.count);
    for (i = 0; i < 1000; i++)
        REQUIRE(strtoul(http_event(response, i)->data, NULL, 10) == i, "event %zu: %s", i,
                http_event(response, i)->data);
}
