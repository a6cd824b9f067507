/* source_recorder.h - stands in for the core of a source of plain NATS, and records what it reports */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INTEGRATION_SOURCE_RECORDER_H
#define TESTS_INTEGRATION_SOURCE_RECORDER_H

/*
 * Included by exactly one file of a program: it defines the functions of
 * gateway/core/ingress.h that a source calls, so that a test sees every call in
 * order. Broker, client library and source are the real ones.
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
#include "tests/rigs/recorder.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/publisher.h"
#include "tests/support/sandbox.h"

void ingress_opened(struct channel *channel)
{
    recorder_write(OPENED, channel, 0, NULL);
}

void ingress_denied(struct channel *channel)
{
    recorder_write(DENIED, channel, 0, NULL);
}

void ingress_append(struct channel *channel, const struct message *message)
{
    if (recorder.on_message != NULL)
        recorder.on_message(message);
    recorder_write(EVENT, channel, 0, message);
}

void ingress_lost(struct source *source, struct channel *const *channels, size_t count)
{
    (void)source;
    pthread_mutex_lock(&recorder.lock);
    /* one record for all, of the first */
    recorder_add(LOST, channels[0], 0, NULL);
    for (size_t i = 1; i < count; ++i)
        ++channels[i]->counts[LOST];
    pthread_mutex_unlock(&recorder.lock);
}

/* ---- what tests use ---- */

static inline struct channel *open_channel(struct nats_source *source, const char *pattern)
{
    struct channel *channel = recorder_make_channel(pattern);
    struct source *base = nats_source_base(source);
    base->ops->open(base, channel);
    return channel;
}

static inline struct channel *open_and_await(struct nats_source *source, const char *pattern)
{
    struct channel *channel = open_channel(source, pattern);
    AWAIT(recorder_count(channel, OPENED) == 1);
    return channel;
}

/* Closes, waits for the last word and frees. */
static inline void close_channel(struct nats_source *source, struct channel *channel)
{
    struct source *base = nats_source_base(source);
    base->ops->close(base, channel);
    AWAIT(recorder_count(channel, CLOSED) == 1);
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

/* A broker without logins, a connected source, and a publisher for the tests that connect one. */
struct nats_rig {
    struct nats_fixture *nats;
    struct nats_source *source;
    struct publisher *publisher;
};

static inline struct nats_rig nats_rig_start(void)
{
    struct nats_rig rig = {.nats = nats_fixture_start(NULL)};
    rig.source = start_connected(nats_fixture_url(rig.nats));
    return rig;
}

static inline void nats_rig_connect_publisher(struct nats_rig *rig)
{
    rig->publisher = publisher_connect(nats_fixture_url(rig->nats));
}

static inline void nats_rig_stop(struct nats_rig *rig)
{
    end_source(rig->source);
    publisher_destroy(rig->publisher);
    nats_fixture_stop(rig->nats);
}

#endif
