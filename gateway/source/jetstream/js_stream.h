/* js_stream.h - what a stream is like: its life, its bounds, its configuration */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_STREAM_H
#define GATEWAY_SOURCE_JETSTREAM_JS_STREAM_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct js_session;

enum js_stream_status { JS_STREAM_OK = 0, JS_STREAM_MISSING, JS_STREAM_FAILED };

struct js_stream {
    uint64_t incarnation; /* of its name and time of creation: the same on every gateway */
    int64_t created_ns;
    uint64_t first, last; /* its own sequences; nothing stored: first is last + 1 */
    unsigned replicas;
    jsStreamInfo *info; /* all that the broker said */
    natsStatus status;  /* of a failure */
    jsErrCode code;     /* … and the broker's own, 0: none */
};

/* Asks the broker, and changes nothing but *stream, which has to be disposed in any case. Blocks. */
enum js_stream_status js_stream_read(struct js_session *session, struct js_stream *stream);
void js_stream_dispose(struct js_stream *stream);

/* Is each subject of that pattern among those that the stream takes itself? Before js_stream_dispose. */
bool js_stream_stores(const struct js_stream *stream, const char *subject);

#endif
