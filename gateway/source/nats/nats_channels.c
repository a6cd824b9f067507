/* nats_channels.c - subscriptions, and what is said about them to the channels */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_internal.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

#define ENTRY(node) LIST_ENTRY(node, struct nats_channel, table)
#define WAITING(node) LIST_ENTRY(node, struct nats_channel, waiting)

/* ---- marks: table_lock is held ---- */

/* One array for all channels of a mark, kept: an outage of 100,000 channels must not begin with growing it. */
static void collect_lost(struct nats_source *source, size_t *count, struct channel *channel)
{
    if (*count == source->lost_capacity) {
        source->lost_capacity = source->lost_capacity == 0 ? 64 : source->lost_capacity * 2;
        source->lost = check_realloc(source->lost, source->lost_capacity * sizeof(struct channel *));
    }
    source->lost[(*count)++] = channel;
}

static void tell_lost(struct nats_source *source, size_t count)
{
    if (count != 0)
        channels_lost(&source->base, source->lost, count);
}

void nats_channels_mark(struct nats_source *source, uint64_t session)
{
    size_t count = 0;
    pthread_mutex_lock(&source->table_lock);
    if (atomic_load(&source->marked) < session) {
        /* Who has not been announced yet has no readers that could have missed anything. */
        for (struct list *node = source->table.next; node != &source->table; node = node->next) {
            if (ENTRY(node)->announced && !ENTRY(node)->denied)
                collect_lost(source, &count, ENTRY(node)->channel);
        }
        tell_lost(source, count);
        atomic_store(&source->marked, session);
    }
    pthread_mutex_unlock(&source->table_lock);
    pthread_mutex_lock(&source->inbox.lock);
    pthread_cond_broadcast(&source->inbox.marked);
    pthread_mutex_unlock(&source->inbox.lock);
}

/* ---- announcements ---- */

/* The flag first: a mark that comes in between then reaches the readers whom channel_opened lets in. */
static void announce(struct nats_source *source, struct nats_channel *channel)
{
    list_remove(&channel->waiting);
    pthread_mutex_lock(&source->table_lock);
    channel->announced = true;
    pthread_mutex_unlock(&source->table_lock);
    channel_opened(channel->channel);
}

static void deny(struct nats_source *source, struct nats_channel *channel)
{
    list_remove(&channel->waiting);
    pthread_mutex_lock(&source->table_lock);
    channel->denied = true;
    pthread_mutex_unlock(&source->table_lock);
    metrics_add_shared(METRIC_NATS_DENIED, 1);
    log_write_limited(LOG_WARN, "nats-denied", log_str("subject", channel_pattern(channel->channel)));
    channel_denied(channel->channel);
}

void nats_channels_proven(struct nats_source *source)
{
    size_t count = 0;
    for (struct list *node = source->waiting.next, *next; node != &source->waiting; node = next) {
        next = node->next;
        if (WAITING(node)->feed != NULL)
            announce(source, WAITING(node));
    }
    if (!source->has_unproven)
        return;
    source->has_unproven = false;
    pthread_mutex_lock(&source->table_lock);
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (!ENTRY(node)->unproven)
            continue;
        ENTRY(node)->unproven = false;
        if (!ENTRY(node)->denied)
            collect_lost(source, &count, ENTRY(node)->channel);
    }
    tell_lost(source, count);
    pthread_mutex_unlock(&source->table_lock);
}

/* ---- subscriptions ---- */

static void subscribe(struct nats_source *source, struct nats_channel *channel)
{
    const char *pattern = channel_pattern(channel->channel);
    struct nats_feed *feed = check_calloc(1, sizeof(*feed));
    feed->source = source;
    feed->owner = channel;
    natsStatus status =
        natsConnection_Subscribe(&feed->subscription, source->connection, pattern, nats_delivery_on_message, feed);
    if (status != NATS_OK) {
        free(feed);
        if (status == NATS_INVALID_SUBJECT)
            deny(source, channel);
        return;
    }
    /* Its default in bytes follows from the limit in messages, and is far too much. */
    natsSubscription_SetPendingLimits(feed->subscription, source->pending_limit, PENDING_BYTES);
    if (natsSubscription_SetOnCompleteCB(feed->subscription, nats_delivery_on_complete, feed) != NATS_OK) {
        /* The connection was closed in between: delivery may still look at the feed, but finds no channel in it. */
        natsSubscription_Destroy(feed->subscription);
        feed->next = source->limbo;
        source->limbo = feed;
        return;
    }
    channel->feed = feed;
    channel->dropped = 0;
    ++channel->feeds;
    ++source->feeds;
    atomic_store_explicit(&feed->channel, channel->channel, memory_order_release);
}

void nats_channels_open(struct nats_source *source, struct nats_channel *opens)
{
    int64_t now_ns = clock_mono_ns();
    for (struct nats_channel *channel = opens, *next; channel != NULL; channel = next) {
        next = channel->next_open;
        channel->announce_at_ns = now_ns + OPEN_WAIT_MS * INT64_C(1000000);
        list_append(&source->waiting, &channel->waiting);
        pthread_mutex_lock(&source->table_lock);
        list_append(&source->table, &channel->table);
        pthread_mutex_unlock(&source->table_lock);
        /* Otherwise nats_channels_restore does it. */
        if (source->up)
            subscribe(source, channel);
    }
}

static void finish_close(struct nats_channel *channel)
{
    struct channel *closed = channel->channel;
    list_remove(&channel->table);
    free(channel);
    channel_closed(closed);
}

void nats_channels_close(struct nats_source *source, struct nats_channel *closes)
{
    for (struct nats_channel *channel = closes, *next; channel != NULL; channel = next) {
        next = channel->next_close;
        list_remove(&channel->waiting);
        pthread_mutex_lock(&source->table_lock);
        list_remove(&channel->table);
        pthread_mutex_unlock(&source->table_lock);
        channel->closing = true;
        if (channel->feeds == 0 || source->abandoned) {
            finish_close(channel);
            continue;
        }
        list_append(&source->closing, &channel->table);
        /* While the connection is down the call might block; then it is made (or has become needless) later. */
        if (source->up && channel->feed != NULL)
            natsSubscription_Unsubscribe(channel->feed->subscription);
    }
}

void nats_channels_completed(struct nats_source *source, struct nats_feed *feeds)
{
    for (struct nats_feed *feed = feeds, *next; feed != NULL; feed = next) {
        struct nats_channel *channel = feed->owner;
        next = feed->next;
        feed->next = source->retired;
        source->retired = feed;
        --source->feeds;
        if (channel == NULL) {
            nats_own_completed(source, feed);
            continue;
        }
        if (channel->feed == feed)
            channel->feed = NULL;
        if (--channel->feeds == 0 && channel->closing)
            finish_close(channel);
    }
}

void nats_channels_free_retired(struct nats_source *source)
{
    struct nats_feed *feed;
    while ((feed = source->retired) != NULL) {
        source->retired = feed->next;
        natsSubscription_Destroy(feed->subscription);
        free(feed);
    }
}

/* The feeds themselves end by way of delivery, like any others. */
void nats_channels_detach(struct nats_source *source)
{
    for (struct list *node = source->table.next; node != &source->table; node = node->next)
        ENTRY(node)->feed = NULL;
    for (struct list *node = source->closing.next; node != &source->closing; node = node->next)
        ENTRY(node)->feed = NULL;
}

void nats_channels_restore(struct nats_source *source)
{
    uint64_t session = atomic_load(&source->session);
    for (struct list *node = source->closing.next; node != &source->closing; node = node->next) {
        if (ENTRY(node)->feed != NULL)
            natsSubscription_Unsubscribe(ENTRY(node)->feed->subscription);
    }
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (ENTRY(node)->feed == NULL && !ENTRY(node)->denied)
            subscribe(source, ENTRY(node));
    }
    nats_own_restore(source);
    /* The answer comes after the library's own resubscriptions, too. */
    bool confirmed = nats_control_confirm(source, NULL, RECONNECT_FLUSH_MS);
    nats_channels_denied(source, nats_control_take_denials(source));
    pthread_mutex_lock(&source->inbox.lock);
    bool is_up = source->inbox.link.is_up;
    pthread_mutex_unlock(&source->inbox.lock);
    /* Down again: the next time marks it all. */
    if (!is_up)
        return;
    /* One mark covers all; those whose subscriptions stand late get another once they do. */
    for (struct list *node = source->table.next; node != &source->table; node = node->next)
        ENTRY(node)->unproven = !confirmed && ENTRY(node)->announced;
    source->has_unproven = !confirmed;
    nats_channels_mark(source, session);
    if (confirmed)
        nats_channels_proven(source);
}

void nats_channels_abandon(struct nats_source *source)
{
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        if (ENTRY(node)->feed != NULL)
            atomic_store(&ENTRY(node)->feed->channel, NULL);
    }
    while (!list_is_empty(&source->closing)) {
        struct nats_channel *channel = ENTRY(source->closing.next);
        if (channel->feed != NULL)
            atomic_store(&channel->feed->channel, NULL);
        list_remove(&channel->table);
        channel_closed(channel->channel);
    }
}

/* ---- refusals ---- */

unsigned nats_channels_count(struct nats_source *source, const struct nats_refused *refused)
{
    unsigned count = 0;
    for (struct list *node = source->table.next; node != &source->table; node = node->next)
        count += !ENTRY(node)->denied && nats_refused_matches(refused, channel_pattern(ENTRY(node)->channel));
    return count;
}

void nats_channels_denied(struct nats_source *source, struct nats_denial *denials)
{
    for (struct nats_denial *denial = denials, *following; denial != NULL; denial = following) {
        struct nats_refused refused;
        following = denial->next;
        bool is_known = nats_denial_parse(denial->text, &refused);
        if (!is_known || refused.is_publish)
            log_write_limited(LOG_WARN, "nats-refused", log_str("reason", denial->text));
        if (is_known && refused.is_publish)
            nats_questions_fail(source, &refused);
        else if (is_known)
            nats_own_denied(source, &refused);
        for (struct list *node = source->table.next; is_known && !refused.is_publish && node != &source->table;
             node = node->next) {
            if (!ENTRY(node)->denied && nats_refused_matches(&refused, channel_pattern(ENTRY(node)->channel)))
                deny(source, ENTRY(node));
        }
        free(denial);
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
    channel->drop_again = channel->drop_again || grew;
    bool passed = channel->drop_fenced && (delivered >= channel->drop_fence || pending == 0);
    if (!passed && (channel->drop_fenced || !grew))
        return false;
    channel->drop_fenced = channel->drop_again;
    channel->drop_again = false;
    channel->drop_fence = delivered + pending;
    source->watch_drops = source->watch_drops || channel->drop_fenced;
    return true;
}

void nats_channels_watch_drops(struct nats_source *source)
{
    int64_t missing = 0;
    size_t count = 0;
    source->watch_drops = false;
    pthread_mutex_lock(&source->table_lock);
    for (struct list *node = source->table.next; node != &source->table; node = node->next) {
        struct nats_channel *channel = ENTRY(node);
        if (channel->feed == NULL)
            continue;
        if (look_at_drops(source, channel, &missing) && channel->announced && !channel->denied)
            collect_lost(source, &count, channel->channel);
        source->watch_drops = source->watch_drops || channel->drop_fenced;
    }
    tell_lost(source, count);
    pthread_mutex_unlock(&source->table_lock);
    source->drop_poll_at_ns = clock_mono_ns() + DROP_POLL_MS * INT64_C(1000000);
    if (missing != 0) {
        metrics_add_shared(METRIC_NATS_DROPPED, missing);
        log_write_limited(LOG_WARN, "nats-slow-consumer", log_i64("dropped", missing));
    }
}

int64_t nats_channels_tick(struct nats_source *source, int64_t now_ns)
{
    int64_t at_ns = 0;
    while (!list_is_empty(&source->waiting)) {
        struct nats_channel *channel = WAITING(source->waiting.next);
        if (channel->announce_at_ns > now_ns) {
            at_ns = channel->announce_at_ns;
            break;
        }
        channel->unproven = true;
        source->has_unproven = true;
        announce(source, channel);
    }
    if (source->watch_drops && source->drop_poll_at_ns <= now_ns)
        nats_channels_watch_drops(source);
    if (source->watch_drops && (at_ns == 0 || source->drop_poll_at_ns < at_ns))
        at_ns = source->drop_poll_at_ns;
    return at_ns;
}
