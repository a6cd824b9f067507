/* js_channels.h - the channels of a JetStream source, and which of them a subject concerns */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_CHANNELS_H
#define GATEWAY_SOURCE_JETSTREAM_JS_CHANNELS_H

struct channel;
struct js_channel;
struct js_live;
struct js_source;

/* As source_ops.open and .close, without ingress_closed. Any thread; both take live.lock. */
void js_channels_open(struct js_source *source, struct channel *channel);
void js_channels_close(struct js_source *source, struct channel *channel);

/* ---- live.lock is held ---- */

/* From now on messages go into the channel. */
void js_channels_index(struct js_source *source, struct js_channel *channel);
/* The same for those that waited for their subscription; their readers may start. */
void js_channels_take_in(struct js_source *source);
/* All of them, live->channel_count. The caller frees the array. */
struct channel **js_channels_list(struct js_live *live);

#endif
