/* durable_slow.c - a reader that stops in the middle of a long replay holds nothing but its place in it */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>

#include "tests/support/h2_raw.h"

#define WINDOW 65535
/* More than everything a connection may have under way, and a part of the replay (400,000 events: 28 MB). */
#define GROWTH_MAX ((size_t)12 << 20)

static uint64_t total;

static void setup(void)
{
    total = is_sanitizer_run() ? 100000 : 400000;
}

TestSuite(durable_slow, .init = setup, .fini = durable_stop, .timeout = 170);

struct replay {
    uint64_t seen;
    char fault[256];
};

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct replay *replay = arg;

    if (replay->fault[0] == '\0' &&
        (strcmp(event->name, "message") != 0 || strtoull(event->data, NULL, 10) != replay->seen + 1 ||
         durable_sequence(event->id) != replay->seen + 1))
        snprintf(replay->fault, sizeof(replay->fault), "%s %s with id %s after %llu", event->name, event->data,
                 event->id, (unsigned long long)replay->seen);
    replay->seen++;
}

/* Reads until that many have come; returns the gateway's largest size meanwhile. */
static size_t read_until(struct http_stream *stream, struct replay *replay, uint64_t number)
{
    int64_t deadline = deadline_in(60000);
    size_t largest = 0;

    while (replay->seen < number) {
        size_t size = gateway_rss_bytes(durable.gateway);
        largest = size > largest ? size : largest;
        http_pump(stream->client, 50);
        REQUIRE(replay->fault[0] == '\0', "%s", replay->fault);
        REQUIRE(!stream->ended, "ended at %zu: %d %s", (size_t)replay->seen, stream->status,
                curl_easy_strerror(stream->result));
        REQUIRE(now_ms() < deadline, "%zu of %zu events", (size_t)replay->seen, (size_t)number);
    }
    return largest;
}

/* Reads nothing for that long; returns the gateway's largest size meanwhile. */
static size_t stand_still(int64_t ms)
{
    int64_t until = now_ms() + ms;
    size_t largest = 0;

    while (now_ms() < until) {
        size_t size = gateway_rss_bytes(durable.gateway);
        largest = size > largest ? size : largest;
        sleep_ms(20);
    }
    return largest;
}

static void require_bounded(const char *when, size_t before, size_t largest)
{
    fprintf(stderr, "%s: %zu KiB, %zu KiB before\n", when, largest / 1024, before / 1024);
    REQUIRE(largest < before + GROWTH_MAX || is_sanitizer_run(), "%s: %zu KiB, %zu KiB before", when, largest / 1024,
            before / 1024);
}

static void check_stopped(void)
{
    struct replay replay = {0};
    struct http_stream *stream, *witness;
    size_t before, largest;

    durable_publish_through((unsigned)total);
    witness = durable_open(durable.client, "/small/1");
    before = gateway_rss_bytes(durable.gateway);
    struct http_client *own = http_client_create(durable.gateway, HTTP_H2);
    own->receive_buffer = 65536;
    own->on_event = on_event;
    own->on_event_arg = &replay;
    stream = http_open(own, "/all?since=earliest", NULL);
    largest = read_until(stream, &replay, total / 10);
    require_bounded("reading", before, largest);
    require_bounded("while it reads nothing", before, stand_still(3000));
    durable_publish_seen(witness, 1000); /* live events keep coming */
    REQUIRE(witness->log.count == 250);
    require_bounded("and still nothing", before, stand_still(1000));
    REQUIRE(replay.seen < total / 2, "it has stopped in the middle indeed");
    largest = read_until(stream, &replay, durable.stored);
    require_bounded("reading on", before, largest);
    durable_publish(8);
    read_until(stream, &replay, durable.stored);
    http_client_destroy(own);
}

Test(durable_slow, a_reader_that_stops_in_a_long_replay)
{
    durable_start("consumer", NULL);
    check_stopped();
}

Test(durable_slow, a_reader_that_stops_in_a_long_replay_republished)
{
    durable_start("republish", NULL);
    check_stopped();
}

/* Far out of its ring of 16 while it follows what is new: it is not sent away, and gets all of it from the stream. */
Test(durable_slow, a_reader_that_stops_while_it_is_live)
{
    struct replay replay = {0};
    struct http_stream *stream, *witness;
    struct http_client *own;

    durable_start("consumer", NULL);
    total = is_sanitizer_run() ? 10000 : 40000;
    witness = durable_open(durable.client, "/small/1");
    own = http_client_create(durable.gateway, HTTP_H2);
    own->receive_buffer = 65536;
    own->on_event = on_event;
    own->on_event_arg = &replay;
    stream = durable_open(own, "/all");
    durable_publish_seen(witness, 100);
    read_until(stream, &replay, 100);
    durable_publish_seen(witness, (unsigned)total);
    REQUIRE(replay.seen == 100);
    read_until(stream, &replay, durable.stored);
    durable_publish_seen(witness, 100);
    read_until(stream, &replay, durable.stored);
    http_client_destroy(own);
}

/* To the byte, and many: more than readers are served at a time. The ones that read are not held up by them. */
Test(durable_slow, many_that_stop_hold_nobody_up)
{
    enum { STALLED = 64 };
    struct replay replays[STALLED] = {0}, moving = {0};
    struct http_stream *stream;
    size_t before, largest, i;
    int64_t deadline;

    durable_start("consumer", NULL);
    total = is_sanitizer_run() ? 10000 : 20000;
    durable_publish((unsigned)total);
    before = gateway_rss_bytes(durable.gateway);
    struct h2_raw *h2 = h2_raw_connect(durable.gateway->clear_port, WINDOW, 0);
    for (i = 0; i < STALLED; i++) {
        unsigned index = h2_raw_get(h2, "/all?since=earliest");
        h2->streams[index].log.on_event = on_event;
        h2->streams[index].log.arg = &replays[i];
    }
    deadline = deadline_in(20000);
    for (i = 0; i < STALLED;) {
        REQUIRE(h2_raw_pump(h2, 50) && now_ms() < deadline, "stream %zu got %zu bytes", i,
                (size_t)h2->streams[i].body_len);
        i += h2->streams[i].body_len == WINDOW;
    }
    durable.client->on_event = on_event;
    durable.client->on_event_arg = &moving;
    stream = http_open(durable.client, "/all?since=earliest", NULL);
    largest = read_until(stream, &moving, durable.stored);
    require_bounded("with 64 stalled readers", before, largest);
    for (i = 0; i < STALLED; i++)
        h2_raw_window(h2, (unsigned)i, 1 << 30);
    deadline = deadline_in(60000);
    for (i = 0; i < STALLED;) {
        REQUIRE(h2_raw_pump(h2, 50) && now_ms() < deadline && replays[i].fault[0] == '\0', "stream %zu: %zu, %s", i,
                (size_t)replays[i].seen, replays[i].fault);
        i += replays[i].seen == durable.stored;
    }
    h2_raw_destroy(h2);
}
