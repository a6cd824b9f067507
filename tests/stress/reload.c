/* reload.c - configurations come and go under thousands of streams, and no stream ends that may stay */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/*
 * usage: reload [--quick]
 *
 * 5,000 streams on 50 connections (500 with --quick and in a sanitizer run) are
 * open while the gateway gets another configuration 40 times: routes that come
 * and go, limits, listeners, certificates. Meanwhile messages are published, and
 * other streams come and go, on the routes that do. At the end every stream of
 * the first kind is still the same one, and has had every message, in order.
 */
#define PER_CONNECTION 100
#define SUBJECTS 50
#define RELOADS 40

struct reader {
    struct h2_raw *h2;
    unsigned index, subject;
    unsigned long next;
};

static struct rig rig;
static struct reader *readers;
static size_t count;
static struct h2_raw *connections[50];
static size_t connection_count;
static unsigned long published[SUBJECTS]; /* the publishing thread's, until it has been joined */
static atomic_bool stopping;
static atomic_ulong visits, byes;

_Noreturn static void fail(const char *what, const char *detail)
{
    gateway_show_logs();
    fixture_fail("reload: %s: %s", what, detail);
}

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;
    unsigned long number = strtoul(event->data, NULL, 10);

    if (strcmp(event->name, "message") != 0)
        fail(event->name, event->data);
    if (number != reader->next)
        fail(number > reader->next ? "lost before" : "again", event->data);
    reader->next++;
}

static char *yaml_of(int i)
{
    return text_format("limits: {streams: %d, new_streams_per_address: %d}\n"
                       "drain: {window: 500ms}\n"
                       "defaults: {retry: %ds}\n"
                       "routes:\n"
                       "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"%s]}\n"
                       "%s",
                       100 - i % 3, i % 4 == 0 ? 1000000 : 0, 1 + i % 5, i % 2 ? ", \"more.{id}\"" : "",
                       i % 3 == 0 ? "  - {path: \"/v/{id}\", subjects: [\"v.{id}\"]}\n" : "");
}

static void require_open(struct reader *reader)
{
    int64_t deadline = deadline_in(20000);

    while (reader->h2->streams[reader->index].log.parser.retry_ms < 0) {
        h2_raw_pump(reader->h2, 50);
        if (now_ms() > deadline || reader->h2->closed || reader->h2->streams[reader->index].ended)
            fail("a stream did not open", "");
    }
}

static void open_all(void)
{
    for (size_t i = 0; i < count; i++) {
        struct reader *reader = &readers[i];
        char path[32];
        if (i % PER_CONNECTION == 0)
            connections[connection_count++] = h2_raw_connect(rig.gateway->clear_port, 1u << 30, 0);
        *reader = (struct reader){connections[connection_count - 1], 0, (unsigned)(i % SUBJECTS), 1};
        snprintf(path, sizeof(path), "/s/%u", reader->subject);
        reader->index = h2_raw_get(reader->h2, path);
        reader->h2->streams[reader->index].log.on_event = on_event;
        reader->h2->streams[reader->index].log.arg = reader;
    }
    for (size_t i = 0; i < count; i++)
        require_open(&readers[i]);
}

static void *publish_all(void *arg)
{
    (void)arg;
    for (unsigned long total = 0; !stopping; total++) {
        unsigned subject = (unsigned)(total % SUBJECTS);
        char name[16];
        snprintf(name, sizeof(name), "s.%u", subject);
        publish_format(rig.publisher, name, "%lu", ++published[subject]);
        snprintf(name, sizeof(name), "v.%u", subject);
        publish_format(rig.publisher, name, "%lu", total);
        sleep_ms(4);
    }
    publisher_flush(rig.publisher);
    return NULL;
}

/* Streams of a route that comes and goes, on one connection after the other: 200 and a bye, 404, or a retry. */
static void *visit(void *arg)
{
    (void)arg;
    while (!stopping) {
        struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 1u << 20, 0);
        for (int i = 0; i < 20; i++) {
            char path[32];
            snprintf(path, sizeof(path), i % 3 ? "/v/%d" : "/s/%d", i);
            h2_raw_get(h2, path);
        }
        for (int64_t end = now_ms() + 100; now_ms() < end && !h2->closed;)
            h2_raw_pump(h2, 10);
        for (int i = 0; i < 20; i++) {
            visits += h2->streams[i].has_headers;
            byes += event_log_count(&h2->streams[i].log, "freshet.bye");
        }
        h2_raw_destroy(h2);
    }
    return NULL;
}

static void pump_all(void)
{
    for (size_t i = 0; i < connection_count; i++)
        if (!h2_raw_pump(connections[i], 0))
            fail("a connection was closed", "");
}

static void require_all_live(void)
{
    for (size_t i = 0; i < count; i++) {
        const struct h2_raw_stream *stream = &readers[i].h2->streams[readers[i].index];
        if (stream->ended || stream->reset || readers[i].h2->goaway)
            fail("a stream that may stay has ended", "");
    }
}

static void read_to_the_end(void)
{
    int64_t deadline = deadline_in(30000);

    for (size_t i = 0; i < count;) {
        if (readers[i].next == published[readers[i].subject] + 1) {
            i++;
            continue;
        }
        if (now_ms() > deadline)
            fail("a stream did not get the end", "");
        pump_all();
    }
}

static void reload_again_and_again(void)
{
    for (int i = 1; i <= RELOADS; i++) {
        char *yaml = yaml_of(i);
        if (!gateway_reload(rig.gateway, i % 5 == 0 ? "  - address: \"127.0.0.1:0\"\n" : "", yaml))
            fail("a reload was refused", yaml);
        free(yaml);
        for (int64_t end = now_ms() + 50; now_ms() < end;) {
            pump_all();
            sleep_ms(1);
        }
    }
}

int main(int argc, char **argv)
{
    bool quick = is_sanitizer_run() || (argc == 2 && strcmp(argv[1], "--quick") == 0);
    char *yaml = yaml_of(0);
    pthread_t publishing, visiting;
    int64_t begin;
    int code;

    if (argc > 1 && !quick)
        fixture_fail("usage: reload [--quick]");
    count = quick ? 500 : 5000;
    readers = calloc(count, sizeof(*readers));
    rig_start_workers(&rig, yaml, 2);
    free(yaml);
    open_all();
    if (pthread_create(&publishing, NULL, publish_all, NULL) != 0 || pthread_create(&visiting, NULL, visit, NULL) != 0)
        fixture_fail("no thread");
    begin = now_ms();
    reload_again_and_again();
    begin = now_ms() - begin;
    stopping = true;
    pthread_join(publishing, NULL);
    pthread_join(visiting, NULL);
    read_to_the_end();
    require_all_live();
    printf("reload: %d reloads in %.1f s under %zu streams, none ended, nothing lost; %lu visitors, %lu asked back\n",
           RELOADS, (double)begin / 1000, count, (unsigned long)visits, (unsigned long)byes);
    for (size_t i = 0; i < connection_count; i++)
        h2_raw_destroy(connections[i]);
    code = gateway_stop(rig.gateway);
    if (code != 0)
        fail("the gateway's exit code is not 0", "");
    rig_stop(&rig);
    free(readers);
    return 0;
}
