/* source_js_recorder.h - stands in for the core of a JetStream source, and records what it reports */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INTEGRATION_SOURCE_JS_RECORDER_H
#define TESTS_INTEGRATION_SOURCE_JS_RECORDER_H

/*
 * Included by exactly one file of a program: it defines the functions of
 * gateway/core/ingress.h through which a source reports live events, so that a
 * test sees every call in order. Broker, client library and source are the
 * real ones. Reading stored events has tests of its own and isn't used here.
 */

#include <criterion/criterion.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/core/fill.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/js_source.h"
#include "tests/rigs/recorder.h"
#include "tests/support/jetstream.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"

/* ---- what a source reports ---- */

static void move_horizon(struct source *source, uint64_t number)
{
    recorder.horizon = number;
    atomic_store(&source->published, number);
}

/* To each of the channels; and the horizon is there. */
static void write_all(enum record_kind kind, struct source *source, uint64_t number, const struct message *message,
                      struct channel *const *channels, size_t count)
{
    pthread_mutex_lock(&recorder.lock);
    recorder.is_out_of_order = recorder.is_out_of_order || number < recorder.horizon;
    for (size_t i = 0; i < count; ++i)
        recorder_add(kind, channels[i], number, message);
    move_horizon(source, number);
    pthread_mutex_unlock(&recorder.lock);
}

bool ingress_opened_at(struct channel *channel, uint64_t floor)
{
    pthread_mutex_lock(&recorder.lock);
    channel->floor = floor;
    recorder_add(OPENED, channel, floor, NULL);
    pthread_mutex_unlock(&recorder.lock);
    return true;
}

void ingress_append_at(struct source *source, uint64_t number, const struct message *message,
                       struct channel *const *channels, size_t count)
{
    while (atomic_load(&recorder.is_held))
        sleep_ms(1);
    write_all(EVENT, source, number, message, channels, count);
}

/* Only what republishing has lost comes late, and the consumer's tests have none of that. */
void ingress_append_late(struct source *source, uint64_t number, const struct message *message,
                         struct channel *const *channels, size_t count)
{
    (void)source;
    (void)number;
    (void)message;
    (void)channels;
    pthread_mutex_lock(&recorder.lock);
    recorder.is_out_of_order = recorder.is_out_of_order || count != 0;
    pthread_mutex_unlock(&recorder.lock);
}

bool ingress_has(struct channel *channel, uint64_t number)
{
    (void)channel;
    (void)number;
    return true;
}

void ingress_advance(struct source *source, uint64_t number)
{
    pthread_mutex_lock(&recorder.lock);
    if (number > recorder.horizon)
        move_horizon(source, number);
    pthread_mutex_unlock(&recorder.lock);
}

void ingress_lost_at(struct source *source, struct channel *const *channels, size_t count, uint64_t number)
{
    write_all(LOST, source, number, NULL, channels, count);
}

uint64_t ingress_begin_epoch(struct source *source, uint64_t incarnation, struct channel *const *channels, size_t count)
{
    pthread_mutex_lock(&recorder.lock);
    recorder.base = recorder.epochs++ == 0 ? 0 : recorder.horizon + 1;
    recorder.incarnation = incarnation;
    source_push_epoch(source, recorder.base, incarnation);
    recorder_add(EPOCH, NULL, recorder.base, NULL);
    for (size_t i = 0; i < count; ++i)
        recorder_add(EPOCH, channels[i], recorder.base, NULL);
    move_horizon(source, recorder.base);
    pthread_mutex_unlock(&recorder.lock);
    return recorder.base;
}

/* ---- what it doesn't report in these tests ---- */

void ingress_opened(struct channel *channel)
{
    (void)channel;
    abort();
}

void ingress_denied(struct channel *channel)
{
    (void)channel;
    abort();
}

void ingress_append(struct channel *channel, const struct message *message)
{
    (void)channel, (void)message;
    abort();
}

void ingress_lost(struct source *source, struct channel *const *channels, size_t count)
{
    (void)source, (void)channels, (void)count;
    abort();
}

struct fill *fill_create(struct channel *channel)
{
    (void)channel;
    abort();
}

uint64_t fill_end(const struct fill *fill)
{
    (void)fill;
    abort();
}

uint32_t fill_capacity(const struct fill *fill)
{
    (void)fill;
    abort();
}

void fill_add(struct fill *fill, struct encoding *encoding, uint64_t sequence, const struct message *message)
{
    (void)fill, (void)encoding, (void)sequence, (void)message;
    abort();
}

void fill_destroy(struct fill *fill)
{
    (void)fill;
    abort();
}

void fill_finish(struct fill *fill, uint64_t after)
{
    (void)fill, (void)after;
    abort();
}

/* ---- what tests use ---- */

static inline uint64_t horizon(void)
{
    pthread_mutex_lock(&recorder.lock);
    uint64_t number = recorder.horizon;
    pthread_mutex_unlock(&recorder.lock);
    return number;
}

static inline unsigned epochs(void)
{
    pthread_mutex_lock(&recorder.lock);
    unsigned count = recorder.epochs;
    pthread_mutex_unlock(&recorder.lock);
    return count;
}

/* The n-th record of a kind that a channel got. */
static inline struct record record_of(struct channel *channel, enum record_kind kind, unsigned n)
{
    struct record found = {.kind = KINDS};
    pthread_mutex_lock(&recorder.lock);
    for (size_t i = 0; i < recorder.count && found.kind == KINDS; ++i) {
        if (recorder.records[i].channel == channel && recorder.records[i].kind == kind && n-- == 0)
            found = recorder.records[i];
    }
    pthread_mutex_unlock(&recorder.lock);
    cr_assert_neq(found.kind, KINDS, "no such record of %s", channel->pattern);
    return found;
}

static inline struct channel *open_channel(struct js_source *source, const char *pattern)
{
    struct channel *channel = recorder_make_channel(pattern);
    struct source *base = js_source_base(source);
    base->ops->open(base, channel);
    return channel;
}

/* Closes, waits for the last word and frees. */
static inline void close_channel(struct js_source *source, struct channel *channel)
{
    struct source *base = js_source_base(source);
    base->ops->close(base, channel);
    AWAIT(recorder_count(channel, CLOSED) == 1);
    free(channel);
}

/* Of one route subject. */
static inline struct js_source *create_with(const struct config_nats *nats, const char *stream, const char *subject,
                                            uint32_t events)
{
    struct config_stream config = {.name = stream, .events = events, .subjects = &subject, .subjects_count = 1};
    char error[256] = "";
    struct js_source *source = js_source_create(nats, &config, 2, 1, error, sizeof(error));
    cr_assert_not_null(source, "%s", error);
    return source;
}

static inline struct js_source *create_source(const char *url, const char *stream, const char *subject, uint32_t events)
{
    struct config_nats nats = {.url = (char *)(uintptr_t)url};
    return create_with(&nats, stream, subject, events);
}

static inline struct js_source *start_source(const char *url, const char *stream, const char *subject, uint32_t events)
{
    struct js_source *source = create_source(url, stream, subject, events);
    cr_assert_eq(js_source_start(source), JS_START_OK);
    return source;
}

static inline void await_warm(struct js_source *source)
{
    char fault[256] = "";
    cr_assert_eq(js_source_wait_warm(source, scaled_ms(20000), fault, sizeof(fault)), JS_WARM, "%s", fault);
    AWAIT(js_source_is_connected(source));
}

static inline void end_source(struct js_source *source)
{
    int64_t before = now_ms();
    cr_assert(js_source_stop(source));
    cr_assert_lt(now_ms() - before, scaled_ms(4000), "took %d ms to stop", (int)(now_ms() - before));
    js_source_destroy(source);
    cr_assert_not(recorder.is_out_of_order);
}

/* A broker with a stream "S", and a warm source of it. js_rig_start_broker leaves the source, and with NULL the stream. */
struct js_rig {
    struct nats_fixture *nats;
    struct jetstream *js;
    struct js_source *source;
};

static inline struct js_rig js_rig_start_broker(const struct jetstream_stream *stream)
{
    struct js_rig rig = {.nats = nats_fixture_start(NULL)};
    rig.js = jetstream_connect(nats_fixture_url(rig.nats));
    if (stream != NULL)
        jetstream_create(rig.js, stream);
    return rig;
}

static inline struct js_rig js_rig_start(const struct jetstream_stream *stream, const char *subject, uint32_t events)
{
    struct js_rig rig = js_rig_start_broker(stream);
    rig.source = start_source(nats_fixture_url(rig.nats), "S", subject, events);
    await_warm(rig.source);
    return rig;
}

static inline void js_rig_stop(struct js_rig *rig)
{
    if (rig->source != NULL)
        end_source(rig->source);
    jetstream_destroy(rig->js);
    nats_fixture_stop(rig->nats);
}

/* A look at the stream's ends, answered on another thread. */
struct asked {
    struct look look;
    atomic_bool done;
};

static void asked_on_looked(struct look *look)
{
    atomic_store(&((struct asked *)(void *)look)->done, true);
}

static inline void asked_look(struct asked *asked, struct js_source *source)
{
    struct source *base = js_source_base(source);
    asked->look.looked = asked_on_looked;
    base->ops->look(base, &asked->look);
}

/* Call after all other use of NATS in the test has ended. */
static inline void forget_records(void)
{
    /* a thread of the client library may still hold the last acknowledgement, which then looks like a leak */
    nats_CloseAndWait(scaled_ms(5000));
    recorder_forget();
}

/* A channel's events: `count` of them, numbered in sequence from `first`, with the texts "0", "1", … */
static inline void check_events(struct channel *channel, unsigned count, uint64_t first, unsigned first_text)
{
    for (unsigned i = 0; i < count; ++i) {
        struct record record = record_of(channel, EVENT, i);
        char text[16];
        snprintf(text, sizeof(text), "%u", first_text + i);
        cr_assert_eq(record.number, first + i, "event %u is %d", i, (int)record.number);
        cr_assert_str_eq(record.data, text);
    }
}

#endif
