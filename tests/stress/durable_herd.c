/* durable_herd.c - ten thousand streams come back at once after a restart, and the broker hardly notices */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/gateway_fixture.h"
#include "tests/support/h2_raw.h"
#include "tests/support/jetstream.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"
#include "tests/support/stress_options.h"

/*
 * usage: durable_herd [--quick] [--seed N]
 *
 * 100 connections of 100 streams each read 100 subjects; the gateway is killed,
 * messages are stored without it, it restarts, and all streams reconnect at
 * once, each with an older cursor: most within what a ring holds, about 1,100
 * of them further back than any ring reaches. Whatever the number of clients,
 * the stream never has more consumers than the gateway's own and 16 of replays,
 * as sampled from the broker meanwhile; and every stream gets every number,
 * once.
 */
#define PER_CONNECTION 100
#define SUBJECTS 100
#define BEHIND 72 /* the most messages of a subject that a stream has missed */
#define WINDOW 0x7fffffff
#define STREAM "HERD"
#define CONSUMERS_MAX (16 + 1)

static const char yaml[] = "defaults:\n"
                           "  history: {store: jetstream, stream: HERD, events: 64}\n"
                           "routes:\n"
                           "  - {path: \"/h/{id}\", subjects: [\"h.{id}\"]}\n";

struct reader {
    unsigned subject;
    unsigned long seen; /* the last number; also where it resumes */
};

static unsigned connections = 100, seed;
static struct nats_fixture *nats;
static struct jetstream *js;
static struct gateway *gateway;
static struct h2_raw **clients;
static struct reader *readers;
static unsigned long last; /* the number of each subject's last message */
static unsigned long received;
static char (*ids)[48]; /* of message number n of subject s: ids[s * (last + 1) + n] */

static atomic_bool sampling;
static atomic_long samples, most_consumers;

static void stop_all(void)
{
    unsigned i;

    for (i = 0; i < connections; i++)
        h2_raw_destroy(clients[i]);
    gateway_destroy(gateway);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

_Noreturn static void fail(const struct reader *reader, const char *what, const char *detail)
{
    size_t behind = 0, i;

    gateway_show_logs();
    for (i = 0; i < (size_t)connections * PER_CONNECTION; i++)
        behind += readers[i].seen != last;
    fprintf(stderr, "durable_herd: %zu streams are not there yet; at most %ld consumers\n", behind,
            (long)most_consumers);
    fprintf(stderr, "durable_herd: stream %zu (subject %u, has %lu of %lu): %s: %s (seed %u)\n",
            (size_t)(reader - readers), reader->subject, reader->seen, last, what, detail, seed);
    exit(1);
}

/* The payload is "SUBJECT NUMBER". */
static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;
    char *end;
    unsigned long subject = strtoul(event->data, &end, 10), number = strtoul(end, NULL, 10);

    if (strcmp(event->name, "message") != 0 || subject != reader->subject)
        fail(reader, event->name, event->data);
    if (number != reader->seen + 1)
        fail(reader, number > reader->seen ? "lost before" : "again", event->data);
    reader->seen++;
    received++;
}

static void on_stored(void *arg, uint64_t sequence, const char *subject, const char *data, size_t len)
{
    const char *incarnation = arg;
    char text[64], *end;

    (void)subject;
    snprintf(text, sizeof(text), "%.*s", (int)len, data);
    unsigned long which = strtoul(text, &end, 10), number = strtoul(end, NULL, 10);
    snprintf(ids[which * (last + 1) + number], sizeof(*ids), "%s%llu", incarnation, (unsigned long long)sequence);
}

static void publish_numbers(unsigned count)
{
    for (; count > 0; count--) {
        unsigned subject;
        last++;
        for (subject = 0; subject < SUBJECTS; subject++) {
            char name[16], text[32];
            snprintf(name, sizeof(name), "h.%u", subject);
            snprintf(text, sizeof(text), "%u %lu", subject, last);
            jetstream_publish_later(js, name, text);
        }
    }
    jetstream_flush(js);
}

/* "<incarnation>-", from a stream that is opened for it. */
static void learn_incarnation(char *text, size_t size)
{
    struct h2_raw *h2 = h2_raw_connect(gateway->clear_port, WINDOW, 0);
    unsigned index = h2_raw_get(h2, "/h/0");
    int64_t deadline = deadline_in(10000);
    const char *id = "";

    while (*id == '\0' && now_ms() < deadline && h2_raw_pump(h2, 50))
        id = event_log_last_id(&h2->streams[index].log);
    if (strchr(id, '-') == NULL)
        fixture_fail("no id: \"%s\"", id);
    snprintf(text, size, "%.*s", (int)(strchr(id, '-') + 1 - id), id);
    h2_raw_destroy(h2);
}

static void *sample_consumers(void *arg)
{
    while (sampling) {
        long consumers = broker_monitor_consumers(nats_fixture_monitor_port(nats), STREAM);
        samples += consumers >= 0;
        if (consumers > most_consumers)
            most_consumers = consumers;
        sleep_ms(5);
    }
    return arg;
}

static void come_back(void)
{
    unsigned i, k;

    for (i = 0; i < connections; i++) {
        clients[i] = h2_raw_connect(gateway->clear_port, WINDOW, 0);
        for (k = 0; k < PER_CONNECTION; k++) {
            struct reader *reader = &readers[i * PER_CONNECTION + k];
            char path[96];
            snprintf(path, sizeof(path), "/h/%u?lastEventId=%s", reader->subject,
                     ids[reader->subject * (last + 1) + reader->seen]);
            unsigned index = h2_raw_get(clients[i], path);
            clients[i]->streams[index].log.on_event = on_event;
            clients[i]->streams[index].log.arg = reader;
        }
    }
}

static void pump_all(void)
{
    unsigned i, k;

    for (i = 0; i < connections; i++) {
        if (!h2_raw_pump(clients[i], 0))
            fail(&readers[i * PER_CONNECTION], "the connection broke", "");
        for (k = 0; k < PER_CONNECTION; k++)
            if (clients[i]->streams[k].ended || clients[i]->streams[k].reset)
                fail(&readers[i * PER_CONNECTION + k], "ended", clients[i]->streams[k].is_200 ? "" : "refused");
    }
    sleep_ms(1);
}

static void read_to_the_end(int64_t ms)
{
    int64_t deadline = deadline_in(ms);
    size_t i = 0;

    while (i < (size_t)connections * PER_CONNECTION) {
        if (readers[i].seen == last)
            i++;
        else if (now_ms() > deadline)
            fail(&readers[i], "never caught up", "");
        else
            pump_all();
    }
}

/* Consumers that a stopped gateway leaves behind would be counted with the next one's. */
static void wait_for_no_consumer(void)
{
    int64_t deadline = deadline_in(20000);

    while (broker_monitor_consumers(nats_fixture_monitor_port(nats), STREAM) != 0) {
        if (now_ms() > deadline)
            fixture_fail("the stream has consumers, and no gateway");
        sleep_ms(10);
    }
}

static void prepare(void)
{
    struct jetstream_stream stream = {.name = STREAM, .subjects = {"h.>"}};
    char incarnation[32];
    size_t i;

    nats = nats_fixture_start(NULL);
    if (nats == NULL)
        fixture_fail("no broker");
    js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, &stream);
    gateway = gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml, .workers = 2});
    learn_incarnation(incarnation, sizeof(incarnation));
    publish_numbers(10);
    if (gateway_stop(gateway) != 0)
        fixture_fail("the gateway does not end in order");
    publish_numbers(BEHIND);
    clients = calloc(connections, sizeof(struct h2_raw *));
    readers = calloc((size_t)connections * PER_CONNECTION, sizeof(*readers));
    ids = calloc(SUBJECTS * (last + 1), sizeof(*ids));
    if (clients == NULL || readers == NULL || ids == NULL)
        fixture_fail("out of memory");
    jetstream_read(js, STREAM, on_stored, incarnation);
    for (i = 0; i < (size_t)connections * PER_CONNECTION; i++)
        readers[i] =
            (struct reader){.subject = (unsigned)i % SUBJECTS, .seen = last - 1 - (unsigned)rand_r(&seed) % BEHIND};
    wait_for_no_consumer();
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int64_t restarted, caught_up;
    int code;

    seed = (unsigned)now_ms();
    if (stress_options_read(argc, argv, &seed))
        connections = 10;
    prepare();
    sampling = true;
    if (pthread_create(&thread, NULL, sample_consumers, NULL) != 0)
        fixture_fail("no thread");
    gateway_restart(gateway);
    restarted = now_ms();
    come_back();
    read_to_the_end(80000);
    caught_up = now_ms();
    sampling = false;
    pthread_join(thread, NULL);
    publish_numbers(1);
    read_to_the_end(20000);
    printf("durable_herd: %u streams on %u connections came back and had all of %lu events after %.1f s; at most %ld "
           "consumers on the stream (%ld samples)\n",
           connections * PER_CONNECTION, connections, received, (double)(caught_up - restarted) / 1000,
           (long)most_consumers, (long)samples);
    if (most_consumers > CONSUMERS_MAX || samples < 10)
        fail(readers, "too many consumers, or too few samples", "");
    code = gateway_stop(gateway);
    if (code != 0)
        fail(readers, "the gateway's exit code is not 0", "");
    stop_all();
    return 0;
}
