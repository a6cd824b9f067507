/* js_follow.h - following the stream, from one session to the next */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_FOLLOW_H
#define GATEWAY_SOURCE_JETSTREAM_JS_FOLLOW_H

#include <stdint.h>

struct js_link;
struct js_source;

/* Control thread, all of these. */

enum js_follow_status {
    JS_FOLLOW_OK = 0,
    JS_FOLLOW_MISSING, /* there is no such stream at the moment */
    JS_FOLLOW_LATER,
    JS_FOLLOW_STALE, /* the stream was recreated: a session of before is of no use */
};
/* Makes a consumer that resumes behind the horizon, in place of any that was. */
enum js_follow_status js_follow_start(struct js_source *source, struct js_link *link);
/* What the consumer may still deliver doesn't count. Deletes it when the session can. */
void js_follow_end(struct js_source *source, struct js_link *link);
/* Why it has to be started again; NULL: no reason. */
const char *js_follow_trouble(struct js_source *source, int64_t now_ns);
/* Looks into a hole, if there is one. */
void js_follow_check_hole(struct js_source *source, struct js_link *link);

#endif
