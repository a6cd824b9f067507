/* js_consumer.h - the push consumer that follows the stream: made, ignored, deleted */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_CONSUMER_H
#define GATEWAY_SOURCE_JETSTREAM_JS_CONSUMER_H

#include <nats/nats.h>

struct js_link;
struct js_source;

/* Control thread, all of these. */

/* Makes one that begins where it has to; what it delivers counts. Not NATS_OK: there may be one nevertheless, a stray. */
natsStatus js_consumer_create(struct js_source *source, struct js_link *link, jsErrCode *code);
/* What it still delivers doesn't count. */
void js_consumer_ignore(struct js_source *source);
/* Asks the broker to delete it. If that is in doubt, it is a stray. */
void js_consumer_delete(struct js_source *source, struct js_link *link);
/* Those of the session's consumers that should be gone, and perhaps are not. */
void js_consumer_delete_strays(struct js_source *source, struct js_link *link);

#endif
