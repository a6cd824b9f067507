/* nats_feed.c - one subscription, from its making until the client library is done with it */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_feed.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/source/nats/nats_state.h"

struct nats_feed *nats_feed_create(struct nats_source *source)
{
    CHECK_THREAD(source);
    struct nats_feed *feed = check_calloc(1, sizeof(*feed));
    feed->source = source;
    return feed;
}

/* The delivery thread. */
static void on_complete(void *arg)
{
    struct nats_feed *feed = arg;
    nats_inbox_completed(&feed->source->inbox, feed);
}

natsStatus nats_feed_subscribe(struct nats_feed *feed, const char *subject, natsMsgHandler on_message,
                               int pending_messages)
{
    CHECK_THREAD(feed->source);
    struct nats_source *source = feed->source;
    natsStatus status = natsConnection_Subscribe(&feed->subscription, source->connection, subject, on_message, feed);
    if (status != NATS_OK) {
        free(feed);
        return status;
    }
    /* Its default in bytes follows from the limit in messages, and is far too much. */
    natsSubscription_SetPendingLimits(feed->subscription, pending_messages, PENDING_BYTES);
    status = natsSubscription_SetOnCompleteCB(feed->subscription, on_complete, feed);
    if (status != NATS_OK) {
        /* The connection was closed in between: delivery may still look at the feed, but finds no channel in it. */
        natsSubscription_Destroy(feed->subscription);
        feed->next = source->limbo;
        source->limbo = feed;
        return status;
    }
    ++source->feeds;
    return NATS_OK;
}

void nats_feed_retire(struct nats_feed *feed)
{
    CHECK_THREAD(feed->source);
    struct nats_source *source = feed->source;
    CHECK(source->feeds-- != 0);
    feed->next = source->retired;
    source->retired = feed;
}

void nats_feed_free_retired(struct nats_source *source)
{
    CHECK_THREAD(source);
    struct nats_feed *feed;
    while ((feed = source->retired) != NULL) {
        source->retired = feed->next;
        natsSubscription_Destroy(feed->subscription);
        free(feed);
    }
}

void nats_feed_free_limbo(struct nats_source *source)
{
    struct nats_feed *feed;
    while ((feed = source->limbo) != NULL) {
        source->limbo = feed->next;
        free(feed);
    }
}
