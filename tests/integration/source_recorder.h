/* source_recorder.h - stands where the core is and writes down what a source tells it */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INTEGRATION_SOURCE_RECORDER_H
#define TESTS_INTEGRATION_SOURCE_RECORDER_H

/*
 * Included by exactly one file of a program: it defines the functions of
 * gateway/core/source.h that a source calls, so that a test sees each call in
 * its order. Broker, client library and source are the real ones.
 */

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/base/metrics.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/source.h"
#include "gateway/source/nats/nats_source.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/publisher.h"
#include "tests/support/sandbox.h"

enum record_kind { OPENED = 0, DENIED, MESSAGE, LOST, CLOSED, KINDS };

struct channel {
    char pattern[256];
    void *source_data;
    unsigned counts[KINDS];
};

struct record {
    enum record_kind kind;
    struct channel *channel; /* of a common mark: the first */
    char subject[64];
    char data[64];
};

static struct {
    pthread_mutex_t lock;
    struct record *records;
    size_t count, capacity;
    void (*on_message)(const struct message *message); /* on the delivery thread, unlocked */
} recorder = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void record_locked(enum record_kind kind, struct channel *channel, const struct message *message)
{
    if (recorder.count == recorder.capacity) {
        recorder.capacity = recorder.capacity * 2 + 1024;
        recorder.records = realloc(recorder.records, recorder.capacity * sizeof(*recorder.records));
    }
    struct record *record = &recorder.records[recorder.count++];
    *record = (struct record){.kind = kind, .channel = channel};
    if (message != NULL) {
        snprintf(record->subject, sizeof(record->subject), "%.*s", (int)message->subject_len, message->subject);
        snprintf(record->data, sizeof(record->data), "%.*s", (int)message->data_len, message->data);
    }
}

static void record(enum record_kind kind, struct channel *channel, const struct message *message)
{
    pthread_mutex_lock(&recorder.lock);
    ++channel->counts[kind];
    record_locked(kind, channel, message);
    pthread_mutex_unlock(&recorder.lock);
}

void ingress_opened(struct channel *channel)
{
    record(OPENED, channel, NULL);
}

void ingress_denied(struct channel *channel)
{
    record(DENIED, channel, NULL);
}

void ingress_append(struct channel *channel, const struct message *message)
{
    if (recorder.on_message != NULL)
        recorder.on_message(message);
    record(MESSAGE, channel, message);
}

void ingress_lost(struct source *source, struct channel *const *channels, size_t count)
{
    (void)source;
    pthread_mutex_lock(&recorder.lock);
    for (size_t i = 0; i < count; ++i)
        ++channels[i]->counts[LOST];
    record_locked(LOST, channels[0], NULL);
    pthread_mutex_unlock(&recorder.lock);
}

void ingress_closed(struct channel *channel)
{
    record(CLOSED, channel, NULL);
}

const char *ingress_pattern(const struct channel *channel)
{
    return channel->pattern;
}

void ingress_set_source_data(struct channel *channel, void *data)
{
    channel->source_data = data;
}

void *ingress_source_data(const struct channel *channel)
{
    return channel->source_data;
}

/* ---- what tests use ---- */

static inline unsigned count_of(struct channel *channel, enum record_kind kind)
{
    pthread_mutex_lock(&recorder.lock);
    unsigned count = channel->counts[kind];
    pthread_mutex_unlock(&recorder.lock);
    return count;
}

#define AWAIT_MS(condition, ms)                                                                                        \
    do {                                                                                                               \
        int64_t give_up_ = deadline_in(ms);                                                                            \
        while (!(condition)) {                                                                                         \
            cr_assert(now_ms() < give_up_, "waited in vain for %s", #condition);                                       \
            sleep_ms(2);                                                                                               \
        }                                                                                                              \
    } while (0)
#define AWAIT(condition) AWAIT_MS(condition, 15000)

static inline struct channel *make_channel(const char *pattern)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    snprintf(channel->pattern, sizeof(channel->pattern), "%s", pattern);
    return channel;
}

static inline struct channel *open_channel(struct nats_source *source, const char *pattern)
{
    struct channel *channel = make_channel(pattern);
    struct source *base = nats_source_base(source);
    base->ops->open(base, channel);
    return channel;
}

static inline struct channel *open_and_await(struct nats_source *source, const char *pattern)
{
    struct channel *channel = open_channel(source, pattern);
    AWAIT(count_of(channel, OPENED) == 1);
    return channel;
}

/* Closes, waits for the last word and frees. */
static inline void close_channel(struct nats_source *source, struct channel *channel)
{
    struct source *base = nats_source_base(source);
    base->ops->close(base, channel);
    AWAIT(count_of(channel, CLOSED) == 1);
    free(channel);
}

static inline struct nats_source *start_with(const struct config_nats *config)
{
    char error[256] = "";
    struct nats_source *source = nats_source_create(config, 0, 1, error, sizeof(error));
    cr_assert_not_null(source, "%s", error);
    cr_assert_eq(nats_source_start(source), NATS_START_OK);
    return source;
}

static inline struct nats_source *start_source(const char *url)
{
    struct config_nats config = {.url = (char *)(uintptr_t)url};
    return start_with(&config);
}

static inline struct nats_source *start_connected(const char *url)
{
    struct nats_source *source = start_source(url);
    AWAIT(nats_source_is_connected(source));
    return source;
}

static inline void end_source(struct nats_source *source)
{
    cr_assert(nats_source_stop(source));
    nats_source_destroy(source);
    cr_assert_eq(metrics_sum(METRIC_NATS_CONNECTED), 0);
}

/* Call after everything else of NATS in the test has ended. */
static inline void forget_records(void)
{
    free(recorder.records);
    recorder.records = NULL;
    recorder.count = recorder.capacity = 0;
    recorder.on_message = NULL;
}

#endif
