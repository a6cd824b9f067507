/* js_pull.h - one short-lived pull consumer at a time, on whatever session there is */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_PULL_H
#define GATEWAY_SOURCE_JETSTREAM_JS_PULL_H

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/source/jetstream/js_answers.h"
#include "gateway/source/jetstream/js_metadata.h"

struct js_session;

/* What one pull may bring: with the bytes below, the memory a thread holds. */
#define JS_PULL_MESSAGES 512

enum js_pull_status {
    JS_PULL_OK = 0,
    JS_PULL_DRAINED, /* what was asked for is here: call again for more */
    JS_PULL_END,     /* nothing further is stored, as the server with the consumer has it */
    JS_PULL_FAILED,  /* or interrupted. The consumer is in doubt: close it */
};

struct js_pulled {
    natsMsg *message;
    struct js_metadata metadata;
};

/*
 * Belongs to one thread; every call may block for some seconds. It never has
 * more than one consumer on the server: a consumer whose deletion wasn't
 * answered is deleted, on the next session if need be, before another is made.
 * In a cluster, one whose creation wasn't answered either is left to end
 * automatically: the broker places consumers on a server that has just died,
 * too, and the next one may be placed elsewhere.
 */
struct js_pull {
    struct js_session *session;   /* holds a reference; NULL: none */
    const atomic_bool *interrupt; /* set by another thread: return soon, whatever with */
    unsigned timeouts;            /* answers that didn't come, in a row */
    unsigned patience;            /* how many times the wait for the next consumer is doubled */
    bool is_open;                 /* there is a consumer to read from */
    bool is_unanswered;           /* the broker hasn't said whether there is one */
    uint64_t pending;             /* what further it has, by its own account */
    struct js_answers inbox;      /* for messages */
    struct js_answers answers;    /* for js_ask_each, about the consumer's holes */
    char consumer[64];            /* "" or what may be there */
    uint64_t start;               /* the stream's sequence that the consumer begins at, by its own account */
    uint64_t consumers, requests; /* made so far */
    uint64_t sequence;            /* the consumer's own, of its last message */
    int64_t waited_ns;            /* for messages of the consumer, in all */
    bool is_snapshot;             /* one message of each subject, at first */
    bool is_requested;            /* a pull is under way … */
    bool has_message;             /* … and led to a message */
    bool is_oversize;             /* the next message is larger than most */
    unsigned left;                /* messages the pull may still lead to */
    uint32_t average;             /* bytes of a message */
    /* What has come, in order: the next message is the one at `head`, until js_pull_taken. */
    struct js_pulled queue[JS_PULL_MESSAGES];
    unsigned head, count;
    struct js_metadata metadata; /* of the message that js_pull_next has given last */
    enum js_pull_status then;    /* what js_pull_next returns once the queue is empty; JS_PULL_OK: nothing is pending */
};

struct js_pull_start {
    const char *filter; /* NULL: all subjects */
    enum { JS_PULL_FROM_SEQUENCE = 0, JS_PULL_FROM_TIME, JS_PULL_FROM_LAST } from;
    uint64_t sequence;
    int64_t time_ns;
};

void js_pull_init(struct js_pull *pull);
/* After the pull has no session any more, and that is closed. */
void js_pull_dispose(struct js_pull *pull);

/* Takes the reference over, also on failure. */
bool js_pull_attach(struct js_pull *pull, struct js_session *session);
/* Releases the session. */
void js_pull_detach(struct js_pull *pull);

/* OK or FAILED. */
enum js_pull_status js_pull_open(struct js_pull *pull, const struct js_pull_start *start);
/* Deletes the consumer. False: it may still be there. */
bool js_pull_close(struct js_pull *pull);

/*
 * The next message, again until it is taken. patient: at the end, waits some
 * hundred milliseconds for one to come (not with a snapshot).
 */
enum js_pull_status js_pull_next(struct js_pull *pull, bool patient);
/* The next message and what follows it in the queue; n is below js_pull_queued. */
const struct js_pulled *js_pull_peek(const struct js_pull *pull, unsigned n);
unsigned js_pull_queued(const struct js_pull *pull);
/* Waits some milliseconds for what else the pull under way brings, so that it can be looked at together. */
void js_pull_gather(struct js_pull *pull);
/* Puts one from elsewhere in front of the queue, which it takes over; there is room. The next js_pull_next gives it. */
void js_pull_put_first(struct js_pull *pull, natsMsg *message, const struct js_metadata *metadata);
/* Frees the next message. */
void js_pull_taken(struct js_pull *pull);
/* The next message is not here yet, though there is one. */
bool js_pull_is_drained(const struct js_pull *pull);

#endif
