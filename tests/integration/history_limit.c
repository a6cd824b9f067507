/* history_limit.c - all rings together stay within their limit, and the least recently used give way */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

#define MiB (1u << 20)
#define PAYLOAD 4000
/* Of a channel that is used, so that it counts as one that was not. */
#define QUIET_MS 1500

static struct rig rig;
static struct http_client *client;
static char payload[PAYLOAD + 1];

static void setup(void)
{
    memset(payload, 'x', PAYLOAD);
    rig_start_workers(&rig,
                      "limits: {history_bytes: 8MiB}\n"
                      "admin: {address: \"127.0.0.1:0\"}\n"
                      "defaults:\n"
                      "  history: {events: 100000, bytes: 64MiB}\n"
                      "routes:\n"
                      "  - {path: \"/h/{id}\", subjects: [\"h.{id}\"]}\n"
                      "  - {path: \"/skip/{id}\", subjects: [\"h.{id}\"], slow: skip}\n",
                      2);
    client = http_client_create(rig.gateway, HTTP_H2);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(history_limit, .init = setup, .fini = teardown, .timeout = 120);

/* So many more events, in pieces: the stream keeps up. */
static void feed(struct http_stream *stream, const char *subject, size_t count)
{
    size_t end = stream->log.count + count;

    while (stream->log.count != end) {
        size_t piece = end - stream->log.count < 100 ? end - stream->log.count : 100, next = stream->log.count + piece;
        for (size_t i = 0; i != piece; i++)
            publish(rig.publisher, subject, payload);
        publisher_flush(rig.publisher);
        REQUIRE(http_wait_events(stream, next) && stream->log.count == next, "%zu of %zu", stream->log.count, end);
    }
}

/* A stream that has had so many events of its own. */
static struct http_stream *follow(const char *id, size_t count)
{
    char *path = text_format("/h/%s", id), *subject = text_format("h.%s", id);
    struct http_stream *stream = http_open_ready(client, path, NULL);

    REQUIRE(stream != NULL);
    feed(stream, subject, count);
    free(path);
    free(subject);
    return stream;
}

/* From the n-th event it had: is what follows all still there? */
static bool resumes(const struct http_stream *of, const char *id, size_t n)
{
    char *path = text_format("/h/%s?follow=false", id),
         *header = text_format("last-event-id: %s", of->log.events[n].id);
    struct http_stream *again = http_open(client, path, header, NULL);

    REQUIRE(http_wait_end(again) && again->status == 200, "%s", again->body);
    bool whole = event_log_find(&again->log, "freshet.gap", 0) == NULL;
    REQUIRE(!whole || again->log.count == of->log.count - 1 - n, "%zu", again->log.count);
    free(path);
    free(header);
    http_close(again);
    return whole;
}

static uint64_t bytes(void)
{
    return scrape(rig.gateway, "freshet_history_bytes");
}

static uint64_t evicted(void)
{
    return scrape(rig.gateway, "freshet_history_evicted_total");
}

static void wait_within(uint64_t limit)
{
    int64_t deadline = deadline_in(10000);

    while (bytes() > limit)
        REQUIRE(now_ms() < deadline, "%lu bytes", (unsigned long)bytes());
}

/* ---- which channel gives way ---- */

/* A channel without readers goes before one with readers, even if that was used earlier. */
Test(history_limit, a_lingering_channel_goes_first)
{
    struct http_client *leaver = http_client_create(rig.gateway, HTTP_H2), *stayer = client;
    struct http_stream *stays = follow("stays", 300), *left;
    char *id;

    client = leaver;
    left = follow("left", 600);
    id = text_format("last-event-id: %s", left->log.events[100].id);
    client = stayer;
    http_client_destroy(leaver);
    http_pump_for(client, 2 * QUIET_MS); /* its worker gives the channel back after a second */
    REQUIRE(scrape(rig.gateway, "freshet_channels") == 2);
    REQUIRE(bytes() > 900 * PAYLOAD && bytes() < 8 * MiB, "%lu", (unsigned long)bytes());
    REQUIRE(evicted() == 0);

    struct http_stream *grows = follow("grows", 1300);
    wait_within(8 * MiB);
    REQUIRE(resumes(stays, "stays", 100));
    REQUIRE(resumes(grows, "grows", 10));
    REQUIRE(evicted() == 600, "%lu", (unsigned long)evicted());
    REQUIRE(scrape(rig.gateway, "freshet_channels") == 2);
    REQUIRE(gateway_wait_log(rig.gateway, "channels_closed=1 channels_trimmed=0", 5000));
    struct http_stream *back = http_open(client, "/h/left", id, NULL);
    REQUIRE(http_wait_event_named(back, "freshet.gap"), "%s", back->body);
    REQUIRE(strstr(http_event(back, 0)->data, "\"evicted\"") != NULL, "%s", http_event(back, 0)->data);
    free(id);
}

Test(history_limit, then_the_least_recently_used_loses_its_oldest)
{
    struct http_stream *first = follow("first", 600), *second, *third;

    http_pump_for(client, QUIET_MS);
    second = follow("second", 600);
    http_pump_for(client, QUIET_MS);
    REQUIRE(evicted() == 0);
    third = follow("third", 1000);
    wait_within(8 * MiB);
    REQUIRE(!resumes(first, "first", 0));
    REQUIRE(resumes(first, "first", 599), "a reader that has read it all misses nothing");
    REQUIRE(resumes(second, "second", 0));
    REQUIRE(resumes(third, "third", 0));
    REQUIRE(evicted() >= 100 && evicted() <= 600, "%lu", (unsigned long)evicted());
    REQUIRE(gateway_wait_log(rig.gateway, "history-trimmed limit=8388608 freed=", 5000));

    /* reading counts as using: it is the second's turn now */
    REQUIRE(resumes(first, "first", 599));
    http_pump_for(client, QUIET_MS);
    feed(third, "h.third", 600);
    wait_within(8 * MiB);
    REQUIRE(!resumes(second, "second", 0));
    REQUIRE(!first->ended && !second->ended && !third->ended);
    feed(first, "h.first", 1);
    REQUIRE_STR(http_event(first, 600)->name, "message");
}

/* ---- how much there is at most ---- */

/* Far more than the limit through many channels, at full speed: every stream gets everything, and no more is kept. */
Test(history_limit, memory_is_bounded_and_live_streams_miss_nothing)
{
    enum { CHANNELS = 80, ROUNDS = 200 };
    struct http_stream *streams[CHANNELS];
    uint64_t most = 0;

    for (size_t i = 0; i != CHANNELS; i++) {
        char *path = text_format("/h/many-%zu", i);
        REQUIRE((streams[i] = http_open_ready(client, path, NULL)) != NULL);
        free(path);
    }
    for (size_t round = 0; round != ROUNDS; round++) {
        for (size_t i = 0; i != CHANNELS; i++) {
            char *subject = text_format("h.many-%zu", i);
            publish(rig.publisher, subject, payload);
            free(subject);
        }
        publisher_flush(rig.publisher);
        for (size_t i = 0; round % 5 == 0 && i != CHANNELS; i++)
            REQUIRE(http_wait_events(streams[i], round + 1), "%zu: %zu", i, streams[i]->log.count);
        uint64_t now = round % 10 == 0 ? bytes() : 0;
        most = now > most ? now : most;
    }
    for (size_t i = 0; i != CHANNELS; i++) {
        REQUIRE(http_wait_events(streams[i], ROUNDS), "%zu: %zu", i, streams[i]->log.count);
        REQUIRE(event_log_find(&streams[i]->log, "freshet.gap", 0) == NULL && !streams[i]->ended, "%zu", i);
    }
    cr_log_info("at most %lu bytes, %lu events given up", (unsigned long)most, (unsigned long)evicted());
    REQUIRE(most > 4 * MiB && most < 8 * MiB + 3 * MiB / 2, "%lu", (unsigned long)most);
    REQUIRE(evicted() > 5000);
}

/* All goes when the channels do. */
Test(history_limit, nothing_is_counted_that_is_gone)
{
    struct http_client *leaver = http_client_create(rig.gateway, HTTP_H2), *stayer = client;
    int64_t deadline = deadline_in(30000);

    client = leaver;
    follow("a", 100);
    follow("b", 100);
    client = stayer;
    REQUIRE(bytes() > 200 * PAYLOAD);
    http_client_destroy(leaver);
    http_pump_for(client, 2 * QUIET_MS);
    follow("big", 2500); /* which closes the idle ones */
    while (scrape(rig.gateway, "freshet_channels") != 1)
        REQUIRE(now_ms() < deadline);
    wait_within(8 * MiB);
}

/* ---- with a store ---- */

/* What a ring has given up is still in the stream, and comes from there. */
Test(history_limit, a_durable_reader_gets_it_from_the_store)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct jetstream *js = jetstream_connect(nats_fixture_url(nats));
    struct http_stream *first, *again;

    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}, .in_memory = true});
    struct gateway *gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(nats),
        .yaml = "limits: {history_bytes: 4MiB}\n"
                "admin: {address: \"127.0.0.1:0\"}\n"
                "defaults:\n"
                "  history: {store: jetstream, stream: S, events: 10000, bytes: 64MiB}\n"
                "routes:\n"
                "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"]}\n",
        .workers = 2,
    });
    struct http_client *durable = http_client_create(gateway, HTTP_H2);
    REQUIRE((first = http_open_ready(durable, "/s/a", NULL)) != NULL);
    REQUIRE(http_open_ready(durable, "/s/b", NULL) != NULL);
    for (int i = 0; i != 400; i++)
        jetstream_publish_later(js, "s.a", payload);
    jetstream_flush(js);
    REQUIRE(http_wait_events(first, 400));
    http_pump_for(durable, QUIET_MS);
    for (int i = 0; i != 1000; i++)
        jetstream_publish_later(js, "s.b", payload);
    jetstream_flush(js);
    jetstream_publish(js, "s.a", "end");
    REQUIRE(http_wait_events(first, 401));
    REQUIRE(scrape(gateway, "freshet_history_evicted_total") > 0);
    char *header = text_format("last-event-id: %s", http_event(first, 0)->id);
    again = http_open(durable, "/s/a", header, NULL);
    REQUIRE(http_wait_events(again, 400), "%zu", again->log.count);
    REQUIRE(event_log_find(&again->log, "freshet.gap", 0) == NULL);
    for (size_t i = 0; i != 400; i++)
        REQUIRE_STR(http_event(again, i)->id, http_event(first, i + 1)->id);
    free(header);
    http_client_destroy(durable);
    gateway_destroy(gateway);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}
