/* durable_rig.h - a JetStream stream, gateways that serve it, and checks of every event by its number */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INTEGRATION_DURABLE_RIG_H
#define TESTS_INTEGRATION_DURABLE_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/*
 * Whatever is stored in ORDERS has its own stream sequence as its payload, as
 * long as it is published by publish_next only: so each event is checked by
 * its data and by its id, and who misses one or gets one twice is found out.
 * Number n is published on orders.(n % 4).(n / 4 % 2 ? "a" : "b").
 */
static struct nats_fixture *nats;
static struct jetstream *js;
static struct gateway *gateway;
static struct http_client *client;
static const char *live_mode;
static uint64_t stored; /* the last number */

static __attribute__((unused)) struct jetstream_stream orders(void)
{
    struct jetstream_stream stream = {.name = "ORDERS", .subjects = {"orders.>"}};

    if (strcmp(live_mode, "republish") == 0) {
        stream.republish_from = ">";
        stream.republish_to = "republished.>";
    }
    return stream;
}

static __attribute__((unused)) struct gateway *start_gateway(const char *url, unsigned workers)
{
    char *yaml = text_format("defaults:\n"
                             "  history: {store: jetstream, stream: ORDERS, live: %s}\n"
                             "routes:\n"
                             "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}.>\"]}\n"
                             "  - {path: \"/small/{id}\", subjects: [\"orders.{id}.>\"], history: {events: 16}}\n"
                             "  - {path: /all, subjects: [\"orders.>\"], history: {events: 16}}\n"
                             "  - {path: /every, subjects: [\"orders.>\"]}\n"
                             "  - {path: /pick, allow: [\"orders.>\"], history: {events: 16}}\n"
                             "  - {path: /say, allow: [\"orders.>\"], publish: true}\n",
                             live_mode);
    struct gateway *started =
        gateway_start(&(struct gateway_options){.nats_url = url, .yaml = yaml, .workers = workers});

    free(yaml);
    return started;
}

static __attribute__((unused)) void start(const char *live, const struct jetstream_stream *stream)
{
    struct jetstream_stream standard;

    live_mode = live;
    standard = orders();
    nats = nats_fixture_start(NULL);
    REQUIRE(nats != NULL);
    js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, stream != NULL ? stream : &standard);
    gateway = start_gateway(nats_fixture_url(nats), 1);
    client = http_client_create(gateway, HTTP_H2);
}

/* Everything it undoes may be missing. */
static __attribute__((unused)) void teardown(void)
{
    http_client_destroy(client);
    gateway_destroy(gateway);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

/* Every test of the suite runs in both ways to follow a stream. */
#define TEST_IN_BOTH_MODES(suite, name)                                                                                \
    static void check_##name(void);                                                                                    \
    Test(suite, name)                                                                                                  \
    {                                                                                                                  \
        start("consumer", NULL);                                                                                       \
        check_##name();                                                                                                \
    }                                                                                                                  \
    Test(suite, name##_republished)                                                                                    \
    {                                                                                                                  \
        start("republish", NULL);                                                                                      \
        check_##name();                                                                                                \
    }                                                                                                                  \
    static void check_##name(void)

static __attribute__((unused)) void publish_next(unsigned count)
{
    for (; count > 0; count--) {
        char subject[32], text[32];
        stored++;
        snprintf(subject, sizeof(subject), "orders.%u.%c", (unsigned)(stored % 4), "ba"[stored / 4 % 2]);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)stored);
        jetstream_publish_later(js, subject, text);
    }
    jetstream_flush(js);
}

static __attribute__((unused)) uint64_t sequence_of(const char *id)
{
    const char *dash = strchr(id, '-');

    return dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
}

/*
 * The same for open readers, in steps: more at once than their route's ring
 * holds, and they are sent away for being slow. Returns when the gateway has it all.
 */
static __attribute__((unused)) void publish_seen(struct http_stream *witness, unsigned count)
{
    while (count > 0) {
        unsigned step = count < 8 ? count : 8;
        int64_t deadline = deadline_in(10000);
        publish_next(step);
        count -= step;
        /* of four numbers in a row each route here has one */
        while (sequence_of(event_log_last_id(&witness->log)) + 4 <= stored && !witness->ended && now_ms() < deadline)
            http_pump(witness->client, 50);
        REQUIRE(sequence_of(event_log_last_id(&witness->log)) + 4 > stored, "%s of %llu; ended: %d, %s %s",
                event_log_last_id(&witness->log), (unsigned long long)stored, witness->ended,
                http_event(witness, witness->log.count - 1)->name, http_event(witness, witness->log.count - 1)->data);
    }
}

static __attribute__((unused)) struct http_stream *open_at(struct http_client *who, const char *path)
{
    struct http_stream *stream = http_open_ready(who, path, NULL);

    REQUIRE(stream != NULL, "%s", path);
    return stream;
}

/* An open reader, and the gateway has come to where the stream is: a new stream's first id says so. */
static __attribute__((unused)) struct http_stream *wait_for_gateway(void)
{
    int64_t deadline = deadline_in(10000);

    for (;;) {
        struct http_stream *witness = open_at(client, "/every");
        uint64_t reached = sequence_of(event_log_last_id(&witness->log));
        if (reached == stored)
            return witness;
        REQUIRE(now_ms() < deadline, "it is at %zu of %zu", (size_t)reached, (size_t)stored);
        http_close(witness);
        sleep_ms(5);
    }
}

/* publish_next, and the gateway has it all: a stream that is opened now is not behind its ring at once. */
static __attribute__((unused)) void publish_through(unsigned count)
{
    publish_next(count);
    http_close(wait_for_gateway());
}

static __attribute__((unused)) struct http_stream *resume_at(struct http_client *who, const char *path, const char *id)
{
    char *header = text_format("last-event-id: %s", id);
    struct http_stream *stream = http_open_ready(who, path, header, NULL);

    free(header);
    REQUIRE(stream != NULL, "%s from %s", path, id);
    return stream;
}

/* "<incarnation>-" of the stream as the gateway names it now. */
static __attribute__((unused)) const char *incarnation(struct http_client *who)
{
    static char text[32];
    struct http_stream *stream = open_at(who, "/all");
    const char *id = event_log_last_id(&stream->log), *dash = strchr(id, '-');

    REQUIRE(dash != NULL && (size_t)(dash - id) < sizeof(text) - 2, "an id in the first block: \"%s\"", stream->body);
    snprintf(text, sizeof(text), "%.*s", (int)(dash - id + 1), id);
    http_close(stream);
    return text;
}

static __attribute__((unused)) struct http_stream *resume_after(struct http_client *who, const char *path,
                                                                uint64_t sequence)
{
    char *id = text_format("%s%llu", incarnation(who), (unsigned long long)sequence);
    struct http_stream *stream = resume_at(who, path, id);

    free(id);
    return stream;
}

static __attribute__((unused)) void require_number(const struct http_stream *stream, size_t index, uint64_t number)
{
    const struct event *event = http_event(stream, index);

    REQUIRE(strcmp(event->name, "message") == 0 && strtoull(event->data, NULL, 10) == number &&
                sequence_of(event->id) == number,
            "event %zu is %s \"%s\" with id %s, not %llu", index, event->name, event->data, event->id,
            (unsigned long long)number);
}

/* The stream's events from index on are the numbers first … last that leave that remainder, each once, in order. */
static __attribute__((unused)) void require_some(struct http_stream *stream, size_t index, uint64_t first,
                                                 uint64_t last, unsigned modulus, unsigned remainder)
{
    size_t count = 0;
    uint64_t number;

    for (number = first; number <= last; number++)
        count += number % modulus == remainder;
    REQUIRE(http_wait_events(stream, index + count), "%zu of %zu events, ended: %d, status %d", stream->log.count,
            index + count, stream->ended, stream->status);
    for (number = first; number <= last; number++)
        if (number % modulus == remainder)
            require_number(stream, index++, number);
    REQUIRE(stream->log.count == index, "%zu more events, the next is %s %s", stream->log.count - index,
            http_event(stream, index)->name, http_event(stream, index)->data);
}

static __attribute__((unused)) void require_all(struct http_stream *stream, uint64_t first, uint64_t last)
{
    require_some(stream, 0, first, last, 1, 0);
}

static __attribute__((unused)) void require_whole_response(struct http_client *who, const char *path, uint64_t first,
                                                           uint64_t last, unsigned modulus, unsigned remainder)
{
    struct http_stream *response = http_request(who, "GET", path, NULL, NULL);

    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 200, "%s: %d, %s, %zu events, %s",
            path, response->status, curl_easy_strerror(response->result), response->log.count, response->body);
    require_some(response, 0, first, last, modulus, remainder);
    http_close(response);
}

/* What is there, and then live; and the same without live. */
static __attribute__((unused)) void check_start(const char *path, const char *since, uint64_t first, unsigned modulus,
                                                unsigned remainder)
{
    struct http_stream *witness = wait_for_gateway();
    const char *mark = strchr(path, '?') != NULL ? "&" : "?";
    char *follow = text_format("%s%ssince=%s", path, mark, since);
    char *whole = text_format("%s%sfollow=false&since=%s", path, mark, since);
    struct http_stream *stream = open_at(client, follow);

    require_some(stream, 0, first, stored, modulus, remainder);
    require_whole_response(client, whole, first, stored, modulus, remainder);
    publish_seen(witness, 20);
    require_some(stream, 0, first, stored, modulus, remainder);
    http_close(stream);
    http_close(witness);
    free(follow);
    free(whole);
}

/* The event at index is a gap of that reason, which names `last` (NULL: whatever) and `next`. Returns its "next". */
static __attribute__((unused)) const char *require_gap(struct http_stream *stream, size_t index, const char *reason,
                                                       const char *last)
{
    const struct event *gap;

    REQUIRE(http_wait_events(stream, index + 1), "no event %zu, ended: %d", index, stream->ended);
    gap = http_event(stream, index);
    REQUIRE(strcmp(gap->name, "freshet.gap") == 0, "%s %s", gap->name, gap->data);
    REQUIRE_STR(json_field(gap->data, "reason"), reason);
    if (last != NULL)
        REQUIRE_STR(json_field(gap->data, "last"), last);
    REQUIRE(json_field(gap->data, "next") != NULL, "%s", gap->data);
    return json_field(gap->data, "next");
}

#endif
