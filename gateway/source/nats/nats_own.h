/* nats_own.h - subscriptions of the source's own: replies to its questions, and the subjects it listens to */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_OWN_H
#define GATEWAY_SOURCE_NATS_NATS_OWN_H

#include <stdbool.h>

struct nats_feed;
struct nats_refused;
struct nats_source;

/* Control thread, all of these. */

/* Subscribes to what isn't subscribed yet. */
void nats_own_restore(struct nats_source *source);
/* Subscribes to replies if need be: the broker has the subscription before any question that is sent after it. */
bool nats_own_takes_replies(struct nats_source *source);
/* The connection is gone for good, and its subscriptions with it. */
void nats_own_detach(struct nats_source *source);
/* The subscription has ended. */
void nats_own_completed(struct nats_source *source, const struct nats_feed *feed);
/* If it is one of these that the broker has refused, logs that; without replies, questions fail. */
void nats_own_denied(struct nats_source *source, const struct nats_refused *refused);

#endif
