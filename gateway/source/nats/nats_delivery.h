/* nats_delivery.h - the delivery thread: from the client library's message to the channel */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_DELIVERY_H
#define GATEWAY_SOURCE_NATS_NATS_DELIVERY_H

#include <nats/nats.h>

/* For nats_feed_subscribe, of a feed with a channel. */
void nats_delivery_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *feed);

#endif
