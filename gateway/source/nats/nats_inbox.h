/* nats_inbox.h - what other threads leave for the control thread of a NATS source */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_INBOX_H
#define GATEWAY_SOURCE_NATS_NATS_INBOX_H

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/condition.h"
#include "gateway/base/lock.h"
#include "gateway/source/nats/nats_denial.h"

struct nats_channel;
struct nats_feed;
struct nats_question;
struct publish;

#define NATS_PUBLISHES_MAX 1024
#define NATS_QUESTIONS_MAX 4096

/* The broker refused something. */
struct nats_denial {
    struct nats_denial *next;
    char text[NATS_ERROR_TEXT_MAX];
};

/* News of the connection, as the client library's callbacks leave it. */
struct nats_link_news {
    unsigned downs;      /* times lost since control looked last … */
    unsigned downs_ever; /* … and since the start */
    bool is_up;          /* what came last */
    bool is_closed;      /* for good */
    bool is_connector_done;
    natsConnection *connection; /* from the connector; NULL: it failed */
    natsStatus reason;          /* of closed, or of a failed connector */
    char reason_text[NATS_ERROR_TEXT_MAX];
    int64_t down_since_ns; /* the first of downs */
};

/* All that was left since control looked last. */
struct nats_work {
    struct nats_channel *opens, *closes; /* by next_open, next_close */
    struct publish *publishes;
    struct nats_question *questions;
    struct nats_feed *completed;
    struct nats_denial *denials; /* to be freed */
    struct nats_link_news link;
    bool has_slow_consumer; /* a subscription had to drop messages */
    bool is_stopping;
};

/*
 * The lock is innermost: it is never held while anything else is called.
 * Nothing in here is touched by other files.
 */
struct nats_inbox {
    struct lock lock;
    struct condition changed; /* for control */
    struct condition marked;  /* for delivery: marks have been placed */
    bool has_work;            /* anything in `work` is new */
    bool is_over;             /* control is gone: what is posted now would stay here */
    struct nats_work work;
    struct nats_channel **opens_end, **closes_end;
    struct publish **publishes_end;
    struct nats_question **questions_end;
    struct nats_denial **denials_end;
    unsigned publish_count, question_count; /* not done yet */
};

void nats_inbox_init(struct nats_inbox *inbox);
/* No publish and no question is in flight. */
void nats_inbox_dispose(struct nats_inbox *inbox);

/* ---- what the core asks for: any thread ---- */

/* False: control is gone. */
bool nats_inbox_open(struct nats_inbox *inbox, struct nats_channel *channel);
bool nats_inbox_close(struct nats_inbox *inbox, struct nats_channel *channel);
/* False: refused, since the source stops or too many are in flight. Else nats_inbox_done has to follow. */
bool nats_inbox_publish(struct nats_inbox *inbox, struct publish *publish);
bool nats_inbox_ask(struct nats_inbox *inbox, struct nats_question *question);
/* So many are no longer in flight. */
void nats_inbox_done(struct nats_inbox *inbox, unsigned publishes, unsigned questions);
void nats_inbox_stop(struct nats_inbox *inbox);

/* ---- what the client library's threads report ---- */

void nats_inbox_up(struct nats_inbox *inbox);
void nats_inbox_down(struct nats_inbox *inbox);
void nats_inbox_closed(struct nats_inbox *inbox, natsStatus reason, const char *text);
void nats_inbox_denied(struct nats_inbox *inbox, const char *text);
void nats_inbox_slow(struct nats_inbox *inbox);
/* Delivery is done with the feed. */
void nats_inbox_completed(struct nats_inbox *inbox, struct nats_feed *feed);
/*
 * The connector has come back. connection: NULL, with status and text: it
 * failed. downs: nats_inbox_count_downs from before the attempt; when it is
 * another now, a success is over again already.
 */
void nats_inbox_connected(struct nats_inbox *inbox, natsConnection *connection, unsigned downs, natsStatus status,
                          const char *text);
unsigned nats_inbox_count_downs(struct nats_inbox *inbox);

/* ---- control ---- */

/* Waits for something, until_ns at the latest (0: for ever), and takes all. False: there was nothing. */
bool nats_inbox_take(struct nats_inbox *inbox, struct nats_work *work, int64_t until_ns);
/* Takes all; from then on nothing is accepted. */
void nats_inbox_take_last(struct nats_inbox *inbox, struct nats_work *work);
/* Takes the denials only. */
struct nats_denial *nats_inbox_take_denials(struct nats_inbox *inbox);
/* Waits until so many denials with that text are there, or the time has come. */
void nats_inbox_await_denials(struct nats_inbox *inbox, const char *text, unsigned count, int64_t until_ns);
/* Is the connection up, as the callbacks have it? */
bool nats_inbox_is_up(struct nats_inbox *inbox);

/* ---- delivery waits for marks ---- */

/* Until *marked has come to the session, or until_ns. False: the source stops. */
bool nats_inbox_await_mark(struct nats_inbox *inbox, const _Atomic uint64_t *marked, uint64_t session,
                           int64_t until_ns);
/* *marked has changed. */
void nats_inbox_wake_marked(struct nats_inbox *inbox);

#endif
