/* js_answers.h - one thread's subscription on a session, for the answers to what it asks */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_ANSWERS_H
#define GATEWAY_SOURCE_JETSTREAM_JS_ANSWERS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct js_session;

/*
 * "<prefix>*", under an inbox of its own. Belongs to one thread. The
 * library's socket reader may still use a subscription after it is
 * unsubscribed. So each session has its own, freed once a flush shows that the
 * reader is past it, else when the next session opens (the one before is
 * closed by then) or in js_answers_dispose.
 */
struct js_answers {
    natsSubscription *subscription; /* NULL: closed */
    natsSubscription *retired;      /* of the session before */
    char prefix[64];                /* with the dot; "": never opened */
    uint64_t asked;                 /* the next token of js_ask_each; none is used twice */
};

/* At most this many messages and bytes are pending. False: the session is on its way out, or denies it. */
bool js_answers_open(struct js_answers *answers, struct js_session *session, int messages, int64_t bytes);
/* While the session is still there. Blocks for one round trip. Closed already: nothing happens. */
void js_answers_close(struct js_answers *answers, struct js_session *session);
/* After the session of the last js_answers_close is closed. */
void js_answers_dispose(struct js_answers *answers);

#endif
