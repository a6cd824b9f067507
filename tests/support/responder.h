/* responder.h - a microservice that answers questions over NATS as the test says */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_RESPONDER_H
#define TESTS_SUPPORT_RESPONDER_H

#include <stdbool.h>

/*
 * A connection of its own, which reconnects for ever. Stopped before the last
 * publisher is destroyed, which closes the client library. All functions from
 * the test's thread.
 */
struct responder;

struct responder *responder_start(const char *url, const char *subject);
/* NULL is fine. */
void responder_stop(struct responder *responder);

/* The answer from now on; copied. NULL: no answer at all. */
void responder_say(struct responder *responder, const char *text);
/* Holds questions back until responder_release, which answers them with the answer set by then. */
void responder_hold(struct responder *responder);
void responder_release(struct responder *responder);

/* How many questions have come so far. */
unsigned responder_count(struct responder *responder);
/* Waits for that many; false after 10 s (times FRESHET_TIME_FACTOR). */
bool responder_wait(struct responder *responder, unsigned count);
/* The latest question, "" before the first. The caller frees. */
char *responder_question(struct responder *responder);

#endif
