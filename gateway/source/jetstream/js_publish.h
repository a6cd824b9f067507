/* js_publish.h - publishing into the stream: done when the stream has stored it, or has said that it won't */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_PUBLISH_H
#define GATEWAY_SOURCE_JETSTREAM_JS_PUBLISH_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct js_link;
struct js_source;
struct publish;

void js_publish_init(struct js_source *source);
/* Nothing is waiting. */
void js_publish_dispose(struct js_source *source);

/* ---- control ---- */

void js_publish_send(struct js_source *source, struct js_link *link, struct publish *publishes);
/* Those whose time has come; all: every one. Returns the next deadline, 0: none is waiting. */
int64_t js_publish_expire(struct js_source *source, int64_t now_ns, bool all);
/* There is no session for them. */
void js_publish_refuse(struct js_source *source, struct publish *publishes);

/* ---- threads of the client library ---- */

/* An acknowledgement, or the word that no stream takes it. On a thread of its own. */
void js_publish_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *link);
void js_publish_on_denial(struct js_source *source, const char *text);

#endif
