/* js_link.h - sessions of a JetStream source: made, and ended */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_LINK_H
#define GATEWAY_SOURCE_JETSTREAM_JS_LINK_H

struct js_link;
struct js_source;

/* Control thread, all of these. */

/* Tries each server once; NULL: none would have us, or the source is about to stop. */
struct js_link *js_link_connect(struct js_source *source);
/* The servers that its server knows of are tried by later sessions, too. */
void js_link_remember_servers(struct js_source *source, struct js_link *link);
/* Consumes control's reference. Nothing of the session arrives any more afterwards. */
void js_link_end(struct js_source *source, struct js_link *link);

#endif
