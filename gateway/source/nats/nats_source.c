/* nats_source.c - the source of messages that come over core NATS subscriptions */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_source.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/core/ingress.h"
#include "gateway/source/nats/nats_channels.h"
#include "gateway/source/nats/nats_control.h"
#include "gateway/source/nats/nats_feed.h"
#include "gateway/source/nats/nats_link.h"
#include "gateway/source/nats/nats_questions.h"
#include "gateway/source/nats/nats_state.h"

static struct nats_source *from_base(struct source *base)
{
    return LIST_ENTRY(base, struct nats_source, base);
}

static void do_open(struct source *base, struct channel *channel)
{
    struct nats_source *source = from_base(base);
    struct nats_channel *opened = check_calloc(1, sizeof(*opened));
    opened->channel = channel;
    list_init(&opened->table);
    list_init(&opened->waiting);
    ingress_set_source_data(channel, opened);
    nats_inbox_open(&source->inbox, opened); /* refused: it stays closed, and do_close frees it */
}

static void do_close(struct source *base, struct channel *channel)
{
    struct nats_source *source = from_base(base);
    struct nats_channel *closed = ingress_source_data(channel);
    if (!nats_inbox_close(&source->inbox, closed))
        nats_channels_drop(source, closed);
}

static void do_publish(struct source *base, struct publish *publish)
{
    struct nats_source *source = from_base(base);
    publish->next = NULL;
    /* Refused here, on the caller's thread, when it can't be sent now: a queue would only hide the outage. */
    publish->status = PUBLISH_UNAVAILABLE;
    if (!atomic_load(&source->is_connected) || !nats_inbox_publish(&source->inbox, publish))
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
    .request = nats_questions_ask,
};

struct nats_source *nats_source_create(const struct config_nats *config, unsigned index, uint64_t incarnation,
                                       char *error, size_t error_size)
{
    struct nats_settings settings;
    sigset_t before;
    thread_block_signals(&before);
    bool ok = nats_settings_init(&settings, config, error, error_size);
    thread_restore_signals(&before);
    if (!ok)
        return NULL;
    struct nats_source *source = check_calloc(1, sizeof(*source));
    source_init(&source->base, &ops, index, incarnation);
    source->settings = settings;
    source->pending_limit = PENDING_MESSAGES;
    nats_inbox_init(&source->inbox);
    lock_init(&source->table_lock);
    nats_questions_init(source);
    list_init(&source->table);
    list_init(&source->waiting);
    list_init(&source->closing);
    nats_link_set_callbacks(source);
    return source;
}

void nats_source_set_pending_limit(struct nats_source *source, int messages)
{
    CHECK(!source->is_started && messages > 0);
    source->pending_limit = messages;
}

static void add_listener(struct nats_source *source, const struct nats_listener *listener)
{
    CHECK(!source->is_started && source->listener_count != NATS_LISTENERS_MAX);
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
    CHECK(!source->is_started);
    source->is_started = thread_start(&source->control, "nats-control", 0, nats_control_main, source);
    return source->is_started ? NATS_START_OK : NATS_START_NO_THREAD;
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
    if (!source->is_started || source->is_stopped)
        return !source->is_abandoned;
    nats_inbox_stop(&source->inbox);
    thread_join(source->control);
    source->is_stopped = true;
    return !source->is_abandoned;
}

void nats_source_destroy(struct nats_source *source)
{
    /* What can't be freed stays within sight of leak checkers: it is no leak that grows. */
    static _Atomic(struct nats_source *) abandoned;
    if (source != NULL && source->is_abandoned) {
        source->next_abandoned = atomic_exchange(&abandoned, source);
        return;
    }
    if (source == NULL)
        return;
    CHECK(source->is_stopped || !source->is_started);
    CHECK(list_is_empty(&source->table) && list_is_empty(&source->closing));
    nats_feed_free_limbo(source);
    free(source->lost);
    nats_questions_dispose(source);
    nats_inbox_dispose(&source->inbox);
    lock_dispose(&source->table_lock);
    nats_settings_dispose(&source->settings);
    source_dispose(&source->base);
    free(source);
}
