/* js_republish.h - following the stream by what it republishes: one core subscription of each channel */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_REPUBLISH_H
#define GATEWAY_SOURCE_JETSTREAM_JS_REPUBLISH_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct js_source;

void js_republish_init(struct js_source *source, bool wanted);
void js_republish_dispose(struct js_source *source);

/* ---- control ---- */

/* What the stream says about it; either NULL: nothing. */
void js_republish_adopt(struct js_source *source, const char *from, const char *to, bool headers_only);
/* A session has ended: nothing of it counts. */
void js_republish_reset(struct js_source *source);
/* Do the subscriptions lead, so that no consumer is needed? */
bool js_republish_leads(struct js_source *source);

/* ---- live.lock is held ---- */

/* The stream is that far, and the broker has answered. */
void js_republish_polled(struct js_source *source, uint64_t last);
/* The consumer has got further: may the subscriptions take over? */
void js_republish_try(struct js_source *source);

/* ---- any thread ---- */

/* The broker has refused something, perhaps a subscription: then the consumer leads until the session ends. */
void js_republish_on_denial(struct js_source *source, const char *text);

/* ---- threads of the client library ---- */

void js_republish_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *feed);

#endif
