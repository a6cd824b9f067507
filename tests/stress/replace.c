/* replace.c - one of two gateways is drained under many streams: the other takes them in, and its own clients hardly notice */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/gateway_fixture.h"
#include "tests/support/h2_raw.h"
#include "tests/support/jetstream.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"

/*
 * usage: replace [--quick]
 *
 * 20,000 streams (2,000 with --quick and in a sanitizer run) of a JetStream
 * stream read from gateway A, 1,000 from gateway B, while 200 messages a second
 * are published. A gets its SIGTERM. Each of its streams comes back to B when
 * its freshet.bye says so, with its cursor. Every stream has to get every
 * number of its subject, in order, once.
 */
#define PER_CONNECTION 100
#define OWN_CONNECTIONS 10
#define SUBJECTS 200
#define RATE 200
#define CONNECTIONS_MAX 1024
#define LATENCIES_MAX (1u << 22)
#define BASE_MS 3000

/* The cost that B may have, on a machine that may be busy with other things. */
#define P99_MAX_MS 1000 /* … and five times what it was before */
#define CPU_MAX 1.0     /* of one core, on average */

struct reader {
    struct h2_raw *h2;
    unsigned index, subject;
    unsigned long next;
    bool said_bye, moved;
    int64_t comes_back_ms; /* 0: it is connected */
    char cursor[64];
};

static struct nats_fixture *nats;
static struct jetstream *js;
static struct gateway *a, *b;
static struct reader *readers;                              /* of A, at first */
static struct reader own[OWN_CONNECTIONS * PER_CONNECTION]; /* of B */
static size_t count, moved;
static struct h2_raw *connections[CONNECTIONS_MAX]; /* of the main thread, for pumping; A's and then B's */
static size_t connection_count;
static unsigned long published[SUBJECTS]; /* the publishing thread's, until it has been joined */
static atomic_bool stop_publishing, stop_own;
static atomic_ulong own_events;
static uint32_t *latencies_us; /* of B's own clients */
static atomic_size_t latency_count;

_Noreturn static void fail(const char *what, const char *detail)
{
    gateway_show_logs();
    fixture_fail("replace: %s: %s", what, detail);
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The payload is "NUMBER MICROSECONDS". */
static void take(struct reader *reader, const struct sse_parsed_event *event)
{
    unsigned long number;

    if (strcmp(event->name, "freshet.bye") == 0) {
        if (strcmp(event->data, "{\"reason\":\"drain\"}") != 0)
            fail("another bye", event->data);
        reader->said_bye = true;
        return;
    }
    number = strtoul(event->data, NULL, 10);
    if (strcmp(event->name, "message") != 0 || reader->said_bye)
        fail(event->name, event->data);
    if (number != reader->next)
        fail(number > reader->next ? "lost before" : "again", event->data);
    reader->next++;
}

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    take(arg, event);
}

static void on_own_event(void *arg, const struct sse_parsed_event *event)
{
    const char *sent = strchr(event->data, ' ');
    size_t n;

    take(arg, event);
    n = atomic_fetch_add(&latency_count, 1);
    if (sent != NULL && n < LATENCIES_MAX)
        latencies_us[n] = (uint32_t)(now_us() - strtoll(sent, NULL, 10));
    atomic_fetch_add(&own_events, 1);
}

static void open_reader(struct reader *reader, struct h2_raw *h2, sse_parser_callback *callback)
{
    char path[128];

    snprintf(path, sizeof(path), reader->cursor[0] != '\0' ? "/e/%u?lastEventId=%s" : "/e/%u", reader->subject,
             reader->cursor);
    reader->h2 = h2;
    reader->index = h2_raw_get(h2, path);
    h2->streams[reader->index].log.on_event = callback;
    h2->streams[reader->index].log.arg = reader;
}

static struct h2_raw *connect_to(const struct gateway *gateway)
{
    if (connection_count == CONNECTIONS_MAX)
        fixture_fail("too many connections");
    connections[connection_count] = h2_raw_connect(gateway->clear_port, 1u << 30, 0);
    return connections[connection_count++];
}

static const struct h2_raw_stream *stream_of(const struct reader *reader)
{
    return &reader->h2->streams[reader->index];
}

static void require_open(struct reader *reader)
{
    int64_t deadline = deadline_in(20000);

    while (*event_log_last_id(&stream_of(reader)->log) == '\0') {
        h2_raw_pump(reader->h2, 50);
        if (now_ms() > deadline || reader->h2->closed || stream_of(reader)->ended)
            fail("a stream did not open", stream_of(reader)->is_200 ? "200" : "no 200");
    }
}

static void open_all(void)
{
    for (size_t i = 0; i < count; i++) {
        readers[i] = (struct reader){.subject = (unsigned)(i % SUBJECTS), .next = 1};
        open_reader(&readers[i], i % PER_CONNECTION == 0 ? connect_to(a) : readers[i - 1].h2, on_event);
        if (i % PER_CONNECTION == PER_CONNECTION - 1)
            require_open(&readers[i]);
    }
    for (size_t i = 0; i < count; i++)
        require_open(&readers[i]);
}

static void open_own(void)
{
    struct h2_raw *h2 = NULL;

    for (size_t i = 0; i < OWN_CONNECTIONS * PER_CONNECTION; i++) {
        own[i] = (struct reader){.subject = (unsigned)(i % SUBJECTS), .next = 1};
        if (i % PER_CONNECTION == 0)
            h2 = h2_raw_connect(b->clear_port, 1u << 30, 0);
        open_reader(&own[i], h2, on_own_event);
    }
    for (size_t i = 0; i < OWN_CONNECTIONS * PER_CONNECTION; i++)
        require_open(&own[i]);
}

static void *publish_all(void *arg)
{
    int64_t begin = now_ms();
    unsigned long total = 0;

    (void)arg;
    while (!stop_publishing) {
        unsigned long due = (unsigned long)(now_ms() - begin) * RATE / 1000;
        for (; total < due; total++) {
            unsigned subject = (unsigned)(total * 7 % SUBJECTS);
            char name[16], text[64];
            snprintf(name, sizeof(name), "e.%u", subject);
            snprintf(text, sizeof(text), "%lu %lld", ++published[subject], (long long)now_us());
            jetstream_publish_later(js, name, text);
        }
        sleep_ms(2);
    }
    jetstream_flush(js);
    return NULL;
}

/* On a thread of its own, so that work for the other readers doesn't count as latency. */
static void *read_own(void *arg)
{
    (void)arg;
    while (!stop_own) {
        for (size_t i = 0; i < OWN_CONNECTIONS; i++)
            if (!h2_raw_pump(own[i * PER_CONNECTION].h2, 1))
                fail("the other gateway", "cut its own clients");
    }
    return NULL;
}

static int compare(const void *x, const void *y)
{
    uint32_t p = *(const uint32_t *)x, q = *(const uint32_t *)y;

    return (p > q) - (p < q);
}

/* Of those that came between the two counts, in ms. */
static double p99_between(size_t from, size_t to)
{
    if (to > LATENCIES_MAX)
        to = LATENCIES_MAX;
    if (to <= from)
        return 0;
    size_t at = from + (to - from) * 99 / 100;
    qsort(latencies_us + from, to - from, sizeof(latencies_us[0]), compare);
    return latencies_us[at] / 1000.0;
}

/* The latest connection to B, or a new one if that has all its streams. */
static struct h2_raw *place_at_b(void)
{
    static struct h2_raw *latest;

    if (latest == NULL || latest->count == PER_CONNECTION)
        latest = connect_to(b);
    return latest;
}

static void step(struct reader *reader, int64_t now)
{
    const struct h2_raw_stream *stream = stream_of(reader);

    if (reader->comes_back_ms != 0 && now >= reader->comes_back_ms) {
        reader->comes_back_ms = 0;
        reader->said_bye = false;
        reader->moved = true;
        moved++;
        open_reader(reader, place_at_b(), on_event);
    } else if (reader->comes_back_ms == 0 && stream->ended) {
        if (!reader->said_bye || reader->moved)
            fail("a stream ended", reader->moved ? "at the other gateway" : "without a word");
        snprintf(reader->cursor, sizeof(reader->cursor), "%s", event_log_last_id(&stream->log));
        reader->comes_back_ms = now + stream->log.parser.retry_ms;
    } else if (reader->comes_back_ms == 0 && (stream->reset || reader->h2->closed)) {
        fail("a stream was cut", stream->reset ? "reset" : "with its connection");
    }
}

static void pump_all(void)
{
    for (size_t i = 0; i < connection_count; i++)
        h2_raw_pump(connections[i], 0);
    sleep_ms(1); /* the gateways need the processor too */
}

static bool has_all(const struct reader *reader)
{
    return reader->next == published[reader->subject] + 1;
}

static void read_to_the_end(void)
{
    int64_t deadline = deadline_in(60000);

    for (size_t i = 0; i < count;) {
        if (has_all(&readers[i])) {
            i++;
            continue;
        }
        if (now_ms() > deadline)
            fail("a stream never got the end", readers[i].cursor);
        pump_all();
    }
    for (int i = 0; i < 50; i++) { /* a repeated event would arrive now */
        pump_all();
        sleep_ms(1);
    }
}

static void start_all(int64_t window_ms)
{
    char *yaml = text_format("drain: {window: %lldms, timeout: 120s}\n"
                             "limits: {new_streams: 1000}\n"
                             "routes:\n"
                             "  - path: \"/e/{id}\"\n"
                             "    subjects: [\"e.{id}\"]\n"
                             "    history: {store: jetstream, stream: EVENTS}\n",
                             (long long)window_ms);

    nats = nats_fixture_start(NULL);
    js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, &(struct jetstream_stream){.name = "EVENTS", .subjects = {"e.>"}});
    a = gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml});
    b = gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml});
    free(yaml);
}

/* Returns how long it took, in ms. */
static int64_t drain_a(int64_t window_ms)
{
    int64_t begin = now_ms(), deadline = begin + window_ms + scaled_ms(40000);

    kill(a->pid, SIGTERM);
    while (moved < count) {
        int64_t now = now_ms();
        pump_all();
        for (size_t i = 0; i < count; i++)
            step(&readers[i], now);
        if (now > deadline)
            fail("not all streams have moved", "");
    }
    return now_ms() - begin;
}

static void judge(double base_ms, double p99_ms, double cores)
{
    int code = gateway_wait_exit(a);

    if (code != 0)
        fail("the drained gateway's exit code is not 0", "");
    if (p99_ms > (double)scaled_ms(P99_MAX_MS) + 5 * base_ms)
        fail("the other's own clients waited too long", "");
    if (!is_sanitizer_run() && cores > CPU_MAX)
        fail("the other took too much CPU", "");
}

int main(int argc, char **argv)
{
    bool quick = is_sanitizer_run() || (argc == 2 && strcmp(argv[1], "--quick") == 0);
    int64_t window_ms = quick ? 4000 : 20000, took_ms;
    pthread_t publishing, reading;
    size_t from, middle, to;
    double cpu, cores, base_ms, p99_ms;

    if (argc > 1 && !quick)
        fixture_fail("usage: replace [--quick]");
    count = quick ? 2000 : 20000;
    readers = calloc(count, sizeof(*readers));
    latencies_us = calloc(LATENCIES_MAX, sizeof(*latencies_us));
    start_all(window_ms);
    open_own();
    open_all();
    if (pthread_create(&publishing, NULL, publish_all, NULL) != 0 ||
        pthread_create(&reading, NULL, read_own, NULL) != 0)
        fixture_fail("no thread");
    from = latency_count;
    for (int64_t end = now_ms() + BASE_MS; now_ms() < end;)
        pump_all();
    middle = latency_count;
    cpu = gateway_cpu_seconds(b);
    took_ms = drain_a(window_ms);
    cpu = gateway_cpu_seconds(b) - cpu;
    to = latency_count;
    stop_publishing = true;
    pthread_join(publishing, NULL);
    read_to_the_end();
    stop_own = true;
    pthread_join(reading, NULL);
    base_ms = p99_between(from, middle);
    p99_ms = p99_between(middle, to);
    cores = cpu * 1000 / (double)took_ms;
    printf("replace: %zu streams moved in %.1f s, nothing lost, nothing twice; the other gateway took %.2f s of CPU "
           "(%.2f cores), its own %d clients' p99 delivery was %.1f ms, %.1f ms before\n",
           count, (double)took_ms / 1000, cpu, cores, OWN_CONNECTIONS * PER_CONNECTION, p99_ms, base_ms);
    judge(base_ms, p99_ms, cores);
    for (size_t i = 0; i < connection_count; i++)
        h2_raw_destroy(connections[i]);
    for (size_t i = 0; i < OWN_CONNECTIONS; i++)
        h2_raw_destroy(own[i * PER_CONNECTION].h2);
    gateway_destroy(a);
    gateway_destroy(b);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
    free(readers);
    free(latencies_us);
    return 0;
}
