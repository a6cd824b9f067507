/* js_inspect.h - looks at the stream, and acts on what it finds */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_INSPECT_H
#define GATEWAY_SOURCE_JETSTREAM_JS_INSPECT_H

#include <nats/nats.h>

#include "gateway/source/jetstream/js_stream.h"

struct js_link;
struct js_source;

/* Control thread, both. */

/*
 * Reads what the stream is like. An answer or its lack is counted, what isn't
 * OK has been logged, subjects that a route asks for and the stream doesn't
 * store are a fault, and its RePublish is the one that counts from then on.
 * *stream has no `info` any more.
 */
enum js_stream_status js_inspect_stream(struct js_source *source, struct js_link *link, struct js_stream *stream);
/* A call on the session failed: counts, and says why unless that has been said often enough. */
void js_inspect_log_failure(struct js_source *source, struct js_link *link, const char *what, natsStatus status,
                            jsErrCode code);

#endif
