/* js_source.c - the source of events that a JetStream stream stores */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_source.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/core/ingress.h"
#include "gateway/source/jetstream/js_channels.h"
#include "gateway/source/jetstream/js_control.h"
#include "gateway/source/jetstream/js_held.h"
#include "gateway/source/jetstream/js_publish.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/jetstream/store/js_pool.h"

#define OUTAGE_MS 10000 /* the stream couldn't be followed for so long: not connected */

static struct js_source *from_base(struct source *base)
{
    return LIST_ENTRY(base, struct js_source, base);
}

/* ---- what the core asks ---- */

static void do_open(struct source *base, struct channel *channel)
{
    js_channels_open(from_base(base), channel);
}

static void do_close(struct source *base, struct channel *channel)
{
    struct js_source *source = from_base(base);
    js_channels_close(source, channel);
    /* Otherwise a thread of the pool, which still uses the channel, says so later. */
    if (js_pool_cancel_fill(source->pool, channel))
        ingress_closed(channel);
}

static void do_publish(struct source *base, struct publish *publish)
{
    struct js_source *source = from_base(base);
    publish->next = NULL;
    publish->stored = publish->duplicate = false;
    /* Refused here, on the caller's thread, when it can't be sent now: a queue would only hide the outage. */
    publish->status = PUBLISH_UNAVAILABLE;
    if (!js_inbox_publish(&source->inbox, publish))
        publish->done(publish);
}

static bool do_is_connected(struct source *base)
{
    return js_source_is_connected(from_base(base));
}

static void do_look(struct source *base, struct look *look)
{
    struct js_source *source = from_base(base);
    look->next = NULL;
    if (js_inbox_look(&source->inbox, look))
        return;
    /* Control is gone, so nothing can be asked: the last known bounds are better than no answer. */
    look->last = atomic_load(&base->published);
    look->first = atomic_load(&base->first);
    if (look->first == 0 || look->first > look->last + 1)
        look->first = look->last + 1;
    look->looked(look);
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

static struct js_session *acquire_session(void *owner)
{
    struct js_source *source = owner;
    return js_inbox_acquire(&source->inbox);
}

static void complain_of_session(void *owner, struct js_session *session)
{
    struct js_source *source = owner;
    js_inbox_give_up(&source->inbox, session);
}

/* ---- lifetime ---- */

static void copy_config(struct js_source *source, const struct config_stream *stream)
{
    source->stream = check_strdup(stream->name);
    source->events = stream->events;
    source->is_publish_only = stream->events == 0;
    source->subjects_count = stream->subjects_count;
    source->subjects = check_calloc(stream->subjects_count + 1, sizeof(char *));
    for (unsigned i = 0; i != stream->subjects_count; ++i)
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
    lock_init(&source->live.lock);
    js_inbox_init(&source->inbox);
    js_publish_init(source);
    list_init(&source->live.channels);
    js_held_init(&source->live);
    js_republish_init(source, stream->live == CONFIG_LIVE_REPUBLISH);
    source->live.index = subject_index_create();
    source->pool = js_pool_create(&(struct js_pool_options){
        .host = {.source = &source->base, .acquire = acquire_session, .complain = complain_of_session, .owner = source},
        .threads = replays});
    return source;
}

enum js_start_status js_source_start(struct js_source *source)
{
    CHECK(!source->is_started);
    source->is_started = thread_start(&source->control, "js-control", 0, js_control_main, source);
    return source->is_started ? JS_START_OK : JS_START_NO_THREAD;
}

struct source *js_source_base(struct js_source *source)
{
    return &source->base;
}

bool js_source_is_connected(const struct js_source *source)
{
    int64_t lost_ns = atomic_load(&source->lost_ns);
    return atomic_load(&source->inbox.is_warm) && (lost_ns == 0 || clock_mono_ns() - lost_ns < OUTAGE_MS * NS_PER_MS);
}

enum js_warm js_source_wait_warm(struct js_source *source, int64_t ms, char *fault, size_t fault_size)
{
    int64_t deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
    switch (js_inbox_await_settled(&source->inbox, deadline_ns, fault, fault_size)) {
    case JS_SETTLED_WARM:
        return JS_WARM;
    case JS_SETTLED_FAULT:
        return JS_WARM_FAULT;
    case JS_SETTLED_NOT_YET:
        break;
    }
    return JS_WARM_NOT_YET;
}

bool js_source_stop(struct js_source *source)
{
    if (source->is_stopped)
        return !source->is_abandoned;
    js_inbox_stop(&source->inbox, source->is_started);
    if (source->is_started)
        thread_join(source->control);
    source->is_stopped = true;
    return !source->is_abandoned;
}

static void free_config(struct js_source *source)
{
    for (unsigned i = 0; i != source->subjects_count; ++i)
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
    if (!source->is_started)
        js_source_stop(source);
    CHECK(source->is_stopped);
    js_pool_destroy(source->pool);
    if (source->is_abandoned) {
        source->next_abandoned = atomic_exchange(&abandoned, source);
        return;
    }
    CHECK(list_is_empty(&source->live.channels) && source->live.held == NULL);
    js_republish_dispose(source);
    subject_index_destroy(source->live.index);
    subject_index_dispose_matches(&source->live.matches);
    free(source->live.mark);
    free(source->spare);
    js_publish_dispose(source);
    js_inbox_dispose(&source->inbox);
    lock_dispose(&source->live.lock);
    free_config(source);
    source_dispose(&source->base);
    free(source);
}
