/* js_ask.h - what the leader of a stream says it holds */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_ASK_H
#define GATEWAY_SOURCE_JETSTREAM_JS_ASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct js_answers;
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
/*
 * The same for many places at once, in about one round trip for each 64 of
 * them. Sets every `found`, in any order, or fails as a whole, for instance
 * because another thread has set *interrupt. UINT64_MAX: no such message.
 */
struct js_question {
    uint64_t at_least, found; /* the stream's own sequences */
};
enum js_answer js_ask_each(struct js_session *session, struct js_answers *answers, const atomic_bool *interrupt,
                           const char *pattern, struct js_question *questions, size_t count);
/* What js_ask_each needs: the subscription for its answers. */
bool js_ask_open(struct js_answers *answers, struct js_session *session);

/* A consumer has passed over what the stream holds: counts and logs it. The stream's own sequences. */
void js_ask_report_skip(const char *stream, uint64_t stored, uint64_t came);

/* The last one that the pattern matches. */
enum js_answer js_ask_last(struct js_session *session, const char *pattern, uint64_t *sequence, int64_t *stored_ns);
/* What the stream's numbers are. Nothing stored: first is last + 1. */
enum js_answer js_ask_range(struct js_session *session, uint64_t *first, uint64_t *last);

#endif
