/* js_source.c - the source of events that a JetStream stream stores */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/source/jetstream/js_internal.h"
#include "gateway/source/jetstream/store/js_pool.h"

static struct js_source *from_base(struct source *base)
{
    return LIST_ENTRY(base, struct js_source, base);
}

void js_inbox_wake(struct js_source *source)
{
    source->inbox.work = true;
    condition_signal(&source->inbox.changed);
}

void js_source_settle_warm(struct js_source *source)
{
    if (atomic_exchange(&source->is_warm, true))
        return;
    lock_take(&source->inbox.lock);
    source->inbox.warm = true;
    condition_broadcast(&source->inbox.settled);
    lock_give(&source->inbox.lock);
}

/* ---- what the core asks ---- */

static void do_open(struct source *base, struct channel *channel)
{
    js_live_open(from_base(base), channel);
}

static void do_close(struct source *base, struct channel *channel)
{
    struct js_source *source = from_base(base);
    js_live_close(source, channel);
    if (js_pool_cancel_fill(source->pool, channel))
        channel_closed(channel);
}

static void do_publish(struct source *base, struct publish *publish)
{
    struct js_source *source = from_base(base);
    struct js_inbox *inbox = &source->inbox;
    publish->next = NULL;
    publish->stored = publish->duplicate = false;
    /* Refused here, on the caller's thread, when it can't be sent now: a queue would only hide the outage. */
    publish->status = PUBLISH_UNAVAILABLE;
    lock_take(&inbox->lock);
    bool takes = !inbox->over && !inbox->stop && inbox->current != NULL && !atomic_load(&inbox->current->over) &&
                 inbox->publish_count < JS_PUBLISH_QUEUE_MAX;
    if (takes) {
        ++inbox->publish_count;
        *inbox->publishes_end = publish;
        inbox->publishes_end = &publish->next;
        js_inbox_wake(source);
    }
    lock_give(&inbox->lock);
    if (!takes)
        publish->done(publish);
}

static bool do_is_connected(struct source *base)
{
    return js_source_is_connected(from_base(base));
}

/* What is known without asking: better than no answer when there is nobody to ask any more. */
static void do_look(struct source *base, struct look *look)
{
    struct js_source *source = from_base(base);
    struct js_inbox *inbox = &source->inbox;
    look->next = NULL;
    lock_take(&inbox->lock);
    bool over = inbox->over;
    if (!over) {
        *inbox->looks_end = look;
        inbox->looks_end = &look->next;
        js_inbox_wake(source);
    }
    lock_give(&inbox->lock);
    if (over) {
        look->last = atomic_load(&base->published);
        look->first = atomic_load(&base->first);
        if (look->first == 0 || look->first > look->last + 1)
            look->first = look->last + 1;
        look->looked(look);
    }
}

static void do_fill(struct source *base, struct channel *channel, uint64_t after)
{
    js_pool_fill(from_base(base)->pool, channel, after);
}

static void do_fetch(struct source *base, struct fetch *fetch)
{
    js_pool_fetch(from_base(base)->pool, fetch);
}

static void do_fetch_close(struct source *base, struct fetch *fetch)
{
    js_pool_fetch_close(from_base(base)->pool, fetch);
}

static const struct source_ops ops = {
    .open = do_open,
    .close = do_close,
    .publish = do_publish,
    .is_connected = do_is_connected,
    .look = do_look,
    .fill = do_fill,
    .fetch = do_fetch,
    .fetch_close = do_fetch_close,
};

/* ---- what the pool of readers asks ---- */

static struct js_session *acquire(void *owner)
{
    struct js_source *source = owner;
    struct js_inbox *inbox = &source->inbox;
    struct js_session *session = NULL;
    lock_take(&inbox->lock);
    while (!inbox->stop && (inbox->current == NULL || atomic_load(&inbox->current->over)))
        condition_wait(&inbox->settled, &inbox->lock);
    if (!inbox->stop) {
        session = inbox->current;
        js_session_retain(session);
    }
    lock_give(&inbox->lock);
    return session;
}

static void complain(void *owner, struct js_session *session)
{
    js_link_give_up(owner, session);
}

/* ---- lifetime ---- */

static void copy_config(struct js_source *source, const struct config_stream *stream)
{
    source->stream = check_strdup(stream->name);
    source->events = stream->events;
    source->publish_only = stream->events == 0;
    source->subjects_count = stream->subjects_count;
    source->subjects = check_calloc(stream->subjects_count + 1, sizeof(char *));
    for (unsigned i = 0; i < stream->subjects_count; ++i)
        source->subjects[i] = check_strdup(stream->subjects[i]);
    for (int i = 0; i < source->settings.servers_count && i < JS_SERVERS_MAX; ++i)
        source->servers[source->servers_count++] = check_strdup(source->settings.servers[i]);
}

struct js_source *js_source_create(const struct config_nats *nats, const struct config_stream *stream, unsigned replays,
                                   unsigned index, char *error, size_t error_size)
{
    struct nats_settings settings;
    sigset_t before;
    thread_block_signals(&before);
    bool ok = nats_settings_init(&settings, nats, error, error_size);
    thread_restore_signals(&before);
    if (!ok)
        return NULL;
    struct js_source *source = check_calloc(1, sizeof(*source));
    source_init(&source->base, &ops, index, 0);
    source->settings = settings;
    copy_config(source, stream);
    lock_init(&source->inbox.lock);
    lock_init(&source->live.lock);
    condition_init(&source->inbox.changed);
    condition_init(&source->inbox.settled);
    source->inbox.looks_end = &source->inbox.looks;
    source->inbox.publishes_end = &source->inbox.publishes;
    source->inbox.sent_end = &source->inbox.sent;
    list_init(&source->live.channels);
    js_held_init(&source->live);
    js_republish_init(source, stream->live == CONFIG_LIVE_REPUBLISH);
    source->live.index = subject_index_create();
    source->pool = js_pool_create(&(struct js_pool_options){
        .host = {.source = &source->base, .acquire = acquire, .complain = complain, .owner = source},
        .threads = replays});
    return source;
}

enum js_start_status js_source_start(struct js_source *source)
{
    CHECK(!source->started);
    source->started = thread_start(&source->control, "js-control", 0, js_control_main, source);
    return source->started ? JS_START_OK : JS_START_NO_THREAD;
}

struct source *js_source_base(struct js_source *source)
{
    return &source->base;
}

bool js_source_is_connected(const struct js_source *source)
{
    int64_t lost_ns = atomic_load(&source->lost_ns);
    return atomic_load(&source->is_warm) && (lost_ns == 0 || clock_mono_ns() - lost_ns < JS_OUTAGE_MS * NS_PER_MS);
}

enum js_warm js_source_wait_warm(struct js_source *source, int64_t ms, char *fault, size_t fault_size)
{
    struct js_inbox *inbox = &source->inbox;
    int64_t deadline_ns = js_in_ms(clock_mono_ns(), ms);
    bool in_time = true;
    lock_take(&inbox->lock);
    while (in_time && !(inbox->warm && inbox->current != NULL) && !inbox->stop && inbox->fault[0] == '\0')
        in_time = condition_wait_until(&inbox->settled, &inbox->lock, deadline_ns);
    enum js_warm result = inbox->fault[0] != '\0'                 ? JS_WARM_FAULT
                          : inbox->warm && inbox->current != NULL ? JS_WARM
                                                                  : JS_WARM_NOT_YET;
    if (result == JS_WARM_FAULT)
        snprintf(fault, fault_size, "%s", inbox->fault);
    lock_give(&inbox->lock);
    return result;
}

bool js_source_stop(struct js_source *source)
{
    if (source->stopped)
        return !source->abandoned;
    lock_take(&source->inbox.lock);
    source->inbox.stop = true;
    atomic_store(&source->is_stopping, true);
    source->inbox.over = source->inbox.over || !source->started;
    js_inbox_wake(source);
    condition_broadcast(&source->inbox.settled);
    lock_give(&source->inbox.lock);
    if (source->started)
        thread_join(source->control);
    source->stopped = true;
    return !source->abandoned;
}

static void free_config(struct js_source *source)
{
    for (unsigned i = 0; i < source->subjects_count; ++i)
        free(source->subjects[i]);
    free(source->subjects);
    for (int i = 0; i < source->servers_count; ++i) {
        explicit_bzero(source->servers[i], strlen(source->servers[i]));
        free(source->servers[i]);
    }
    free(source->stream);
    nats_settings_dispose(&source->settings);
}

void js_source_destroy(struct js_source *source)
{
    /* What can't be freed stays within sight of leak checkers: it is no leak that grows. */
    static _Atomic(struct js_source *) abandoned;
    if (source == NULL)
        return;
    if (!source->started)
        js_source_stop(source);
    CHECK(source->stopped);
    js_pool_destroy(source->pool);
    if (source->abandoned) {
        source->next_abandoned = atomic_exchange(&abandoned, source);
        return;
    }
    CHECK(list_is_empty(&source->live.channels) && source->inbox.publish_count == 0);
    js_republish_dispose(source);
    subject_index_destroy(source->live.index);
    subject_matches_dispose(&source->live.matches);
    free(source->live.mark);
    free(source->spare);
    condition_dispose(&source->inbox.settled);
    condition_dispose(&source->inbox.changed);
    lock_dispose(&source->inbox.lock);
    lock_dispose(&source->live.lock);
    free_config(source);
    source_dispose(&source->base);
    free(source);
}
