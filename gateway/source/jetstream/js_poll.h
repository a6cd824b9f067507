/* js_poll.h - republish mode: control looks after the subscriptions, and how far the stream is */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_POLL_H
#define GATEWAY_SOURCE_JETSTREAM_JS_POLL_H

#include <stdbool.h>
#include <stdint.h>

struct js_link;
struct js_source;

/* Control, now and then. False: the session is of no use. */
bool js_poll_work(struct js_source *source, struct js_link *link);
/* When it is to be called again at the latest; 0: when there is something new. */
int64_t js_poll_due(const struct js_source *source);

#endif
