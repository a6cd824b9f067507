/* js_feeds.h - republish mode's subscriptions: one for each channel, on one session */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_FEEDS_H
#define GATEWAY_SOURCE_JETSTREAM_JS_FEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct js_link;
struct js_source;

/* Control thread, all of these but js_feeds_free. */

/*
 * A feed for each channel that has none, which *count goes up by. What can't
 * be mapped stays unconfirmed. False: the session is over.
 */
bool js_feeds_subscribe(struct js_source *source, struct js_link *link, size_t *count);
/* A round trip after js_feeds_subscribe, the broker has the subscriptions: messages may go into their channels. */
void js_feeds_index(struct js_source *source, struct js_link *link);
/* … and do, from `last` on, the stream's last number after that round trip: readers may start. */
void js_feeds_confirm(struct js_source *source, struct js_link *link, uint64_t last);
/* Is nothing that has come waiting for the delivery thread? */
bool js_feeds_are_empty(const struct js_link *link);
/* Ends the subscriptions of closed channels; frees those that a round trip has passed since they ended. */
void js_feeds_end(struct js_source *source, struct js_link *link);

/* With the link, after its connection is closed. Any thread. */
void js_feeds_free(struct js_link *link);

#endif
