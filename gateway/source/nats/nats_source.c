/* nats_source.c - the source of messages that come over core NATS subscriptions */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_source.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/source/nats/nats_internal.h"

static struct nats_source *from_base(struct source *base)
{
    return LIST_ENTRY(base, struct nats_source, base);
}

void nats_inbox_wake(struct nats_source *source)
{
    source->inbox.work = true;
    pthread_cond_signal(&source->inbox.changed);
}

static void do_open(struct source *base, struct channel *channel)
{
    struct nats_source *source = from_base(base);
    struct nats_inbox *inbox = &source->inbox;
    struct nats_channel *opened = check_calloc(1, sizeof(*opened));
    opened->channel = channel;
    list_init(&opened->table);
    list_init(&opened->waiting);
    channel_set_source_data(channel, opened);
    pthread_mutex_lock(&inbox->lock);
    if (!inbox->over) {
        *inbox->opens_end = opened;
        inbox->opens_end = &opened->next_open;
        nats_inbox_wake(source);
    }
    pthread_mutex_unlock(&inbox->lock);
}

static void do_close(struct source *base, struct channel *channel)
{
    struct nats_source *source = from_base(base);
    struct nats_inbox *inbox = &source->inbox;
    struct nats_channel *closed = channel_source_data(channel);
    pthread_mutex_lock(&inbox->lock);
    bool over = inbox->over;
    if (!over) {
        *inbox->closes_end = closed;
        inbox->closes_end = &closed->next_close;
        nats_inbox_wake(source);
    }
    pthread_mutex_unlock(&inbox->lock);
    /* Control is gone, and with it everything that could still use the channel. */
    if (over) {
        pthread_mutex_lock(&source->table_lock);
        list_remove(&closed->table);
        list_remove(&closed->waiting);
        pthread_mutex_unlock(&source->table_lock);
        free(closed);
        channel_closed(channel);
    }
}

static void do_publish(struct source *base, struct publish *publish)
{
    struct nats_source *source = from_base(base);
    struct nats_inbox *inbox = &source->inbox;
    publish->next = NULL;
    /* Refused here, on the caller's thread, when it can't be sent now: a queue would only hide the outage. */
    publish->status = PUBLISH_UNAVAILABLE;
    pthread_mutex_lock(&inbox->lock);
    bool takes =
        !inbox->over && !inbox->stop && atomic_load(&source->is_connected) && inbox->publish_count < PUBLISH_QUEUE_MAX;
    if (takes) {
        ++inbox->publish_count;
        *inbox->publishes_end = publish;
        inbox->publishes_end = &publish->next;
        nats_inbox_wake(source);
    }
    pthread_mutex_unlock(&inbox->lock);
    if (!takes)
        publish->done(publish);
}

static bool do_is_connected(struct source *base)
{
    return nats_source_is_connected(from_base(base));
}

static const struct source_ops ops = {
    .open = do_open,
    .close = do_close,
    .publish = do_publish,
    .is_connected = do_is_connected,
    .request = nats_question_ask,
};

struct nats_source *nats_source_create(const struct config_nats *config, unsigned index, uint64_t incarnation,
                                       char *error, size_t error_size)
{
    struct nats_settings settings;
    sigset_t before;
    nats_thread_block_signals(&before);
    bool ok = nats_settings_init(&settings, config, error, error_size);
    nats_thread_restore_signals(&before);
    if (!ok)
        return NULL;
    struct nats_source *source = check_calloc(1, sizeof(*source));
    source_init(&source->base, &ops, index, incarnation);
    source->settings = settings;
    source->pending_limit = PENDING_MESSAGES;
    CHECK(pthread_mutex_init(&source->inbox.lock, NULL) == 0);
    CHECK(pthread_mutex_init(&source->table_lock, NULL) == 0);
    nats_condition_init(&source->inbox.changed);
    nats_condition_init(&source->inbox.marked);
    source->inbox.opens_end = &source->inbox.opens;
    source->inbox.closes_end = &source->inbox.closes;
    source->inbox.publishes_end = &source->inbox.publishes;
    source->inbox.denials_end = &source->inbox.denials;
    nats_questions_init(source);
    list_init(&source->table);
    list_init(&source->waiting);
    list_init(&source->closing);
    nats_link_set_callbacks(source);
    return source;
}

void nats_source_set_pending_limit(struct nats_source *source, int messages)
{
    CHECK(!source->started && messages > 0);
    source->pending_limit = messages;
}

static void add_listener(struct nats_source *source, const struct nats_listener *listener)
{
    CHECK(!source->started && source->listener_count != NATS_LISTENERS_MAX);
    source->listeners[source->listener_count++] = *listener;
}

void nats_source_listen(struct nats_source *source, const char *subject,
                        void (*heard)(void *arg, const char *data, size_t len), void *arg)
{
    add_listener(source, &(struct nats_listener){.subject = subject, .heard = heard, .arg = arg});
}

void nats_source_answer(struct nats_source *source, const char *subject,
                        void (*asked)(void *arg, const char *data, size_t len, const char *reply), void *arg)
{
    add_listener(source, &(struct nats_listener){.subject = subject, .asked = asked, .arg = arg});
}

enum nats_start_status nats_source_start(struct nats_source *source)
{
    CHECK(!source->started);
    source->started = nats_thread_start(&source->control, nats_control_main, source);
    return source->started ? NATS_START_OK : NATS_START_NO_THREAD;
}

struct source *nats_source_base(struct nats_source *source)
{
    return &source->base;
}

bool nats_source_is_connected(const struct nats_source *source)
{
    return atomic_load(&source->is_connected);
}

bool nats_source_stop(struct nats_source *source)
{
    if (!source->started || source->stopped)
        return !source->abandoned;
    pthread_mutex_lock(&source->inbox.lock);
    source->inbox.stop = true;
    nats_inbox_wake(source);
    pthread_cond_broadcast(&source->inbox.marked);
    pthread_mutex_unlock(&source->inbox.lock);
    CHECK(pthread_join(source->control, NULL) == 0);
    source->stopped = true;
    return !source->abandoned;
}

void nats_source_destroy(struct nats_source *source)
{
    /* What can't be freed stays within sight of leak checkers: it is no leak that grows. */
    static _Atomic(struct nats_source *) abandoned;
    if (source != NULL && source->abandoned) {
        source->next_abandoned = atomic_exchange(&abandoned, source);
        return;
    }
    if (source == NULL)
        return;
    CHECK(source->stopped || !source->started);
    CHECK(list_is_empty(&source->table) && source->inbox.opens == NULL);
    struct nats_feed *feed;
    while ((feed = source->limbo) != NULL) {
        source->limbo = feed->next;
        free(feed);
    }
    free(source->lost);
    nats_questions_dispose(source);
    pthread_cond_destroy(&source->inbox.marked);
    pthread_cond_destroy(&source->inbox.changed);
    pthread_mutex_destroy(&source->inbox.lock);
    pthread_mutex_destroy(&source->table_lock);
    nats_settings_dispose(&source->settings);
    source_dispose(&source->base);
    free(source);
}
