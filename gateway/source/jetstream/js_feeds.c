/* js_feeds.c - republish mode's subscriptions: one for each channel, from session to session */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/source/jetstream/js_internal.h"
#include "proto/subject_map.h"

#define POLL_MS 1000
#define QUIET_MS 150 /* after that long what was stored before has arrived, if it is to arrive at all */

#define FEED(entry) LIST_ENTRY(entry, struct js_feed, node)
#define UNFED(entry) LIST_ENTRY(entry, struct js_channel, unfed)

int64_t js_feeds_due(const struct js_source *source)
{
    return source->republish.wanted ? source->republish.poll_at_ns : 0;
}

static void on_complete(void *arg)
{
    struct js_feed *feed = arg;
    struct js_source *source = feed->link->source;
    lock_take(&source->inbox.lock);
    feed->completed = true;
    --feed->link->listening;
    js_inbox_wake(source);
    lock_give(&source->inbox.lock);
}

static bool subscribe(struct js_source *source, struct js_feed *feed, const char *subject)
{
    struct js_link *link = feed->link;
    if (natsConnection_Subscribe(&feed->subscription, link->session.connection, subject, js_republish_on_message,
                                 feed) != NATS_OK)
        return false;
    natsSubscription_SetPendingLimits(feed->subscription, JS_PENDING_MESSAGES, JS_PENDING_BYTES);
    lock_take(&source->inbox.lock);
    ++link->listening;
    lock_give(&source->inbox.lock);
    if (natsSubscription_SetOnCompleteCB(feed->subscription, on_complete, feed) == NATS_OK)
        return true;
    lock_take(&source->inbox.lock); /* closed in between */
    --link->listening;
    feed->completed = true;
    lock_give(&source->inbox.lock);
    return false;
}

/* A feed for each channel that has none; false: the session is over. What can't be mapped stays unconfirmed. */
static bool feed_channels(struct js_source *source, struct js_link *link, size_t *count)
{
    struct js_live *live = &source->live;
    struct js_republish *republish = &source->republish;
    char subject[SUBJECT_MAX + 1];
    size_t len;
    bool ok = true;
    lock_take(&live->lock);
    while (ok && !list_is_empty(&republish->unfed)) {
        struct js_channel *channel = UNFED(republish->unfed.next);
        list_remove(&channel->unfed);
        if (!subject_map(republish->from, republish->to, channel_pattern(channel->channel), subject, &len)) {
            log_write_limited(LOG_WARN, "stream-does-not-republish", log_str("stream", source->stream),
                              log_str("subject", channel_pattern(channel->channel)),
                              log_str("instead", "followed with a consumer"));
            if (republish->mode == JS_BY_REPUBLISH)
                js_live_break_off(source, "a channel's subject isn't republished");
            continue;
        }
        struct js_feed *feed = check_calloc(1, sizeof(*feed));
        feed->link = link;
        feed->owner = channel;
        channel->feed = feed;
        list_init(&feed->node);
        list_append(&link->feeds, &feed->node);
        ++*count;
        lock_give(&live->lock); /* delivery takes it while it holds what subscribing needs */
        ok = subscribe(source, feed, subject);
        lock_take(&live->lock);
    }
    lock_give(&live->lock);
    return ok;
}

/* The broker has the subscriptions: messages may go into their channels, and do from `last` on. */
static void index_fed(struct js_source *source, struct js_link *link)
{
    lock_take(&source->live.lock);
    for (struct list *node = link->feeds.next; node != &link->feeds; node = node->next) {
        struct js_channel *channel = FEED(node)->owner;
        if (channel != NULL && !channel->indexed)
            js_live_index(source, channel);
    }
    lock_give(&source->live.lock);
}

static void confirm_fed(struct js_source *source, struct js_link *link, uint64_t last)
{
    struct js_live *live = &source->live;
    struct js_republish *republish = &source->republish;
    lock_take(&live->lock);
    uint64_t floor = last > live->horizon ? last : live->horizon;
    for (struct list *node = link->feeds.next; node != &link->feeds; node = node->next) {
        struct js_channel *channel = FEED(node)->owner;
        if (channel == NULL || channel->confirmed)
            continue;
        channel->confirmed = true;
        --republish->unconfirmed;
        if (republish->mode == JS_BY_REPUBLISH && channel->floor < floor)
            channel->floor = channel->known = floor;
        channel_opened_at(channel->channel, floor);
    }
    if (republish->switch_at < last)
        republish->switch_at = last;
    republish->has_asked = true;
    js_republish_try(source);
    lock_give(&live->lock);
}

/* Ends the subscriptions of closed channels; frees those that a round trip has passed since they ended. */
static void end_feeds(struct js_source *source, struct js_link *link)
{
    for (struct list *node = link->feeds.next, *next; node != &link->feeds; node = next) {
        struct js_feed *feed = FEED(node);
        next = node->next;
        lock_take(&source->live.lock);
        bool is_closed = feed->owner == NULL;
        lock_give(&source->live.lock);
        if (!is_closed)
            continue;
        lock_take(&source->inbox.lock);
        bool completed = feed->completed;
        lock_give(&source->inbox.lock);
        if (feed->retired) {
            list_remove(&feed->node);
            natsSubscription_Destroy(feed->subscription);
            free(feed);
        } else if (completed) {
            feed->retired = true;
        } else if (!feed->ending) {
            feed->ending = true;
            natsSubscription_Unsubscribe(feed->subscription);
        }
    }
}

void js_feeds_free(struct js_link *link)
{
    while (!list_is_empty(&link->feeds)) {
        struct js_feed *feed = FEED(link->feeds.next);
        list_remove(&feed->node);
        natsSubscription_Destroy(feed->subscription);
        free(feed);
    }
}

/*
 * Channels that are quiet don't move the horizon, nor does what nobody wants.
 * What was stored a poll ago and hasn't come by now is not for us; should one
 * come nevertheless, it is late, and readers are told.
 */
static void advance(struct js_source *source, uint64_t last)
{
    struct js_live *live = &source->live;
    struct js_republish *republish = &source->republish;
    lock_take(&live->lock);
    int64_t quiet_ns = clock_mono_coarse_ns() - republish->arrived_ns;
    if (republish->mode == JS_BY_REPUBLISH && quiet_ns >= QUIET_MS * NS_PER_MS && republish->polled > live->horizon) {
        live->horizon = republish->polled;
        source_advance(&source->base, live->horizon);
    }
    republish->polled = last;
    js_republish_polled(source, last);
    if (republish->mode == JS_BY_REPUBLISH && last > live->horizon)
        republish->poll_at_ns = js_in_ms(clock_mono_ns(), QUIET_MS);
    lock_give(&live->lock);
}

bool js_feeds_work(struct js_source *source, struct js_link *link)
{
    struct js_republish *republish = &source->republish;
    struct js_stream stream;
    size_t fed = 0;
    if (!republish->wanted || republish->to == NULL)
        return true;
    if (!feed_channels(source, link, &fed))
        return false;
    int64_t now_ns = clock_mono_ns();
    lock_take(&source->live.lock);
    bool rests = republish->rests, stray_heard = source->live.stray_heard;
    republish->rests = false;
    lock_give(&source->live.lock);
    if (rests)
        js_live_rest(source, link);
    if (fed == 0 && now_ns < republish->poll_at_ns)
        return true;
    end_feeds(source, link);
    if (stray_heard) {
        lock_take(&source->live.lock);
        source->live.stray_heard = false;
        lock_give(&source->live.lock);
        js_live_delete_strays(source, link);
    }
    if (natsConnection_FlushTimeout(link->session.connection, JS_API_WAIT_MS) != NATS_OK)
        return false;
    index_fed(source, link);
    republish->poll_at_ns = js_in_ms(now_ns, POLL_MS);
    enum js_stream_status status = js_stream_read(source, link, &stream);
    if (status != JS_STREAM_OK) {
        lock_take(&source->live.lock);
        republish->was_unreachable |= status == JS_STREAM_FAILED;
        lock_give(&source->live.lock);
        return true;
    }
    uint64_t last = link->session.base + stream.last;
    lock_take(&source->live.lock);
    if (stream.incarnation != source->incarnation && republish->mode == JS_BY_REPUBLISH)
        js_live_break_off(source, "the stream was made anew");
    bool is_ours = stream.incarnation == source->incarnation;
    lock_give(&source->live.lock);
    if (!is_ours)
        return true;
    js_raise_first(&source->base, link->session.base + stream.first);
    confirm_fed(source, link, last);
    advance(source, last);
    return true;
}
