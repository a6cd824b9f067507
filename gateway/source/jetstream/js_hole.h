/* js_hole.h - control asks what the stream holds where the consumer has delivered nothing */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_HOLE_H
#define GATEWAY_SOURCE_JETSTREAM_JS_HOLE_H

#include <stdint.h>

struct js_link;
struct js_source;

/* Control thread, both. */

/* Asks about the holes in front of held messages, and delivers those that are explained. Bounded. */
void js_hole_settle(struct js_source *source, struct js_link *link);
/* When it is to be called again; 0: when there is something new. */
int64_t js_hole_due(struct js_source *source);

#endif
