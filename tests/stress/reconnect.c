/* reconnect.c - readers that are cut at random and resume miss nothing, get nothing twice, and keep the order */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/stress_numbers.h"
#include "tests/support/stress_options.h"

/*
 * usage: reconnect [--quick] [--seed N]
 *
 * A publisher numbers 2,000 messages per second over 20 subjects. 200 streams
 * (of one subject, of two, of all) read them over HTTP/2 and HTTP/1.1 and are
 * cut 10,000 times in all: a stream at a time, or its whole connection. Every
 * stream has to get every number of its subjects, in order, once.
 */
#define SUBJECTS 20
#define STREAMS 200
#define CLIENTS 8
#define PER_CLIENT (STREAMS / CLIENTS)
#define RATE 2000

static const char yaml[] = "defaults:\n"
                           "  history: {events: 100000, bytes: 64MiB}\n"
                           "  heartbeat: 1s\n"
                           "limits: {new_streams: 1000000}\n"
                           "routes:\n"
                           "  - {path: /pick, allow: [\"s.>\"]}\n";

struct reader {
    struct http_client *client;
    struct http_stream *stream;
    char path[64];
    char cursor[96]; /* the request header, or empty */
    bool follows[SUBJECTS];
    unsigned long next[SUBJECTS];
};

static struct rig rig;
static struct http_client *clients[CLIENTS];
static struct reader readers[STREAMS];
static unsigned long published[SUBJECTS]; /* the publishing thread's, until it has been joined */
static pthread_t publishing;
static bool is_publishing;
static atomic_bool stopping;
static unsigned seed;
static unsigned long received, cuts, breaks;

static void stop_publishing(void)
{
    stopping = true;
    if (is_publishing)
        pthread_join(publishing, NULL);
    is_publishing = false;
}

_Noreturn static void fail(const struct reader *reader, const char *what, const char *detail)
{
    gateway_show_logs();
    fprintf(stderr, "reconnect: reader %zu (%s, %s): %s: %s (seed and cuts so far: %u, %lu)\n", reader - readers,
            reader->path, http_mode_names[reader->client->mode], what, detail, seed, cuts);
    stop_publishing();
    rig_stop(&rig);
    exit(1);
}

/* The payload is "SUBJECT NUMBER". */
static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;
    char *end;
    unsigned long subject = strtoul(event->data, &end, 10), number = strtoul(end, NULL, 10);

    if (strcmp(event->name, "message") != 0)
        fail(reader, event->name, event->data);
    if (subject >= SUBJECTS || !reader->follows[subject])
        fail(reader, "an event of another subject", event->data);
    if (number != reader->next[subject])
        fail(reader, number > reader->next[subject] ? "lost before" : "again", event->data);
    reader->next[subject]++;
    received++;
}

static void *publish_all(void *arg)
{
    int64_t started = now_ms();
    unsigned long total = 0;

    (void)arg;
    while (!stopping) {
        unsigned long due = (unsigned long)(now_ms() - started) * RATE / 1000;
        for (; total < due; total++) {
            unsigned long subject = total * 7 % SUBJECTS;
            char name[16];
            snprintf(name, sizeof(name), "s.%lu", subject);
            publish_format(rig.publisher, name, "%lu %lu", subject, ++published[subject]);
        }
        sleep_ms(1);
    }
    publisher_flush(rig.publisher);
    return NULL;
}

static void reopen(struct reader *reader)
{
    reader->client->on_event = on_event;
    reader->client->on_event_arg = reader;
    reader->stream = http_open(reader->client, reader->path, reader->cursor[0] != '\0' ? reader->cursor : NULL, NULL);
}

static void cut(struct reader *reader)
{
    const char *id = event_log_last_id(&reader->stream->log);

    if (reader->stream->has_headers && reader->stream->status != 200)
        fail(reader, "refused", reader->stream->body);
    if (*id != '\0')
        snprintf(reader->cursor, sizeof(reader->cursor), "last-event-id: %s", id);
    http_close(reader->stream);
    reopen(reader);
    cuts++;
}

/* Streams whose connection broke come back as well. */
static void pump_all(void)
{
    size_t i;

    for (i = 0; i < CLIENTS; i++)
        http_pump(clients[i], 0);
    for (i = 0; i < STREAMS; i++) {
        if (readers[i].stream->ended) {
            if (readers[i].stream->result == CURLE_OK)
                fail(&readers[i], "the gateway ended the stream", readers[i].stream->body);
            cut(&readers[i]);
        }
    }
}

static void open_all(void)
{
    static const enum http_mode modes[CLIENTS] = {HTTP_H2, HTTP_H2, HTTP_H2, HTTP_H2,
                                                  HTTP_H2, HTTP_H2, HTTP_H1, HTTP_H1C};
    size_t i, k;

    for (i = 0; i < CLIENTS; i++)
        clients[i] = http_client_create(rig.gateway, modes[i]);
    for (i = 0; i < STREAMS; i++) {
        struct reader *reader = &readers[i];
        size_t a = i % SUBJECTS, b = (i * 3 + 1) % SUBJECTS;
        reader->client = clients[i / PER_CLIENT];
        for (k = 0; k < SUBJECTS; k++)
            reader->next[k] = 1;
        if (i % 40 == 7) {
            snprintf(reader->path, sizeof(reader->path), "/pick?subject=s.>");
            memset(reader->follows, true, sizeof(reader->follows));
        } else {
            snprintf(reader->path, sizeof(reader->path), "/pick?subject=s.%zu", a);
            reader->follows[a] = true;
            if (i % 5 == 0) {
                snprintf(reader->path, sizeof(reader->path), "/pick?subject=s.%zu&subject=s.%zu", a, b);
                reader->follows[b] = true;
            }
        }
        reopen(reader);
    }
    for (i = 0; i < STREAMS; i++)
        if (!http_wait_first_block(readers[i].stream) || *event_log_last_id(&readers[i].stream->log) == '\0')
            fail(&readers[i], "did not open", readers[i].stream->body);
}

static void cut_at_random(unsigned long wanted)
{
    int64_t started = now_ms();
    unsigned long planned = 0;

    while (cuts < wanted) {
        /* 1,000 cuts a second at most: if faster, no stream would read anything */
        unsigned long due = (unsigned long)(now_ms() - started);
        for (; planned < due && cuts < wanted; planned++) {
            struct reader *reader = &readers[rand_r(&seed) % STREAMS];
            if (rand_r(&seed) % 40 == 0)
                breaks += http_break_connection(reader->stream);
            else
                cut(reader);
        }
        pump_all();
        sleep_ms(1);
    }
}

static bool has_all(const struct reader *reader)
{
    return stress_numbers_all_came(reader->follows, reader->next, published, SUBJECTS);
}

static void read_to_the_end(void)
{
    int64_t deadline = deadline_in(30000);
    size_t i = 0;

    while (i < STREAMS) {
        if (has_all(&readers[i])) {
            i++;
            continue;
        }
        if (now_ms() > deadline)
            fail(&readers[i], "never got the end", "");
        pump_all();
        sleep_ms(1);
    }
    for (i = 0; i < 50; i++) { /* a repeated event would arrive now */
        pump_all();
        sleep_ms(2);
    }
}

int main(int argc, char **argv)
{
    unsigned long wanted = 10000;
    int64_t started;

    seed = (unsigned)now_ms();
    if (stress_options_read(argc, argv, &seed))
        wanted = 1000;
    rig_start_workers(&rig, yaml, 2);
    open_all();
    started = now_ms();
    is_publishing = pthread_create(&publishing, NULL, publish_all, NULL) == 0;
    if (!is_publishing)
        fixture_fail("no thread");
    cut_at_random(wanted);
    stop_publishing();
    read_to_the_end();
    printf("reconnect: %lu cuts, %lu broken connections, %lu events in %.1f s: nothing lost, nothing twice, in order\n",
           cuts, breaks, received, (double)(now_ms() - started) / 1000);
    for (int i = 0; i < CLIENTS; i++)
        http_client_destroy(clients[i]);
    return rig_end(&rig) ? 0 : 1;
}
