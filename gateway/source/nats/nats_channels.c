/* nats_channels.c - the channels of a NATS source: their subscriptions, and what their readers are told */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_channels.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/core/ingress.h"
#include "gateway/source/nats/nats_delivery.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_feed.h"
#include "gateway/source/nats/nats_marks.h"
#include "gateway/source/nats/nats_state.h"

#define DROP_POLL_MS 50 /* how often a slow subscription is looked at */

#define ENTRY(node) LIST_ENTRY(node, struct nats_channel, table)
#define WAITING(node) LIST_ENTRY(node, struct nats_channel, waiting)

/* ---- announcements ---- */

/* The flag first: a mark that comes in between then reaches the readers whom ingress_opened lets in. */
static void announce_channel(struct nats_source *source, struct nats_channel *channel)
{
    list_remove(&channel->waiting);
    lock_take(&source->table_lock);
    channel->is_announced = true;
    lock_give(&source->table_lock);
    ingress_opened(channel->channel);
}

static void deny_channel(struct nats_source *source, struct nats_channel *channel)
{
    list_remove(&channel->waiting);
    lock_take(&source->table_lock);
    channel->is_denied = true;
    lock_give(&source->table_lock);
    metrics_add_shared(METRIC_NATS_DENIED, 1);
    log_write_limited(LOG_WARN, "nats-denied", log_str("subject", ingress_pattern(channel->channel)));
    ingress_denied(channel->channel);
}

void nats_channels_proven(struct nats_source *source)
{
    CHECK_THREAD(source);
    for (struct list *node = source->waiting.next, *next; node != &source->waiting; node = next) {
        next = node->next;
        /* one whose subscribing failed waits for the next attempt, or for its time */
        if (WAITING(node)->feed != NULL)
            announce_channel(source, WAITING(node));
    }
    if (!source->has_unproven)
        return;
    source->has_unproven = false;
    lock_take(&source->table_lock);
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (!ENTRY(node)->is_unproven)
            continue;
        ENTRY(node)->is_unproven = false;
        if (!ENTRY(node)->is_denied)
            nats_marks_collect(source, ENTRY(node)->channel);
    }
    nats_marks_tell(source);
    lock_give(&source->table_lock);
}

/* ---- subscriptions ---- */

static void subscribe_channel(struct nats_source *source, struct nats_channel *channel)
{
    struct nats_feed *feed = nats_feed_create(source);
    feed->owner = channel;
    natsStatus status =
        nats_feed_subscribe(feed, ingress_pattern(channel->channel), nats_delivery_on_message, source->pending_limit);
    if (status == NATS_INVALID_SUBJECT)
        deny_channel(source, channel);
    if (status != NATS_OK)
        return;
    channel->feed = feed;
    channel->dropped = 0;
    ++channel->feeds;
    atomic_store_explicit(&feed->channel, channel->channel, memory_order_release);
}

void nats_channels_open(struct nats_source *source, struct nats_channel *opens)
{
    CHECK_THREAD(source);
    int64_t now_ns = clock_mono_ns();
    for (struct nats_channel *channel = opens, *next; channel != NULL; channel = next) {
        next = channel->next_open;
        channel->announce_at_ns = now_ns + OPEN_WAIT_MS * NS_PER_MS;
        list_append(&source->waiting, &channel->waiting);
        lock_take(&source->table_lock);
        list_append(&source->table, &channel->table);
        lock_give(&source->table_lock);
        /* Otherwise nats_channels_restore does it. */
        if (source->is_up)
            subscribe_channel(source, channel);
    }
}

static void finish_close(struct nats_channel *channel)
{
    struct channel *closed = channel->channel;
    list_remove(&channel->table);
    free(channel);
    ingress_closed(closed);
}

void nats_channels_close(struct nats_source *source, struct nats_channel *closes)
{
    CHECK_THREAD(source);
    for (struct nats_channel *channel = closes, *next; channel != NULL; channel = next) {
        next = channel->next_close;
        list_remove(&channel->waiting);
        lock_take(&source->table_lock);
        list_remove(&channel->table);
        lock_give(&source->table_lock);
        channel->is_closing = true;
        if (channel->feeds == 0 || source->is_abandoned) {
            finish_close(channel);
            continue;
        }
        list_append(&source->closing, &channel->table);
        /* While the connection is down the call might block; then it is made (or has become needless) later. */
        if (source->is_up && channel->feed != NULL)
            natsSubscription_Unsubscribe(channel->feed->subscription);
    }
}

void nats_channels_drop(struct nats_source *source, struct nats_channel *channel)
{
    lock_take(&source->table_lock);
    list_remove(&channel->waiting);
    list_remove(&channel->table);
    lock_give(&source->table_lock);
    finish_close(channel);
}

void nats_channels_completed(struct nats_feed *feed)
{
    CHECK_THREAD(feed->source);
    struct nats_channel *channel = feed->owner;
    CHECK(channel->feeds != 0);
    if (channel->feed == feed)
        channel->feed = NULL;
    if (--channel->feeds == 0 && channel->is_closing)
        finish_close(channel);
}

/* The feeds themselves end by way of delivery, like any others. */
void nats_channels_detach(struct nats_source *source)
{
    CHECK_THREAD(source);
    for (struct list *node = source->table.next; node != &source->table; node = node->next)
        ENTRY(node)->feed = NULL;
    for (struct list *node = source->closing.next; node != &source->closing; node = node->next)
        ENTRY(node)->feed = NULL;
}

void nats_channels_restore(struct nats_source *source)
{
    CHECK_THREAD(source);
    for (struct list *node = source->closing.next; node != &source->closing; node = node->next) {
        if (ENTRY(node)->feed != NULL)
            natsSubscription_Unsubscribe(ENTRY(node)->feed->subscription);
    }
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (ENTRY(node)->feed == NULL && !ENTRY(node)->is_denied)
            subscribe_channel(source, ENTRY(node));
    }
}

void nats_channels_restored(struct nats_source *source, bool confirmed)
{
    CHECK_THREAD(source);
    for (struct list *node = source->table.next; node != &source->table; node = node->next)
        ENTRY(node)->is_unproven = !confirmed && ENTRY(node)->is_announced;
    source->has_unproven = !confirmed;
}

void nats_channels_abandon(struct nats_source *source)
{
    CHECK_THREAD(source);
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (ENTRY(node)->feed != NULL)
            atomic_store(&ENTRY(node)->feed->channel, NULL);
    }
    while (!list_is_empty(&source->closing)) {
        struct nats_channel *channel = ENTRY(source->closing.next);
        if (channel->feed != NULL)
            atomic_store(&channel->feed->channel, NULL);
        list_remove(&channel->table);
        ingress_closed(channel->channel);
    }
}

/* ---- refusals ---- */

/* Refused, and not denied before. */
static bool is_hit(const struct nats_channel *channel, const struct nats_refused *refused)
{
    return !channel->is_denied && nats_denial_matches(refused, ingress_pattern(channel->channel));
}

unsigned nats_channels_count_denied(struct nats_source *source, const struct nats_refused *refused)
{
    CHECK_THREAD(source);
    unsigned count = 0;
    for (struct list *node = source->table.next; node != &source->table; node = node->next)
        count += is_hit(ENTRY(node), refused);
    return count;
}

void nats_channels_deny(struct nats_source *source, const struct nats_refused *refused)
{
    CHECK_THREAD(source);
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (is_hit(ENTRY(node), refused))
            deny_channel(source, ENTRY(node));
    }
}

/* ---- slow subscriptions ---- */

/*
 * Dropped messages are missing behind those still queued. Readers are told at
 * once, and again when what was queued then has been delivered, so that the
 * last they hear comes after the hole. True: tell now.
 */
static bool look_at_drops(struct nats_source *source, struct nats_channel *channel, int64_t *missing)
{
    int64_t dropped, delivered;
    int pending;
    natsSubscription *subscription = channel->feed->subscription;
    if (natsSubscription_GetDropped(subscription, &dropped) != NATS_OK ||
        natsSubscription_GetPending(subscription, &pending, NULL) != NATS_OK ||
        natsSubscription_GetDelivered(subscription, &delivered) != NATS_OK)
        return false;
    bool grew = dropped != channel->dropped;
    *missing += dropped - channel->dropped;
    channel->dropped = dropped;
    channel->has_dropped_since = channel->has_dropped_since || grew;
    bool passed = channel->is_drop_fenced && (delivered >= channel->drop_fence || pending == 0);
    if (!passed && (channel->is_drop_fenced || !grew))
        return false;
    channel->is_drop_fenced = channel->has_dropped_since;
    channel->has_dropped_since = false;
    channel->drop_fence = delivered + pending;
    source->has_drops = source->has_drops || channel->is_drop_fenced;
    return true;
}

void nats_channels_watch_drops(struct nats_source *source)
{
    CHECK_THREAD(source);
    int64_t missing = 0;
    source->has_drops = false;
    lock_take(&source->table_lock);
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        struct nats_channel *channel = ENTRY(node);
        if (channel->feed == NULL)
            continue;
        if (look_at_drops(source, channel, &missing) && channel->is_announced && !channel->is_denied)
            nats_marks_collect(source, channel->channel);
        source->has_drops = source->has_drops || channel->is_drop_fenced;
    }
    nats_marks_tell(source);
    lock_give(&source->table_lock);
    source->drop_poll_at_ns = clock_mono_ns() + DROP_POLL_MS * NS_PER_MS;
    if (missing != 0) {
        metrics_add_shared(METRIC_NATS_DROPPED, missing);
        log_write_limited(LOG_WARN, "nats-slow-consumer", log_i64("dropped", missing));
    }
}

int64_t nats_channels_tick(struct nats_source *source, int64_t now_ns)
{
    CHECK_THREAD(source);
    int64_t at_ns = 0;
    while (!list_is_empty(&source->waiting)) {
        struct nats_channel *channel = WAITING(source->waiting.next);
        if (channel->announce_at_ns > now_ns) {
            at_ns = channel->announce_at_ns;
            break;
        }
        /* The broker doesn't answer: readers start nevertheless, and get a mark once it does. */
        channel->is_unproven = true;
        source->has_unproven = true;
        announce_channel(source, channel);
    }
    if (source->has_drops && source->drop_poll_at_ns <= now_ns)
        nats_channels_watch_drops(source);
    if (source->has_drops && (at_ns == 0 || source->drop_poll_at_ns < at_ns))
        at_ns = source->drop_poll_at_ns;
    return at_ns;
}
