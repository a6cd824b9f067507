/* js_ask.h - what the leader of a stream says it holds */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JS_ASK_H
#define GATEWAY_SOURCE_JS_ASK_H

#include <stdint.h>

struct js_session;

/*
 * A consumer of a replicated stream may live on a follower that lags behind;
 * these are answered by the leader alone. Each blocks for up to 2 s.
 */
enum js_answer {
    JS_ANSWER_OK = 0,
    JS_ANSWER_NONE, /* the stream is there and has no such message */
    JS_ANSWER_FAILED,
    JS_ANSWER_TIMEOUT, /* failed, too */
};

/* The first message at or above `at_least` that the pattern matches. */
enum js_answer js_ask_next(struct js_session *session, const char *pattern, uint64_t at_least, uint64_t *sequence);
/* The last one that the pattern matches. */
enum js_answer js_ask_last(struct js_session *session, const char *pattern, uint64_t *sequence, int64_t *stored_ns);
/* What the stream's numbers are. Nothing stored: first is last + 1. */
enum js_answer js_ask_range(struct js_session *session, uint64_t *first, uint64_t *last);

#endif
