/* durable_handover.c - between replay and live nothing is lost, repeated or swapped */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define READERS 40
#define BATCH 25 /* messages published at once */

/* A reader that checks its own events. No reader is sent away, however small its ring. */
struct reader {
    struct http_client *client;
    struct http_stream *stream;
    const char *path;
    unsigned modulus, remainder;
    uint64_t seen; /* the last number */
    bool is_started;
    char fault[256]; /* the first thing that was wrong */
};

static atomic_bool is_publishing, are_all_open;
static unsigned total;

static void setup(void)
{
    total = is_sanitizer_run() ? 5000 : 25000;
}

TestSuite(durable_handover, .init = setup, .fini = durable_stop, .timeout = 120);

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;
    uint64_t number = strtoull(event->data, NULL, 10);
    uint64_t wanted = reader->seen + 1;

    while (wanted % reader->modulus != reader->remainder)
        wanted++;
    if (!reader->is_started)
        wanted = number;
    if (reader->fault[0] == '\0' &&
        (strcmp(event->name, "message") != 0 || number != wanted || durable_sequence(event->id) != number ||
         number % reader->modulus != reader->remainder))
        snprintf(reader->fault, sizeof(reader->fault), "%s %s with id %s, not %llu", event->name, event->data,
                 event->id, (unsigned long long)wanted);
    reader->is_started = true;
    reader->seen = number;
}

static void open_reader(struct reader *reader, const char *query)
{
    char *path = text_format("%s%s", reader->path, query);

    reader->client->on_event = on_event;
    reader->client->on_event_arg = reader;
    reader->stream = http_open(reader->client, path, NULL);
    free(path);
}

static void *publish_all(void *arg)
{
    int64_t started = now_ms();

    /* 5,000 a second: faster, and it is the readers that are tested, not the hand-over */
    while (durable.stored < total) {
        /* the last ones are for all: on a busy machine a reader may ask for the last second when it has long been over */
        while (durable.stored + BATCH >= total && !are_all_open)
            sleep_ms(1);
        while ((int64_t)durable.stored > 2000 + (now_ms() - started) * 5)
            sleep_ms(1);
        durable_publish(BATCH);
    }
    is_publishing = false;
    return arg;
}

static void pump_reader(struct reader *reader)
{
    http_pump(reader->client, 0);
    REQUIRE(reader->fault[0] == '\0', "reader of %s: %s", reader->path, reader->fault);
    REQUIRE(!reader->stream->has_headers || reader->stream->status == 200, "%s", reader->stream->body);
    REQUIRE(!reader->stream->ended, "%s ended: %s", reader->path, curl_easy_strerror(reader->stream->result));
}

static bool has_all(const struct reader *reader)
{
    return reader->seen + reader->modulus > total;
}

/* Opens one reader after the other while numbers come in. */
TEST_IN_BOTH_MODES(durable_handover, under_load)
{
    static const struct {
        const char *path;
        unsigned modulus, remainder;
    } kinds[] = {{"/every", 1, 0}, {"/orders/1", 4, 1}, {"/small/2", 4, 2}, {"/all", 1, 0}};
    struct reader readers[READERS] = {0};
    struct http_client *clients[4];
    char *name = text_format("%s", durable_incarnation(durable.client));
    size_t opened = 0, i;
    int64_t deadline = deadline_in(60000);
    pthread_t publishing;

    for (i = 0; i < 4; i++)
        clients[i] = http_client_create(durable.gateway, HTTP_H2);
    durable_publish(2000);
    is_publishing = true;
    REQUIRE(pthread_create(&publishing, NULL, publish_all, NULL) == 0);
    for (i = 0; i < READERS;) {
        if (opened < READERS) {
            struct reader *reader = &readers[opened];
            char query[128] = "?since=earliest";
            reader->client = clients[opened % 4];
            reader->path = kinds[opened / 4 % 4].path;
            reader->modulus = kinds[opened / 4 % 4].modulus;
            reader->remainder = kinds[opened / 4 % 4].remainder;
            reader->is_started = true;
            if (opened % 3 == 1) {
                reader->seen = opened * 40;
                snprintf(query, sizeof(query), "?lastEventId=%s%zu", name, opened * 40);
            } else if (opened % 3 == 2) {
                reader->is_started = false; /* wherever the last second begins */
                snprintf(query, sizeof(query), "?since=1s");
            }
            open_reader(reader, query);
            opened++;
        }
        bool is_open = opened == READERS;
        for (size_t k = 0; k < opened; k++) {
            pump_reader(&readers[k]);
            is_open = is_open && readers[k].stream->has_headers;
        }
        are_all_open = is_open;
        if (i < opened && has_all(&readers[i]))
            i++;
        REQUIRE(i == READERS || now_ms() < deadline, "reader %zu (%s) has %zu of %u; publishing: %d", i,
                readers[i].path, (size_t)readers[i].seen, total, is_publishing);
        sleep_ms(1);
    }
    pthread_join(publishing, NULL);
    for (i = 0; i < 50; i++, sleep_ms(2)) /* a repeated event would arrive now */
        for (size_t k = 0; k < READERS; k++)
            pump_reader(&readers[k]);
    for (i = 0; i < 4; i++)
        http_client_destroy(clients[i]);
    free(name);
}
