/* nats_feed.h - one subscription, from its making until the client library is done with it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_FEED_H
#define GATEWAY_SOURCE_NATS_NATS_FEED_H

#include <nats/nats.h>

struct nats_feed;
struct nats_source;

/* Control thread, all of these. */

struct nats_feed *nats_feed_create(struct nats_source *source);
/*
 * Subscribes on the current connection; on_message gets the feed. Not NATS_OK:
 * the feed is gone. Otherwise its end is reported to the inbox, once delivery
 * is done with it, and nats_feed_retire has to follow.
 */
natsStatus nats_feed_subscribe(struct nats_feed *feed, const char *subject, natsMsgHandler on_message,
                               int pending_messages);
/* Its end has been reported: it is freed when the library's reader can't use it any more. */
void nats_feed_retire(struct nats_feed *feed);
/* The reader has seen the answer to a flush since they were retired, or is gone. */
void nats_feed_free_retired(struct nats_source *source);
/* The source's end: the library is gone. */
void nats_feed_free_limbo(struct nats_source *source);

#endif
