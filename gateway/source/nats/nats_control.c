/* nats_control.c - the control thread: all calls of the client library that may block */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/source/nats/nats_publish.h"

struct work {
    struct nats_channel *opens, *closes;
    struct publish *publishes;
    struct nats_question *questions;
    struct nats_feed *completed;
    struct nats_denial *denials;
    struct nats_link_news link;
    bool slow_consumer;
    bool stop;
};

static struct nats_denial *take_denials(struct nats_inbox *inbox)
{
    struct nats_denial *denials = inbox->denials;
    inbox->denials = NULL;
    inbox->denials_end = &inbox->denials;
    return denials;
}

/* Everything at once, so that requests of any number share one round trip. inbox.lock is held. */
static void empty_inbox(struct nats_inbox *inbox, struct work *work)
{
    *work = (struct work){
        .opens = inbox->opens,
        .closes = inbox->closes,
        .publishes = inbox->publishes,
        .questions = inbox->questions,
        .completed = inbox->completed,
        .denials = take_denials(inbox),
        .link = inbox->link,
        .slow_consumer = inbox->slow_consumer,
        .stop = inbox->stop,
    };
    inbox->opens = inbox->closes = NULL;
    inbox->opens_end = &inbox->opens;
    inbox->closes_end = &inbox->closes;
    inbox->publishes = NULL;
    inbox->publishes_end = &inbox->publishes;
    inbox->questions = NULL;
    inbox->questions_end = &inbox->questions;
    inbox->completed = NULL;
    inbox->slow_consumer = false;
    /* What is still so stays; what has happened is told once. */
    inbox->link = (struct nats_link_news){.is_up = inbox->link.is_up, .downs_ever = inbox->link.downs_ever};
    inbox->work = false;
}

/* False: the time has come and nothing has happened. */
static bool take_work(struct nats_source *source, struct work *work, int64_t until_ns)
{
    struct nats_inbox *inbox = &source->inbox;
    bool in_time = true;
    pthread_mutex_lock(&inbox->lock);
    while (!inbox->work && in_time)
        in_time = nats_condition_wait(&inbox->changed, &inbox->lock, until_ns);
    bool is_something = inbox->work;
    empty_inbox(inbox, work);
    pthread_mutex_unlock(&inbox->lock);
    return is_something;
}

struct nats_denial *nats_control_take_denials(struct nats_source *source)
{
    pthread_mutex_lock(&source->inbox.lock);
    struct nats_denial *denials = take_denials(&source->inbox);
    pthread_mutex_unlock(&source->inbox.lock);
    return denials;
}

static unsigned count_expected(struct nats_source *source, const struct publish *publishes,
                               const struct nats_refused *refused)
{
    unsigned count = 0;
    if (!refused->is_publish)
        return nats_channels_count(source, refused);
    for (; publishes != NULL; publishes = publishes->next)
        count += nats_refused_matches(refused, publishes->subject);
    return count;
}

/*
 * The client library notes a refusal before the flush returns, but reports it
 * from another thread some time after. Only the last refusal is in the note;
 * reports keep their order, so with its last report all others are there.
 */
static void await_denials(struct nats_source *source, const struct publish *publishes)
{
    const char *last;
    char text[ERROR_TEXT_MAX];
    struct nats_refused refused;
    if (natsConnection_GetLastError(source->connection, &last) != NATS_NOT_PERMITTED)
        return;
    /* Copied at once: the library's reader may write the next one over it. */
    snprintf(text, sizeof(text), "%s", last);
    if (!nats_denial_parse(text, &refused))
        return;
    struct nats_inbox *inbox = &source->inbox;
    unsigned expected = count_expected(source, publishes, &refused), seen = 0;
    int64_t deadline_ns = clock_mono_ns() + OPEN_WAIT_MS * INT64_C(1000000);
    bool in_time = true;
    pthread_mutex_lock(&inbox->lock);
    while (in_time && seen < expected) {
        seen = 0;
        for (const struct nats_denial *denial = inbox->denials; denial != NULL; denial = denial->next)
            seen += strcmp(denial->text, text) == 0;
        if (seen < expected)
            in_time = nats_condition_wait(&inbox->changed, &inbox->lock, deadline_ns);
    }
    pthread_mutex_unlock(&inbox->lock);
}

bool nats_control_confirm(struct nats_source *source, const struct publish *publishes, int64_t ms)
{
    if (natsConnection_FlushTimeout(source->connection, ms) != NATS_OK)
        return false;
    nats_channels_free_retired(source);
    await_denials(source, publishes);
    return true;
}

/* How often the library has connected anew: a round trip that spans one says nothing about what was sent before. */
static uint64_t count_reconnects(const struct nats_source *source)
{
    natsStatistics *statistics = NULL;
    uint64_t count = 0;
    CHECK(natsStatistics_Create(&statistics) == NATS_OK);
    if (natsConnection_GetStats(source->connection, statistics) == NATS_OK)
        natsStatistics_GetCounts(statistics, NULL, NULL, NULL, NULL, &count);
    natsStatistics_Destroy(statistics);
    return count;
}

static natsStatus send_message(struct nats_source *source, const struct publish *publish)
{
    natsMsg *msg = NULL;
    if (publish->header_count == 0 && publish->msg_id == NULL)
        return natsConnection_Publish(source->connection, publish->subject, publish->data, (int)publish->data_len);
    natsStatus status = nats_publish_create(&msg, publish, NULL);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(source->connection, msg);
    natsMsg_Destroy(msg);
    return status;
}

static enum publish_status send_publish(struct nats_source *source, const struct publish *publish)
{
    if (!source->up)
        return PUBLISH_UNAVAILABLE;
    if (publish->data_len > INT_MAX)
        return PUBLISH_TOO_LARGE;
    switch (send_message(source, publish)) {
    case NATS_OK:
        return PUBLISH_OK;
    case NATS_MAX_PAYLOAD:
        return PUBLISH_TOO_LARGE;
    case NATS_NOT_PERMITTED:
        return PUBLISH_DENIED;
    default:
        return PUBLISH_UNAVAILABLE;
    }
}

static void deny_publishes(struct publish *publishes, const struct nats_denial *denials)
{
    struct nats_refused refused;
    for (; denials != NULL; denials = denials->next) {
        if (!nats_denial_parse(denials->text, &refused) || !refused.is_publish)
            continue;
        for (struct publish *publish = publishes; publish != NULL; publish = publish->next) {
            if (publish->status == PUBLISH_OK && nats_refused_matches(&refused, publish->subject))
                publish->status = PUBLISH_DENIED;
        }
    }
}

static void finish_publishes(struct nats_source *source, struct publish *publishes, bool confirmed)
{
    unsigned count = 0;
    for (struct publish *publish = publishes, *next; publish != NULL; publish = next) {
        next = publish->next;
        if (publish->status == PUBLISH_OK && !confirmed)
            publish->status = PUBLISH_UNAVAILABLE;
        ++count;
        publish->done(publish);
    }
    pthread_mutex_lock(&source->inbox.lock);
    source->inbox.publish_count -= count;
    pthread_mutex_unlock(&source->inbox.lock);
}

static bool needs_flush(const struct nats_source *source)
{
    return source->up && (source->has_unproven || source->retired != NULL);
}

/* One round trip to the broker for all that was asked for since the last one. */
static void handle_requests(struct nats_source *source, const struct work *work)
{
    nats_questions_send(source, work->questions); /* first: nothing has to be confirmed of them */
    nats_channels_open(source, work->opens);
    uint64_t reconnects = work->publishes != NULL ? count_reconnects(source) : 0;
    for (struct publish *publish = work->publishes; publish != NULL; publish = publish->next)
        publish->status = send_publish(source, publish);
    bool confirmed = false;
    bool is_flush_due = needs_flush(source) && clock_mono_ns() >= source->flush_at_ns;
    if (source->up && (work->opens != NULL || work->publishes != NULL || is_flush_due)) {
        confirmed = nats_control_confirm(source, work->publishes, OPEN_WAIT_MS);
        source->flush_at_ns = clock_mono_ns() + OPEN_WAIT_MS * INT64_C(1000000);
    }
    struct nats_denial *denials = nats_control_take_denials(source);
    deny_publishes(work->publishes, denials);
    nats_channels_denied(source, denials);
    if (confirmed)
        nats_channels_proven(source);
    nats_channels_tick(source, clock_mono_ns());
    /* Readers don't wait longer than that for their subscription; a publisher may. */
    if (work->publishes == NULL)
        return;
    if (!confirmed && source->up) {
        confirmed =
            nats_control_confirm(source, work->publishes, work->stop ? STOP_FLUSH_MS : PUBLISH_WAIT_MS - OPEN_WAIT_MS);
        denials = nats_control_take_denials(source);
        deny_publishes(work->publishes, denials);
        nats_channels_denied(source, denials);
    }
    finish_publishes(source, work->publishes, confirmed && count_reconnects(source) == reconnects);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t next_wake(struct nats_source *source)
{
    int64_t at = nats_channels_tick(source, clock_mono_ns());
    if (needs_flush(source))
        at = earlier(at, source->flush_at_ns);
    at = earlier(at, nats_questions_tick(source, clock_mono_ns()));
    return earlier(at, source->rebuild_at_ns);
}

/*
 * A connector that is still at work has to come back first. The core may go on
 * to close channels meanwhile; those are let go as their subscriptions end.
 */
static void close_now(struct nats_source *source)
{
    int64_t deadline_ns = clock_mono_ns() + STOP_WAIT_MS * INT64_C(1000000);
    bool begun = false, closed = false;
    struct work work;
    source->up = false;
    nats_link_set_connected(source, false);
    nats_questions_fail(source, NULL);
    for (;;) {
        if (!source->connecting && source->connection != NULL && !begun) {
            nats_link_close(source);
            begun = true;
        }
        if (!source->connecting && closed == begun && source->feeds == 0)
            break;
        if (!take_work(source, &work, deadline_ns)) {
            log_write(LOG_ERROR, "nats-stop-stuck", log_u64("subscriptions", source->feeds));
            source->abandoned = true;
            nats_channels_abandon(source);
            return;
        }
        if (work.link.connector_done) {
            source->connecting = false;
            source->connection = work.link.connection;
        }
        closed = closed || work.link.closed;
        nats_channels_open(source, work.opens);
        nats_channels_close(source, work.closes);
        nats_channels_completed(source, work.completed);
        nats_channels_denied(source, work.denials);
        nats_questions_send(source, work.questions);
        finish_publishes(source, work.publishes, false);
    }
    nats_channels_free_retired(source);
}

/* From here on the core's calls are answered by the callers' own threads. */
static void leave(struct nats_source *source)
{
    struct work work;
    pthread_mutex_lock(&source->inbox.lock);
    empty_inbox(&source->inbox, &work);
    source->inbox.over = true;
    pthread_mutex_unlock(&source->inbox.lock);
    nats_channels_open(source, work.opens);
    nats_channels_close(source, work.closes);
    nats_channels_completed(source, work.completed);
    nats_channels_denied(source, work.denials);
    nats_questions_send(source, work.questions);
    finish_publishes(source, work.publishes, false);
}

void *nats_control_main(void *arg)
{
    struct nats_source *source = arg;
    struct work work;
    int64_t wake_at_ns = 0;
    nats_link_connect(source);
    do {
        take_work(source, &work, wake_at_ns);
        nats_channels_completed(source, work.completed);
        nats_channels_denied(source, work.denials);
        if (work.slow_consumer)
            nats_channels_watch_drops(source);
        nats_link_handle(source, &work.link);
        handle_requests(source, &work);
        nats_channels_close(source, work.closes);
        if (source->rebuild_at_ns != 0 && clock_mono_ns() >= source->rebuild_at_ns && !work.stop)
            nats_link_connect(source);
        wake_at_ns = next_wake(source);
    } while (!work.stop);
    close_now(source);
    leave(source);
    return NULL;
}
