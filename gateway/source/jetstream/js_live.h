/* js_live.h - what has come of the stream into its channels, in order */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_LIVE_H
#define GATEWAY_SOURCE_JETSTREAM_JS_LIVE_H

#include <nats/nats.h>
#include <stdint.h>

struct js_source;
struct js_stream;
struct message;

/* live.lock is held for all of these. */

/*
 * One message into all of live.matches; its subject is the one given. Moves the horizon; below it,
 * the message goes only where it was missed.
 */
void js_live_append(struct js_source *source, natsMsg *msg, uint64_t number, struct message *message);
/* What the consumer still delivers doesn't count: control makes another. */
void js_live_break_off(struct js_source *source, const char *reason);
/* The stream is another one, or the first: its numbers have a base of their own. */
void js_live_begin_epoch(struct js_source *source, const struct js_stream *stream);
/* The stream no longer holds what comes next, up to there: all readers may have missed something. */
void js_live_lose(struct js_source *source, uint64_t up_to);

#endif
