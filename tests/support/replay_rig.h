/* replay_rig.h - the pool that reads stored messages, with a broker, sessions and readers of a test's own */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_REPLAY_RIG_H
#define TESTS_SUPPORT_REPLAY_RIG_H

/*
 * Comes with replay_channel.h, which a program includes. Broker, client
 * library, pool and fetches are the real ones. Plain C: failures end the
 * process by fixture_fail, so that programs without Criterion can use it, too.
 */

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/core/encode.h"
#include "gateway/core/fetch.h"
#include "gateway/core/fill.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/segment.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/store/js_pool.h"
#include "gateway/source/jetstream/js_session.h"
#include "tests/support/broker_monitor.h"
#include "tests/support/jetstream.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"
#include "tests/support/sse_parser.h"

#define REQUIRE(condition) ((condition) ? (void)0 : fixture_fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition))
#define AWAIT(condition)                                                                                               \
    do {                                                                                                               \
        int64_t give_up_ = deadline_in(60000);                                                                         \
        while (!(condition)) {                                                                                         \
            if (now_ms() > give_up_)                                                                                   \
                fixture_fail("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);                          \
            sleep_ms(2);                                                                                               \
        }                                                                                                              \
    } while (0)

struct replay_rig {
    struct nats_fixture *broker;
    char *url; /* of the broker, or of a cluster; a copy, since a fixture replaces its own at a restart */
    struct jetstream *js;
    struct source source;
    struct js_pool *pool;
    pthread_mutex_t lock;
    struct js_session *session;
    uint64_t base;
    atomic_bool closed, stop;
    uint64_t sessions;
    atomic_uint complaints;
};

static struct replay_rig rig;

/* ---- sessions ---- */

static void rig_on_closed(natsConnection *connection, void *arg)
{
    (void)connection;
    (void)arg;
    if (rig.session != NULL)
        atomic_store(&rig.session->is_over, true);
    atomic_store(&rig.closed, true);
}

/* The library takes one URL at a time. */
static void rig_set_servers(natsOptions *options)
{
    const char *servers[8];
    int count = 0;
    char *list = strdup(rig.url), *rest = list;
    for (char *url; count < 8 && (url = strsep(&rest, ",")) != NULL;)
        servers[count++] = url;
    REQUIRE(natsOptions_SetServers(options, servers, count) == NATS_OK);
    free(list);
}

static bool rig_connect(void)
{
    natsOptions *options;
    jsOptions js_options;
    struct js_session *session = calloc(1, sizeof(*session));
    REQUIRE(natsOptions_Create(&options) == NATS_OK);
    rig_set_servers(options);
    natsOptions_SetAllowReconnect(options, false);
    natsOptions_SetClosedCB(options, rig_on_closed, NULL);
    jsOptions_Init(&js_options);
    js_options.Wait = 2000;
    atomic_init(&session->refs, 1);
    session->stream = "S";
    session->base = rig.base;
    session->number = ++rig.sessions;
    atomic_store(&rig.closed, false);
    rig.session = session;
    natsStatus status = natsConnection_Connect(&session->connection, options);
    natsOptions_Destroy(options);
    if (status == NATS_OK) {
        REQUIRE(natsConnection_JetStream(&session->js, session->connection, &js_options) == NATS_OK);
        return true;
    }
    rig.session = NULL;
    free(session);
    return false;
}

static void rig_disconnect(void)
{
    if (rig.session == NULL)
        return;
    atomic_store(&rig.session->is_over, true);
    natsConnection_Close(rig.session->connection);
    AWAIT(atomic_load(&rig.closed));
    js_session_release(rig.session);
    rig.session = NULL;
}

static struct js_session *rig_acquire(void *owner)
{
    struct js_session *session = NULL;
    (void)owner;
    pthread_mutex_lock(&rig.lock);
    while (!atomic_load(&rig.stop)) {
        if (rig.session != NULL && !atomic_load(&rig.session->is_over)) {
            session = rig.session;
            js_session_retain(session);
            break;
        }
        rig_disconnect();
        if (!rig_connect())
            sleep_ms(20);
    }
    pthread_mutex_unlock(&rig.lock);
    return session;
}

static void rig_complain(void *owner, struct js_session *session)
{
    (void)owner;
    ++rig.complaints;
    atomic_store(&session->is_over, true);
}

/* ---- start and stop ---- */

static void rig_do_look(struct source *source, struct look *look)
{
    (void)source;
    (void)look;
}

static const struct source_ops rig_ops = {.look = rig_do_look};

static void rig_create_stream(void)
{
    jetstream_create(rig.js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}});
}

/* The caller creates the stream. url NULL: a broker of its own. */
static inline void rig_start_at(unsigned threads, const char *url)
{
    memset(&rig, 0, sizeof(rig));
    pthread_mutex_init(&rig.lock, NULL);
    if (url == NULL) {
        rig.broker = nats_fixture_start(NULL);
        REQUIRE(rig.broker != NULL);
        url = nats_fixture_url(rig.broker);
    }
    rig.url = strdup(url);
    rig.js = jetstream_connect(rig.url);
    source_init(&rig.source, &rig_ops, 0, 7);
    rig.pool = js_pool_create(&(struct js_pool_options){
        .host = {.source = &rig.source, .acquire = rig_acquire, .complain = rig_complain}, .threads = threads});
}

static inline void rig_start(unsigned threads)
{
    rig_start_at(threads, NULL);
    rig_create_stream();
}

static inline void rig_stop(void)
{
    atomic_store(&rig.stop, true);
    pthread_mutex_lock(&rig.lock);
    rig_disconnect();
    pthread_mutex_unlock(&rig.lock);
    js_pool_destroy(rig.pool);
    source_dispose(&rig.source);
    jetstream_destroy(rig.js);
    nats_fixture_stop(rig.broker);
    free(rig.url);
    pthread_mutex_destroy(&rig.lock);
    nats_Close();
}

static inline long rig_consumers(void)
{
    return broker_monitor_consumers(nats_fixture_monitor_port(rig.broker), "S");
}

/* count messages "s.<n modulo subjects>" whose text is their sequence in the stream. */
static inline void rig_publish(uint64_t first, unsigned count, unsigned subjects)
{
    for (uint64_t n = first; n < first + count; ++n) {
        char subject[32], text[32];
        snprintf(subject, sizeof(subject), "s.%llu", (unsigned long long)(n % subjects));
        snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
        jetstream_publish_later(rig.js, subject, text);
    }
    jetstream_flush(rig.js);
}

/* Started, with messages 1 to count in the stream. */
static inline void rig_start_with(unsigned threads, unsigned count, unsigned subjects)
{
    rig_start(threads);
    rig_publish(1, count, subjects);
}

/* ---- readers ---- */

struct test_reader {
    struct fetch fetch;
    char *patterns[4];
    pthread_mutex_t lock;
    uint64_t *sequences;
    char (*texts)[24];
    size_t count, capacity;
    unsigned pieces, empty_pieces, largest;
    bool stopped; /* doesn't ask for the next piece */
    bool idle;    /* … and has none in flight now */
    bool done, closed;
};

static void reader_on_event(void *arg, const struct sse_parsed_event *event)
{
    struct test_reader *reader = arg;
    if (reader->count == reader->capacity) {
        reader->capacity = reader->capacity * 2 + 1024;
        reader->sequences = realloc(reader->sequences, reader->capacity * sizeof(*reader->sequences));
        reader->texts = realloc(reader->texts, reader->capacity * sizeof(*reader->texts));
    }
    const char *dash = memchr(event->id, '-', event->id_len);
    REQUIRE(dash != NULL);
    reader->sequences[reader->count] = strtoull(dash + 1, NULL, 10);
    snprintf(reader->texts[reader->count], sizeof(*reader->texts), "%s", event->data);
    ++reader->count;
}

static void reader_on_fetched(struct fetch *fetch)
{
    struct test_reader *reader = (struct test_reader *)(void *)fetch;
    struct sse_parser parser;
    pthread_mutex_lock(&reader->lock);
    ++reader->pieces;
    if (fetch->events == 0) {
        ++reader->empty_pieces;
        REQUIRE(fetch->complete && fetch->segment == NULL);
    } else {
        sse_parser_init(&parser, reader_on_event, reader);
        sse_parser_feed(&parser, fetch->segment->bytes, fetch->size);
        REQUIRE(parser.events == fetch->events);
        sse_parser_dispose(&parser);
        reader->largest = fetch->size > reader->largest ? fetch->size : reader->largest;
        segment_release(fetch->segment);
        fetch->segment = NULL;
    }
    if (fetch->complete)
        REQUIRE(fetch->after >= fetch->target);
    reader->done = fetch->complete;
    bool goes_on = !reader->done && !reader->stopped;
    reader->idle = !goes_on;
    pthread_mutex_unlock(&reader->lock);
    if (goes_on)
        js_pool_fetch(rig.pool, fetch);
}

static void reader_on_closed(struct fetch *fetch)
{
    struct test_reader *reader = (struct test_reader *)(void *)fetch;
    pthread_mutex_lock(&reader->lock);
    reader->closed = true;
    pthread_mutex_unlock(&reader->lock);
}

static inline struct test_reader *reader_create(const char *pattern, enum fetch_from from, uint64_t after,
                                                uint64_t target)
{
    struct test_reader *reader = calloc(1, sizeof(*reader));
    pthread_mutex_init(&reader->lock, NULL);
    reader->patterns[0] = strdup(pattern);
    reader->fetch = (struct fetch){.source = &rig.source,
                                   .format = POLICY_FORMAT_TEXT,
                                   .patterns = reader->patterns,
                                   .pattern_count = 1,
                                   .from = from,
                                   .after = after,
                                   .target = target,
                                   .fetched = reader_on_fetched,
                                   .closed = reader_on_closed};
    return reader;
}

static inline void reader_add_pattern(struct test_reader *reader, const char *pattern)
{
    reader->patterns[reader->fetch.pattern_count++] = strdup(pattern);
}

static inline struct test_reader *reader_start(const char *pattern, enum fetch_from from, uint64_t after,
                                               uint64_t target)
{
    struct test_reader *reader = reader_create(pattern, from, after, target);
    js_pool_fetch(rig.pool, &reader->fetch);
    return reader;
}

#define READER_FLAG(name)                                                                                              \
    static inline bool reader_is_##name(struct test_reader *reader)                                                    \
    {                                                                                                                  \
        pthread_mutex_lock(&reader->lock);                                                                             \
        bool value = reader->name;                                                                                     \
        pthread_mutex_unlock(&reader->lock);                                                                           \
        return value;                                                                                                  \
    }
READER_FLAG(done)
READER_FLAG(closed)
READER_FLAG(idle)

static inline size_t reader_count(struct test_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    size_t count = reader->count;
    pthread_mutex_unlock(&reader->lock);
    return count;
}

/* Asks for one piece, and is idle. */
static inline struct test_reader *reader_start_stopped(const char *pattern, enum fetch_from from, uint64_t after,
                                                       uint64_t target)
{
    struct test_reader *reader = reader_create(pattern, from, after, target);
    reader->stopped = true;
    js_pool_fetch(rig.pool, &reader->fetch);
    AWAIT(reader_is_idle(reader));
    return reader;
}

/* Resumes an idle reader: it asks for the next piece, and for all that follow unless it is `stopped`. */
static inline void reader_go_on(struct test_reader *reader, bool stopped)
{
    pthread_mutex_lock(&reader->lock);
    reader->stopped = stopped;
    reader->idle = reader->done = false;
    pthread_mutex_unlock(&reader->lock);
    js_pool_fetch(rig.pool, &reader->fetch);
}

static inline void reader_close(struct test_reader *reader)
{
    js_pool_fetch_close(rig.pool, &reader->fetch);
    AWAIT(reader_is_closed(reader));
}

static inline void reader_free(struct test_reader *reader)
{
    for (unsigned i = 0; i < reader->fetch.pattern_count; ++i)
        free(reader->patterns[i]);
    pthread_mutex_destroy(&reader->lock);
    free(reader->sequences);
    free(reader->texts);
    free(reader);
}

static inline void reader_end(struct test_reader *reader)
{
    reader_close(reader);
    reader_free(reader);
}

/* It has every step-th number of [first, last], once and in order, each with its own text. */
static inline void reader_check(struct test_reader *reader, uint64_t first, uint64_t last, uint64_t step)
{
    size_t expected = last < first ? 0 : (size_t)((last - first) / step + 1);
    if (reader->count != expected)
        fixture_fail("%zu events instead of %zu", reader->count, expected);
    for (size_t i = 0; i < expected; ++i) {
        uint64_t sequence = first + i * step;
        if (reader->sequences[i] != sequence || strtoull(reader->texts[i], NULL, 10) != sequence)
            fixture_fail("event %zu is %llu \"%s\" instead of %llu", i, (unsigned long long)reader->sequences[i],
                         reader->texts[i], (unsigned long long)sequence);
    }
}

/* Waits for all of it, checks it as above, and ends the reader. */
static inline void reader_finish(struct test_reader *reader, uint64_t first, uint64_t last, uint64_t step)
{
    AWAIT(reader_is_done(reader));
    reader_check(reader, first, last, step);
    reader_end(reader);
}

#endif
