/* nats_channels.h - the channels of a NATS source: their subscriptions, and what their readers are told */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_CHANNELS_H
#define GATEWAY_SOURCE_NATS_NATS_CHANNELS_H

#include <stdbool.h>
#include <stdint.h>

struct nats_channel;
struct nats_feed;
struct nats_refused;
struct nats_source;

/* Control thread, all of these but nats_channels_drop. */

void nats_channels_open(struct nats_source *source, struct nats_channel *opens);
void nats_channels_close(struct nats_source *source, struct nats_channel *closes);
/* Control is gone, and with it everything that could still use the channel. The thread that closes it. */
void nats_channels_drop(struct nats_source *source, struct nats_channel *channel);

/* The connection is up (again): unsubscribes and subscribes what had to wait for it. */
void nats_channels_restore(struct nats_source *source);
/*
 * The marks of the outage are about to be placed. confirmed: all that was
 * subscribed stands; otherwise the channels that readers may read already get
 * another mark once it does (nats_channels_proven).
 */
void nats_channels_restored(struct nats_source *source, bool confirmed);
/* All that was subscribed stands: readers may start. */
void nats_channels_proven(struct nats_source *source);
/* The connection is gone for good, and its subscriptions with it. */
void nats_channels_detach(struct nats_source *source);
/* A subscription of a channel has ended. */
void nats_channels_completed(struct nats_feed *feed);

/* How many channels this refusal ends, and their end. */
unsigned nats_channels_count_denied(struct nats_source *source, const struct nats_refused *refused);
void nats_channels_deny(struct nats_source *source, const struct nats_refused *refused);

/* A subscription may have dropped messages: tells its readers. */
void nats_channels_watch_drops(struct nats_source *source);
/* Announces what has waited long enough, looks after slow subscriptions. Returns when to be called again, 0: no need. */
int64_t nats_channels_tick(struct nats_source *source, int64_t now_ns);
/* The client library doesn't release the connection: detaches the channels from it. */
void nats_channels_abandon(struct nats_source *source);

#endif
