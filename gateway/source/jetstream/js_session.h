/* js_session.h - one connection of a JetStream source, shared by its threads */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_SESSION_H
#define GATEWAY_SOURCE_JETSTREAM_JS_SESSION_H

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/source.h"

/*
 * The client library does not reconnect it: when anything is wrong with it, it
 * is ended, and the source makes another, with nothing left over from the one
 * before. Each user of the connection holds a reference; the connection is
 * freed with the last. After its end, calls on it fail soon and harmlessly.
 */
struct js_session {
    _Atomic unsigned refs;
    atomic_bool is_over; /* the connection is closed, or about to be */
    natsConnection *connection;
    jsCtx *js;
    uint64_t number;    /* 1, 2, … of the source's sessions */
    const char *stream; /* the stream's name; outlives the session */
    uint64_t base;      /* of the epoch: internal number = base + the stream's sequence, see ingress_begin_epoch */
    unsigned replicas;  /* of the stream */
    /* Its maker's: called with the last reference, before the connection is freed; NULL: nothing to do. */
    void (*dispose)(struct js_session *session);
};

void js_session_retain(struct js_session *session);
void js_session_release(struct js_session *session);

/*
 * The stream was seen to begin at this number. Several threads ask, and an
 * older answer may come later: it is no reason to take back what is known to
 * be gone, and a reader's gap with it.
 */
static inline void js_session_raise_first(struct source *source, uint64_t number)
{
    uint64_t known = atomic_load(&source->first);
    while (known < number && !atomic_compare_exchange_weak(&source->first, &known, number))
        ;
}

#endif
