/* durable.c - a JetStream stream, gateways that serve it, and checks of every event by its number */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>

struct durable durable;

struct jetstream_stream durable_orders(void)
{
    struct jetstream_stream stream = {.name = "ORDERS", .subjects = {"orders.>"}};

    if (strcmp(durable.live, "republish") == 0) {
        stream.republish_from = ">";
        stream.republish_to = "republished.>";
    }
    return stream;
}

struct gateway *durable_start_gateway(const char *url, unsigned workers)
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
                             durable.live);
    struct gateway *started =
        gateway_start(&(struct gateway_options){.nats_url = url, .yaml = yaml, .workers = workers});

    free(yaml);
    return started;
}

void durable_start(const char *live, const struct jetstream_stream *stream)
{
    struct jetstream_stream standard;

    durable.live = live;
    standard = durable_orders();
    durable.nats = nats_fixture_start(NULL);
    REQUIRE(durable.nats != NULL);
    durable.js = jetstream_connect(nats_fixture_url(durable.nats));
    jetstream_create(durable.js, stream != NULL ? stream : &standard);
    durable.gateway = durable_start_gateway(nats_fixture_url(durable.nats), 1);
    durable.client = http_client_create(durable.gateway, HTTP_H2);
}

void durable_stop(void)
{
    http_client_destroy(durable.client);
    gateway_destroy(durable.gateway);
    jetstream_destroy(durable.js);
    nats_fixture_stop(durable.nats);
}

void durable_publish(unsigned count)
{
    for (; count > 0; count--) {
        char subject[32], text[32];
        durable.stored++;
        snprintf(subject, sizeof(subject), "orders.%u.%c", (unsigned)(durable.stored % 4),
                 "ba"[durable.stored / 4 % 2]);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)durable.stored);
        jetstream_publish_later(durable.js, subject, text);
    }
    jetstream_flush(durable.js);
}

uint64_t durable_sequence(const char *id)
{
    const char *dash = strchr(id, '-');

    return dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
}

void durable_publish_seen(struct http_stream *witness, unsigned count)
{
    while (count > 0) {
        unsigned step = count < 8 ? count : 8;
        int64_t deadline = deadline_in(10000);
        durable_publish(step);
        count -= step;
        /* each route here carries one of any four numbers in a row */
        while (durable_sequence(event_log_last_id(&witness->log)) + 4 <= durable.stored && !witness->ended &&
               now_ms() < deadline)
            http_pump(witness->client, 50);
        REQUIRE(durable_sequence(event_log_last_id(&witness->log)) + 4 > durable.stored, "%s of %llu; ended: %d, %s %s",
                event_log_last_id(&witness->log), (unsigned long long)durable.stored, witness->ended,
                http_event(witness, witness->log.count - 1)->name, http_event(witness, witness->log.count - 1)->data);
    }
}

struct http_stream *durable_open(struct http_client *who, const char *path)
{
    struct http_stream *stream = http_open_ready(who, path, NULL);

    REQUIRE(stream != NULL, "%s", path);
    return stream;
}

struct http_stream *durable_wait_gateway(void)
{
    int64_t deadline = deadline_in(10000);

    for (;;) {
        struct http_stream *witness = durable_open(durable.client, "/every");
        uint64_t reached = durable_sequence(event_log_last_id(&witness->log));
        if (reached == durable.stored)
            return witness;
        REQUIRE(now_ms() < deadline, "it is at %zu of %zu", (size_t)reached, (size_t)durable.stored);
        http_close(witness);
        sleep_ms(20);
    }
}

void durable_publish_through(unsigned count)
{
    /* A channel that is opened behind a burst begins at the stream's end, which older ones may not have reached yet. */
    http_close(durable_open(durable.client, "/every"));
    durable_publish(count);
    http_close(durable_wait_gateway());
}

struct http_stream *durable_resume(struct http_client *who, const char *path, const char *id)
{
    char *header = text_format("last-event-id: %s", id);
    struct http_stream *stream = http_open_ready(who, path, header, NULL);

    free(header);
    REQUIRE(stream != NULL, "%s from %s", path, id);
    return stream;
}

const char *durable_incarnation(struct http_client *who)
{
    static char text[32];
    struct http_stream *stream = durable_open(who, "/all");
    const char *id = event_log_last_id(&stream->log), *dash = strchr(id, '-');

    REQUIRE(dash != NULL && (size_t)(dash - id) < sizeof(text) - 2, "an id in the first block: \"%s\"", stream->body);
    snprintf(text, sizeof(text), "%.*s", (int)(dash - id + 1), id);
    http_close(stream);
    return text;
}

struct http_stream *durable_resume_after(struct http_client *who, const char *path, uint64_t sequence)
{
    char *id = text_format("%s%llu", durable_incarnation(who), (unsigned long long)sequence);
    struct http_stream *stream = durable_resume(who, path, id);

    free(id);
    return stream;
}

void durable_require_number(const struct http_stream *stream, size_t index, uint64_t number)
{
    const struct event *event = http_event(stream, index);

    REQUIRE(strcmp(event->name, "message") == 0 && strtoull(event->data, NULL, 10) == number &&
                durable_sequence(event->id) == number,
            "event %zu is %s \"%s\" with id %s, not %llu", index, event->name, event->data, event->id,
            (unsigned long long)number);
}

void durable_require_some(struct http_stream *stream, size_t index, uint64_t first, uint64_t last, unsigned modulus,
                          unsigned remainder)
{
    size_t count = 0;
    uint64_t number;

    for (number = first; number <= last; number++)
        count += number % modulus == remainder;
    REQUIRE(http_wait_events(stream, index + count), "%zu of %zu events, ended: %d, status %d", stream->log.count,
            index + count, stream->ended, stream->status);
    for (number = first; number <= last; number++)
        if (number % modulus == remainder)
            durable_require_number(stream, index++, number);
    REQUIRE(stream->log.count == index, "%zu more events, the next is %s %s", stream->log.count - index,
            http_event(stream, index)->name, http_event(stream, index)->data);
}

void durable_require_all(struct http_stream *stream, uint64_t first, uint64_t last)
{
    durable_require_some(stream, 0, first, last, 1, 0);
}

void durable_require_response(struct http_client *who, const char *path, uint64_t first, uint64_t last,
                              unsigned modulus, unsigned remainder)
{
    struct http_stream *response = http_request(who, "GET", path, NULL, NULL);

    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 200, "%s: %d, %s, %zu events, %s",
            path, response->status, curl_easy_strerror(response->result), response->log.count, response->body);
    durable_require_some(response, 0, first, last, modulus, remainder);
    http_close(response);
}

void durable_check_start(const char *path, const char *since, uint64_t first, unsigned modulus, unsigned remainder)
{
    struct http_stream *witness = durable_wait_gateway();
    const char *mark = strchr(path, '?') != NULL ? "&" : "?";
    char *follow = text_format("%s%ssince=%s", path, mark, since);
    char *whole = text_format("%s%sfollow=false&since=%s", path, mark, since);
    struct http_stream *stream = durable_open(durable.client, follow);

    durable_require_some(stream, 0, first, durable.stored, modulus, remainder);
    durable_require_response(durable.client, whole, first, durable.stored, modulus, remainder);
    durable_publish_seen(witness, 20);
    durable_require_some(stream, 0, first, durable.stored, modulus, remainder);
    http_close(stream);
    http_close(witness);
    free(follow);
    free(whole);
}

const char *durable_require_gap(struct http_stream *stream, size_t index, const char *reason, const char *last)
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
