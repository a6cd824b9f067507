/* js_delivery.h - the delivery thread: stored events and the consumer's signs of life */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_DELIVERY_H
#define GATEWAY_SOURCE_JETSTREAM_JS_DELIVERY_H

#include <nats/nats.h>
#include <stdint.h>

struct js_arrival;
struct js_source;

/* live.lock is held. The next event of the stream, from its consumer or from the store, goes into its channels. */
void js_delivery_append(struct js_source *source, natsMsg *msg, const struct js_arrival *arrival);
/* live.lock is held. Nothing more is stored up to this number. */
void js_delivery_reach(struct js_source *source, uint64_t number);

/* Delivery: all that comes to the session of a consumer. link: the struct js_link. */
void js_delivery_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *link);

#endif
