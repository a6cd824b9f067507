/* js_read_hole.h - asks the stream about what a consumer left out, before taking it for deleted */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_HOLE_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_HOLE_H

#include <stdint.h>

struct js_read;

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

/* One question for each hole in front of what has come with the message, all of them together. Blocks. */
enum js_read_hole js_read_hole_check(struct js_read *read);
/*
 * The leader has a message `next` (0: its number is not known), of which the
 * consumer knows nothing: its server lags, or the consumer has skipped it.
 */
void js_read_hole_wait(struct js_read *read, uint64_t next);

#endif
