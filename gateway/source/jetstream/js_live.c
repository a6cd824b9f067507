/* js_live.c - following the stream with a consumer, from one session to the next */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#define HOLE_CHECK_MS 100
#define CONSUMER_NAME_SIZE sizeof(((struct js_live *)NULL)->consumer)

/* ---- channels ---- */

void js_live_index(struct js_source *source, struct js_channel *channel)
{
    const char *pattern = channel_pattern(channel->channel);
    subject_index_add(source->live.index, pattern, strlen(pattern), channel->channel);
    channel->indexed = true;
}

/* live.lock is held. All that comes from here on goes into the channel. */
static void take_in(struct js_source *source, struct js_channel *channel)
{
    struct js_live *live = &source->live;
    js_live_index(source, channel);
    channel->floor = channel->known = live->horizon;
    if (live->has_horizon)
        channel_opened_at(channel->channel, live->horizon);
}

void js_live_open(struct js_source *source, struct channel *channel)
{
    struct js_live *live = &source->live;
    struct js_channel *opened = check_calloc(1, sizeof(*opened));
    opened->channel = channel;
    list_init(&opened->node);
    channel_set_source_data(channel, opened);
    lock_take(&live->lock);
    list_append(&live->channels, &opened->node);
    ++live->channel_count;
    js_republish_open(source, opened);
    if (source->republish.mode == JS_BY_CONSUMER)
        take_in(source, opened);
    lock_give(&live->lock);
}

void js_live_close(struct js_source *source, struct channel *channel)
{
    struct js_live *live = &source->live;
    struct js_channel *closed = channel_source_data(channel);
    const char *pattern = channel_pattern(channel);
    lock_take(&live->lock);
    if (closed->indexed)
        subject_index_remove(live->index, pattern, strlen(pattern), channel);
    list_remove(&closed->node);
    --live->channel_count;
    js_republish_close(source, closed);
    lock_give(&live->lock);
    free(closed);
}

void js_live_break_off(struct js_source *source, const char *reason)
{
    struct js_live *live = &source->live;
    live->working = false;
    js_held_forget(live);
    live->broken = reason;
    js_republish_look_back(source);
    source->republish.mode = JS_BY_CONSUMER;
    for (struct list *node = live->channels.next; node != &live->channels; node = node->next) {
        struct js_channel *channel = LIST_ENTRY(node, struct js_channel, node);
        if (!channel->indexed)
            take_in(source, channel);
    }
    lock_take(&source->inbox.lock);
    js_inbox_wake(source);
    lock_give(&source->inbox.lock);
}

/* live.lock is held. The caller frees the array. */
static struct channel **all_channels(struct js_live *live)
{
    struct channel **channels = check_calloc(live->channel_count + 1, sizeof(struct channel *));
    size_t count = 0;
    for (struct list *node = live->channels.next; node != &live->channels; node = node->next)
        channels[count++] = LIST_ENTRY(node, struct js_channel, node)->channel;
    CHECK(count == live->channel_count);
    return channels;
}

/* ---- where to go on: live.lock is held ---- */

/* As far back as the longest ring reaches. */
static uint64_t window_start(const struct js_source *source, const struct js_stream *stream)
{
    uint64_t reach = stream->last >= source->events ? stream->last - source->events + 1 : 1;
    return stream->first > reach ? stream->first : reach;
}

static void begin_epoch(struct js_source *source, const struct js_stream *stream)
{
    struct js_live *live = &source->live;
    struct channel **channels = all_channels(live);
    bool is_first = !live->has_horizon;
    live->base = source_begin_epoch(&source->base, stream->incarnation, channels, is_first ? 0 : live->channel_count);
    live->horizon = live->base + window_start(source, stream) - 1;
    live->hole_end = 0;
    source->republish.rewind = source->republish.look_from = 0;
    source_advance(&source->base, live->horizon);
    if (is_first) {
        live->has_horizon = true;
        live->warm_at = live->base + stream->last;
        for (size_t i = 0; i < live->channel_count; ++i)
            channel_opened_at(channels[i], live->horizon);
    }
    free(channels);
}

/* The stream doesn't hold any more what comes next: everybody may have missed something. */
static void lose(struct js_source *source, uint64_t up_to)
{
    struct js_live *live = &source->live;
    struct channel **channels = all_channels(live);
    log_write_limited(LOG_WARN, "stream-events-lost", log_str("stream", source->stream),
                      log_u64("after", live->horizon - live->base), log_u64("first", up_to - live->base + 1),
                      log_str("reason", "the stream dropped them before they were delivered"));
    if (up_to < live->horizon)
        up_to = live->horizon;
    if (live->channel_count != 0)
        channels_lost_at(&source->base, channels, live->channel_count, up_to);
    else
        source_advance(&source->base, up_to);
    live->horizon = up_to;
    free(channels);
}

/* The same life of the stream, but less of it than there was: true only if that lasts. */
static bool has_regressed(struct js_source *source, const struct js_stream *stream)
{
    struct js_live *live = &source->live;
    int64_t now_ns = clock_mono_ns();
    if (live->base + stream->last >= live->horizon) {
        source->regression_ns = 0;
        return false;
    }
    if (source->regression_ns == 0)
        source->regression_ns = now_ns;
    return stream->replicas == 1 || now_ns - source->regression_ns >= JS_REGRESSION_MS * NS_PER_MS;
}

static enum js_live_status adopt(struct js_source *source, struct js_link *link, const struct js_stream *stream)
{
    struct js_live *live = &source->live;
    bool is_other = live->has_horizon && stream->incarnation != source->incarnation;
    bool has_shrunk = live->has_horizon && !is_other && has_regressed(source, stream);
    if (live->has_horizon && !is_other && !has_shrunk && source->regression_ns != 0) {
        ++source->failures;
        return JS_LIVE_LATER;
    }
    if ((is_other || has_shrunk) && link->was_current)
        return JS_LIVE_STALE;
    if (is_other || has_shrunk) {
        log_write(LOG_WARN, "stream-recreated", log_str("stream", source->stream), log_u64("first", stream->first),
                  log_u64("last", stream->last), log_bool("same_creation_time", has_shrunk));
        source->checked_subjects = source->checked_subjects && has_shrunk;
        source->regression_ns = 0;
    }
    if (!live->has_horizon || is_other || has_shrunk) {
        source->incarnation = stream->incarnation;
        begin_epoch(source, stream);
    } else if (live->base + stream->first > live->horizon + 1) {
        lose(source, live->base + stream->first - 1);
    }
    if (source->republish.rewind != 0 && live->base + stream->first > source->republish.rewind) {
        source->republish.rewind = 0;
        lose(source, live->horizon);
    }
    js_raise_first(&source->base, live->base + stream->first);
    if (!link->was_current) { /* the pool reads them from then on, and the base can't change any more */
        link->session.base = live->base;
        link->session.replicas = stream->replicas;
    }
    return JS_LIVE_OK;
}

/* ---- the consumer ---- */

static void name_consumer(const struct js_link *link, uint64_t generation, char name[CONSUMER_NAME_SIZE])
{
    const char *unique = strrchr(link->inbox, '.');
    snprintf(name, CONSUMER_NAME_SIZE, "freshet-%.32s-%" PRIu64, unique != NULL ? unique + 1 : link->inbox, generation);
}

static natsStatus delete_named(struct js_source *source, struct js_link *link, const char *name)
{
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = JS_FORGET_WAIT_MS;
    return js_DeleteConsumer(link->session.js, source->stream, name, &options, NULL);
}

/*
 * The broker may yet do what it hasn't answered, even make a consumer after it
 * was asked to delete it. All are heard by one subscription, so that the
 * broker doesn't find this one inactive.
 */
static void add_stray(struct js_link *link, uint64_t generation)
{
    if (link->stray_count == JS_STRAYS_MAX)
        memmove(link->strays, link->strays + 1, --link->stray_count * sizeof(*link->strays));
    link->strays[link->stray_count++] = generation;
}

void js_live_delete_strays(struct js_source *source, struct js_link *link)
{
    char name[CONSUMER_NAME_SIZE];
    unsigned kept = 0;
    bool answers = true;
    for (unsigned i = 0; i != link->stray_count; ++i) {
        natsStatus status = NATS_TIMEOUT;
        name_consumer(link, link->strays[i], name);
        if (answers)
            status = delete_named(source, link, name);
        answers = answers && (status == NATS_OK || status == NATS_NOT_FOUND);
        if (status != NATS_OK) /* not found: it may be on its way */
            link->strays[kept++] = link->strays[i];
    }
    link->stray_count = kept;
}

static void delete_consumer(struct js_source *source, struct js_link *link)
{
    struct js_live *live = &source->live;
    char name[CONSUMER_NAME_SIZE];
    name_consumer(link, live->generation, name);
    natsStatus status = live->consumer[0] != '\0' ? delete_named(source, link, live->consumer) : NATS_OK;
    /* one of another session ends by itself */
    if (status != NATS_OK && status != NATS_NOT_FOUND && strcmp(live->consumer, name) == 0)
        add_stray(link, live->generation);
    live->consumer[0] = '\0';
}

/* From here on what it delivers counts: that may arrive before the broker's answer. */
static uint64_t expect(struct js_source *source, struct js_link *link)
{
    struct js_live *live = &source->live;
    lock_take(&live->lock);
    name_consumer(link, ++live->generation, live->consumer);
    size_t size = strlen(source->stream) + strlen(live->consumer) + sizeof("...");
    live->mark = check_realloc(live->mark, size);
    snprintf(live->mark, size, ".%s.%s.", source->stream, live->consumer);
    live->link = link;
    live->consumer_sequence = 0;
    live->working = true;
    live->broken = NULL;
    int64_t now_ns = clock_mono_ns();
    atomic_store(&live->heard_ns, now_ns);
    live->heartbeats_from_ns = js_in_ms(now_ns, JS_HEARTBEAT_MS / 2);
    uint64_t after = source->republish.rewind != 0 ? source->republish.rewind - 1 : live->horizon;
    if (source->republish.look_from != 0 && after >= source->republish.look_from)
        after = source->republish.look_from - 1;
    source->republish.consumer_at = live->seen = after;
    lock_give(&live->lock);
    return after - live->base + 1;
}

static bool add_consumer(struct js_source *source, struct js_link *link)
{
    uint64_t next = expect(source, link);
    size_t size = link->inbox_len + sizeof(".l");
    char *deliver = check_malloc(size);
    snprintf(deliver, size, "%s.l", link->inbox);
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Name = source->live.consumer;
    config.Description = "freshet follows the stream";
    config.DeliverSubject = deliver;
    config.DeliverPolicy = js_DeliverByStartSequence;
    config.OptStartSeq = next;
    config.AckPolicy = js_AckNone;
    config.MaxDeliver = 1;
    config.FlowControl = true;
    config.Heartbeat = JS_HEARTBEAT_MS * NS_PER_MS;
    config.InactiveThreshold = JS_INACTIVE_MS * NS_PER_MS;
    config.MemoryStorage = true;
    config.Replicas = 1;
    jsErrCode code = 0;
    natsStatus status = js_AddConsumer(NULL, link->session.js, source->stream, &config, NULL, &code);
    free(deliver);
    if (status != NATS_OK)
        js_stream_log_failure(source, link, "consumer", status, code);
    if (status != NATS_OK) { /* also one that the broker says it can't make now may come to be when it has a leader */
        add_stray(link, source->live.generation);
        source->live.consumer[0] = '\0';
    }
    return status == NATS_OK;
}

static void stop_listening(struct js_source *source)
{
    lock_take(&source->live.lock);
    source->live.working = false;
    js_held_forget(&source->live);
    source->live.link = NULL;
    source->live.broken = NULL;
    lock_give(&source->live.lock);
}

enum js_live_status js_live_start(struct js_source *source, struct js_link *link)
{
    struct js_stream stream;
    stop_listening(source);
    switch (js_stream_read(source, link, &stream)) {
    case JS_STREAM_MISSING:
        return JS_LIVE_MISSING;
    case JS_STREAM_FAILED:
        return JS_LIVE_LATER;
    case JS_STREAM_OK:
        break;
    }
    lock_take(&source->live.lock);
    enum js_live_status status = adopt(source, link, &stream);
    if (status == JS_LIVE_OK && source->publish_only)
        source->republish.mode = JS_BY_REPUBLISH; /* nothing has to come */
    lock_give(&source->live.lock);
    if (status != JS_LIVE_OK || source->publish_only)
        return status;
    /* That of the session before, or one that was lost sight of: there is one for each gateway. */
    delete_consumer(source, link);
    js_live_delete_strays(source, link);
    if (!add_consumer(source, link)) {
        stop_listening(source);
        return JS_LIVE_LATER;
    }
    return JS_LIVE_OK;
}

void js_live_end(struct js_source *source, struct js_link *link, bool deletes)
{
    stop_listening(source);
    if (deletes && !atomic_load(&link->session.over))
        delete_consumer(source, link);
}

void js_live_rest(struct js_source *source, struct js_link *link)
{
    delete_consumer(source, link);
    log_write_limited(LOG_INFO, "stream-republishes", log_str("stream", source->stream),
                      log_str("reason", "no consumer is needed while nothing is lost"));
}

const char *js_live_trouble(struct js_source *source, int64_t now_ns)
{
    struct js_live *live = &source->live;
    lock_take(&live->lock);
    const char *reason = live->broken;
    bool working = live->working, rests = source->republish.mode == JS_BY_REPUBLISH;
    lock_give(&live->lock);
    if (rests)
        return NULL;
    if (reason != NULL || !working)
        return reason != NULL ? reason : "there is no consumer";
    return now_ns - atomic_load(&live->heard_ns) >= JS_SILENCE_MS * NS_PER_MS ? "nothing is heard of the consumer"
                                                                              : NULL;
}

/*
 * Sequences that were deleted one by one are no gap, but a purge that
 * overtook the consumer is: then the stream begins behind the hole. Asked at
 * once and not too often, because the longer it takes the likelier it is that
 * the stream's limits have moved its beginning meanwhile.
 */
void js_live_check_hole(struct js_source *source, struct js_link *link)
{
    struct js_live *live = &source->live;
    struct js_stream stream;
    int64_t now_ns = clock_mono_ns();
    lock_take(&live->lock);
    uint64_t hole_end = live->hole_end;
    live->hole_end = 0;
    lock_give(&live->lock);
    if (hole_end == 0 || now_ns - source->hole_checked_ns < HOLE_CHECK_MS * NS_PER_MS)
        return;
    source->hole_checked_ns = now_ns;
    if (js_stream_read(source, link, &stream) != JS_STREAM_OK || stream.incarnation != source->incarnation)
        return;
    lock_take(&live->lock);
    js_raise_first(&source->base, live->base + stream.first);
    if (live->base + stream.first >= hole_end)
        lose(source, live->horizon);
    lock_give(&live->lock);
}
