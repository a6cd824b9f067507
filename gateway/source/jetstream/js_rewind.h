/* js_rewind.h - where the next consumer has to begin, so that nothing lost in republish mode stays lost */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_REWIND_H
#define GATEWAY_SOURCE_JETSTREAM_JS_REWIND_H

#include <stdint.h>

struct js_source;

/* live.lock is held for all of these. */

/* The consumer is to begin behind this number. */
uint64_t js_rewind_start(struct js_source *source);
/* The subscriptions no longer lead: what may have been lost lately is looked for. */
void js_rewind_look_back(struct js_source *source);
/* The next consumer need not begin in front of what this one has delivered. */
void js_rewind_keep_progress(struct js_source *source);
/* The subscriptions begin to lead, and: the stream is that far while they do. */
void js_rewind_begin_mark(struct js_source *source);
void js_rewind_mark(struct js_source *source, uint64_t last);
/* Another epoch begins. */
void js_rewind_forget(struct js_source *source);

#endif
