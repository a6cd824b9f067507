/* js_read_internal.h - what reading for readers and for channels has in common */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_INTERNAL_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

struct js_pull_start;
struct js_read;

/* `number`: the core's, over all incarnations; `sequence`: the current stream's. */
uint64_t js_read_stream_sequence(const struct js_read *read, uint64_t number);
/* Of the message that js_pull_next gave. */
uint64_t js_read_number(const struct js_read *read);

/* The consumer is in doubt: makes another after a pause. */
void js_read_failed(struct js_read *read);
/*
 * The leader has a message `next` (0: its number is not known), of which the
 * consumer knows nothing: its server lags, or the consumer has skipped it.
 */
void js_read_wait(struct js_read *read, uint64_t next);
/* Makes a consumer. False: it failed, and there was a pause. */
bool js_read_open(struct js_read *read, const struct js_pull_start *start);
/* Takes the message that js_pull_next gave out of the queue. */
void js_read_taken(struct js_read *read);
/*
 * Consumers of nats-server 2.9.10 leave out messages that the stream still
 * holds: each purge of a subject moves every consumer that has not got there
 * yet to the first message that remains of it. So what a consumer passes over
 * proves nothing, and the leader is asked.
 */
enum js_read_hole {
    JS_READ_NO_HOLE = 0, /* nothing stored is missing in front of the message that js_pull_next gave */
    JS_READ_SKIPPED,     /* there is: it comes next now, or the consumer is closed, for another to begin there */
    JS_READ_UNKNOWN,     /* no answer */
};
/* Is there a hole that js_read_check_hole would ask about? */
bool js_read_has_hole(const struct js_read *read);
/* One question for each hole in front of what has come with the message, all of them together. Blocks. */
enum js_read_hole js_read_check_hole(struct js_read *read);
/*
 * To be called with the first that a pull has found above `after` (0:
 * nothing), before it is used: brings source->first up to date, unless nothing
 * is missing in between. That is later than what is missing was found missing,
 * so no loss goes unnoticed. False: no answer.
 */
bool js_read_check_first(struct js_read *read, uint64_t after, uint64_t next);
/*
 * A server of the 2.9 series counts what pends anew for each message of some
 * consumers with a filter, by looking at up to half a block of its store. True:
 * it would be much faster to read everything from the last message up to `until`.
 */
bool js_read_is_slow(const struct js_read *read, uint64_t until);
/* What the leader has stored next, above `after`: UINT64_MAX: nothing. False: no answer. */
bool js_read_next_stored(struct js_read *read, const char *pattern, uint64_t after, uint64_t *next);

#endif
