/* durable_last.c - since=last: a snapshot of every subject, then live, with nothing missed between */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define SUBJECTS 1000
#define CLIENTS 12
#define EVENTS 4096 /* in the gateway's rings */
#define AHEAD (EVENTS / 2)

static unsigned updates; /* under load, after each subject's first */

/* What one client believes the stream's content to be: the number of each subject. */
struct copy {
    struct http_client *client;
    struct http_stream *stream;
    const char *path;
    unsigned from, to; /* the subjects it follows */
    unsigned long numbers[SUBJECTS];
    uint64_t sequence;
    unsigned long events;
    bool is_live; /* it has been where the stream was */
    char fault[256];
};

static struct copy copies[CLIENTS];
static unsigned long published[SUBJECTS];
static atomic_bool is_done;
static atomic_uint updated;
static atomic_uint
    allowed; /* updates that may be ahead of the live readers: a ring full of them, or a reader ends as slow */
static bool is_bucket; /* a stream that keeps only the last: what is superseded in time is never seen */

static void setup(void)
{
    updates = is_sanitizer_run() ? 5000 : 30000;
}

TestSuite(durable_last, .init = setup, .fini = durable_stop, .timeout = 150);

static void publish_number(unsigned subject)
{
    char name[32], text[64];

    snprintf(name, sizeof(name), "orders.%u.%u", subject / 500, subject);
    snprintf(text, sizeof(text), "%u %lu", subject, ++published[subject]);
    jetstream_publish_later(durable.js, name, text);
}

static void *publish_all(void *arg)
{
    unsigned *seed = arg, i;

    for (i = 0; i < updates; i++) {
        while (i >= allowed)
            sleep_ms(1);
        publish_number((unsigned)rand_r(seed) % SUBJECTS);
        updated++;
        if (i % 100 == 99)
            jetstream_flush(durable.js);
    }
    jetstream_flush(durable.js);
    is_done = true;
    return NULL;
}

/* The first event of a subject may be of any age; each later one is the very next, since nothing is left out then. */
static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct copy *copy = arg;
    char *end;
    unsigned long subject = strtoul(event->data, &end, 10), number = strtoul(end, NULL, 10);
    uint64_t sequence = durable_sequence(event->id);
    const char *fault = NULL;

    /* on a busy machine the bucket's limit overtakes a reader, or the gateway itself, which has to say so */
    if (is_bucket && strcmp(event->name, "freshet.gap") == 0)
        return;
    if (strcmp(event->name, "message") != 0)
        fault = "not a message";
    else if (subject < copy->from || subject >= copy->to)
        fault = "a subject of others";
    else if (sequence <= copy->sequence)
        fault = "out of order";
    else if (copy->numbers[subject] != 0 && number != copy->numbers[subject] + 1)
        fault = number <= copy->numbers[subject] ? "again" : is_bucket ? NULL : "something is missing before";
    if (fault != NULL && copy->fault[0] == '\0')
        snprintf(copy->fault, sizeof(copy->fault), "%s: %s %s with id %s after %llu, %lu", fault, event->name,
                 event->data, event->id, (unsigned long long)copy->sequence,
                 subject < SUBJECTS ? copy->numbers[subject] : 0);
    copy->sequence = sequence;
    copy->is_live = copy->is_live || sequence + AHEAD / 2 >= SUBJECTS + updated;
    copy->events++;
    if (subject < SUBJECTS)
        copy->numbers[subject] = number;
}

static void open_copy(struct copy *copy, size_t index)
{
    static const struct {
        const char *path;
        unsigned from, to;
    } kinds[] = {
        {"/wide?since=last", 0, SUBJECTS},
        {"/wide/1?since=last", 500, SUBJECTS},
        {"/choose?since=last&subject=orders.0.*&subject=orders.1.>", 0, SUBJECTS},
        {"/choose?since=last&subject=orders.0.7", 7, 8},
    };

    copy->path = kinds[index % 4].path;
    copy->from = kinds[index % 4].from;
    copy->to = kinds[index % 4].to;
    copy->client = http_client_create(durable.gateway, index % 3 == 2 ? HTTP_H1 : HTTP_H2);
    copy->client->on_event = on_event;
    copy->client->on_event_arg = copy;
    copy->stream = http_open(copy->client, copy->path, NULL);
}

static void pump_copy(struct copy *copy)
{
    http_pump(copy->client, 0);
    REQUIRE(copy->fault[0] == '\0', "%s: %s", copy->path, copy->fault);
    REQUIRE(!copy->stream->ended, "%s ended: %d %s", copy->path, copy->stream->status, copy->stream->body);
}

/* A reader of one subject gets too few events to show how far it is. */
static void allow_updates(size_t opened)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < opened; i++)
        if (copies[i].is_live && copies[i].to - copies[i].from > 1 && copies[i].sequence < least)
            least = copies[i].sequence;
    allowed = least == UINT64_MAX ? updates : (unsigned)(least > SUBJECTS ? least - SUBJECTS : 0) + AHEAD;
}

struct content {
    unsigned long numbers[SUBJECTS];
};

static void on_stored(void *arg, uint64_t sequence, const char *subject, const char *data, size_t len)
{
    struct content *content = arg;
    char text[64], *end;

    (void)sequence;
    (void)subject;
    snprintf(text, sizeof(text), "%.*s", (int)len, data);
    unsigned long which = strtoul(text, &end, 10);
    content->numbers[which] = strtoul(end, NULL, 10);
}

static bool is_equal(const struct copy *copy, const struct content *content)
{
    unsigned i;

    for (i = copy->from; i < copy->to; i++)
        if (copy->numbers[i] != content->numbers[i])
            return false;
    return true;
}

static void prepare(const char *live)
{
    struct jetstream_stream stream;

    durable.live = live;
    stream = durable_orders();
    stream.max_messages_per_subject = is_bucket ? 1 : 0;
    durable.nats = nats_fixture_start(NULL);
    REQUIRE(durable.nats != NULL);
    durable.js = jetstream_connect(nats_fixture_url(durable.nats));
    jetstream_create(durable.js, &stream);
    char *yaml = text_format("defaults:\n"
                             "  history: {store: jetstream, stream: ORDERS, live: %s, events: %d}\n"
                             "routes:\n"
                             "  - {path: /wide, subjects: [\"orders.>\"]}\n"
                             "  - {path: \"/wide/{id}\", subjects: [\"orders.{id}.>\"]}\n"
                             "  - {path: /choose, allow: [\"orders.>\"]}\n",
                             live, EVENTS);
    durable.gateway = gateway_start(
        &(struct gateway_options){.nats_url = nats_fixture_url(durable.nats), .yaml = yaml, .workers = 2});
    free(yaml);
    for (unsigned i = 0; i < SUBJECTS; i++)
        publish_number(i);
    jetstream_flush(durable.js);
}

static void run(const char *live)
{
    static struct content content;
    unsigned seed = (unsigned)now_ms(), i;
    int64_t deadline = deadline_in(60000);
    pthread_t publishing;
    size_t opened = 0, done;

    fprintf(stderr, "seed %u\n", seed);
    prepare(live);
    allow_updates(0);
    REQUIRE(pthread_create(&publishing, NULL, publish_all, &seed) == 0);
    while (!is_done || opened < CLIENTS) {
        /* spread over the load: each begins at another moment of it */
        if (opened < CLIENTS && updated >= opened * updates / CLIENTS)
            open_copy(&copies[opened], opened), opened++;
        for (i = 0; i < opened; i++)
            pump_copy(&copies[i]);
        allow_updates(opened);
        REQUIRE(now_ms() < deadline);
    }
    pthread_join(publishing, NULL);
    jetstream_read(durable.js, "ORDERS", on_stored, &content);
    for (done = 0; done < CLIENTS;) {
        for (i = 0; i < CLIENTS; i++)
            pump_copy(&copies[i]);
        if (is_equal(&copies[done], &content))
            done++;
        REQUIRE(now_ms() < deadline, "%s: %lu events, and it is not the stream's content", copies[done].path,
                copies[done].events);
    }
    for (i = 0; i < SUBJECTS; i++)
        REQUIRE(content.numbers[i] == published[i], "the broker has it all");
    for (i = 0; i < CLIENTS; i++)
        http_client_destroy(copies[i].client);
}

Test(durable_last, a_thousand_subjects_under_write_load)
{
    run("consumer");
}

Test(durable_last, a_thousand_subjects_under_write_load_republished)
{
    run("republish");
}

/* What a snapshot is made of is superseded while it is being read. */
Test(durable_last, a_bucket_that_keeps_only_the_last)
{
    is_bucket = true;
    run("consumer");
}
