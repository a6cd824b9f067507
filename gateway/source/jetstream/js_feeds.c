/* js_feeds.c - republish mode's subscriptions: one for each channel, on one session */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_feeds.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/core/ingress.h"
#include "gateway/source/jetstream/js_channels.h"
#include "gateway/source/jetstream/js_live.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"
#include "proto/subject_map.h"

#define FEED(entry) LIST_ENTRY(entry, struct js_feed, node)
#define UNFED(entry) LIST_ENTRY(entry, struct js_channel, unfed)

static void on_complete(void *arg)
{
    struct js_feed *feed = arg;
    js_inbox_complete(&feed->link->source->inbox, &feed->link->news, &feed->is_completed);
}

static bool subscribe_feed(struct js_source *source, struct js_feed *feed, const char *subject)
{
    struct js_link *link = feed->link;
    if (natsConnection_Subscribe(&feed->subscription, link->session.connection, subject, js_republish_on_message,
                                 feed) != NATS_OK)
        return false;
    natsSubscription_SetPendingLimits(feed->subscription, JS_PENDING_MESSAGES, JS_PENDING_BYTES);
    js_inbox_listen(&source->inbox, &link->news);
    if (natsSubscription_SetOnCompleteCB(feed->subscription, on_complete, feed) == NATS_OK)
        return true;
    js_inbox_complete(&source->inbox, &link->news, &feed->is_completed); /* closed in between */
    return false;
}

bool js_feeds_subscribe(struct js_source *source, struct js_link *link, size_t *count)
{
    CHECK_THREAD(source);
    struct js_live *live = &source->live;
    struct js_republish *republish = &source->republish;
    char subject[SUBJECT_MAX + 1];
    size_t len;
    bool ok = true;
    lock_take(&live->lock);
    while (ok && !list_is_empty(&republish->unfed)) {
        struct js_channel *channel = UNFED(republish->unfed.next);
        list_remove(&channel->unfed);
        if (!subject_map(republish->from, republish->to, ingress_pattern(channel->channel), subject, &len)) {
            log_write_limited(LOG_WARN, "stream-does-not-republish", log_str("stream", source->stream),
                              log_str("subject", ingress_pattern(channel->channel)),
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
        ok = subscribe_feed(source, feed, subject);
        lock_take(&live->lock);
    }
    lock_give(&live->lock);
    return ok;
}

void js_feeds_index(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    lock_take(&source->live.lock);
    for (struct list *node = link->feeds.next; node != &link->feeds; node = node->next) {
        struct js_channel *channel = FEED(node)->owner;
        if (channel != NULL && !channel->is_indexed)
            js_channels_index(source, channel);
    }
    lock_give(&source->live.lock);
}

void js_feeds_confirm(struct js_source *source, struct js_link *link, uint64_t last)
{
    CHECK_THREAD(source);
    struct js_live *live = &source->live;
    struct js_republish *republish = &source->republish;
    lock_take(&live->lock);
    uint64_t floor = last > live->horizon ? last : live->horizon;
    for (struct list *node = link->feeds.next; node != &link->feeds; node = node->next) {
        struct js_channel *channel = FEED(node)->owner;
        if (channel == NULL || channel->is_confirmed)
            continue;
        channel->is_confirmed = true;
        --republish->unconfirmed;
        if (ingress_opened_at(channel->channel, floor) && channel->floor < floor)
            channel->floor = channel->known = floor;
    }
    if (republish->switch_at < last)
        republish->switch_at = last;
    republish->has_asked = true;
    js_republish_try(source);
    lock_give(&live->lock);
}

bool js_feeds_are_empty(const struct js_link *link)
{
    CHECK_THREAD(link->source);
    for (const struct list *node = link->feeds.next; node != &link->feeds; node = node->next) {
        int messages, bytes;
        if (natsSubscription_GetPending(FEED(node)->subscription, &messages, &bytes) == NATS_OK && messages != 0)
            return false;
    }
    return true;
}

void js_feeds_end(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    for (struct list *node = link->feeds.next, *next; node != &link->feeds; node = next) {
        struct js_feed *feed = FEED(node);
        next = node->next;
        lock_take(&source->live.lock);
        bool is_closed = feed->owner == NULL;
        lock_give(&source->live.lock);
        if (!is_closed)
            continue;
        bool completed = js_inbox_is_completed(&source->inbox, &feed->is_completed);
        /* A round trip after its end, the library's reader is past the subscription. */
        if (feed->is_retired) {
            list_remove(&feed->node);
            natsSubscription_Destroy(feed->subscription);
            free(feed);
        } else if (completed) {
            feed->is_retired = true;
        } else if (!feed->is_ending) {
            feed->is_ending = true;
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
