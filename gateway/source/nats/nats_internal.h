/* nats_internal.h - what the files of the NATS source share among themselves */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_INTERNAL_H
#define GATEWAY_SOURCE_NATS_NATS_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "gateway/base/list.h"
#include "gateway/core/source.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_options.h"
#include "gateway/source/nats/nats_thread.h"

#define OPEN_WAIT_MS 250        /* a reader waits so long for its subscription to stand */
#define RECONNECT_FLUSH_MS 2000 /* … and a reconnected connection for all of them */
#define PUBLISH_WAIT_MS 2000    /* for the broker to have what was published */
#define STOP_FLUSH_MS 500
#define STOP_WAIT_MS 5000 /* for the client library to let go of a connection */
#define MARK_WAIT_MS 1000 /* delivery waits so long for the mark that belongs before a message */
#define DROP_POLL_MS 50   /* how often a slow subscription is looked at */
#define PUBLISH_QUEUE_MAX 1024
#define QUESTIONS_MAX 4096
#define PENDING_MESSAGES (1 << 20)
#define PENDING_BYTES (256 << 20)
#define ERROR_TEXT_MAX 256 /* nats.c cuts the broker's errors to this */

/*
 * Threads: "control" owns nearly everything and makes all calls that may
 * block; "delivery" is the client library's one thread for messages of all
 * subscriptions and for the end of each; "callbacks" is its thread for news of
 * connections; a short-lived "connector" makes the first attempt of a
 * connection, which may take seconds. The last three only leave notes in the
 * inbox.
 *
 * Locks: inbox.lock is innermost and never held while calling anything else,
 * and so is questions.lock, of the questions that delivery finds by their replies;
 * table_lock is held while calling channels_lost, and never taken by what the
 * core calls.
 */

/* What the source keeps of a channel. Control thread, but for what is marked. */
struct nats_channel {
    struct channel *channel;
    struct nats_feed *feed; /* on the current connection; NULL: none yet */
    unsigned feeds;         /* subscriptions of it that delivery may still use */
    struct list table;      /* in table (table_lock), closing once it has left there */
    struct list waiting;    /* in waiting, until channel_opened */
    int64_t announce_at_ns; /* channel_opened then at the latest */
    bool announced;         /* channel_opened was called (table_lock) */
    bool denied;            /* (table_lock) */
    bool closing;
    bool unproven; /* announced, but the broker has not confirmed the subscription yet */
    int64_t dropped, drop_fence;
    bool drop_fenced, drop_again;
    struct nats_channel *next_open, *next_close; /* in the inbox */
};

/* One subscription of a channel on one connection; or, without an owner, one of the source's own. */
struct nats_feed {
    struct nats_source *source;
    struct nats_channel *owner;
    _Atomic(struct channel *) channel;    /* what delivery appends to; NULL: nothing yet */
    const struct nats_listener *listener; /* without an owner: who hears it; NULL: it is for replies */
    natsSubscription *subscription;
    struct nats_feed *next;
};

/* The broker refused something. */
struct nats_denial {
    struct nats_denial *next;
    char text[ERROR_TEXT_MAX];
};

/* News of the connection, as the callbacks leave it. */
struct nats_link_news {
    unsigned downs;      /* times lost since control looked last … */
    unsigned downs_ever; /* … and since the start */
    bool is_up;          /* what came last */
    bool closed;         /* for good */
    bool connector_done;
    natsConnection *connection; /* from the connector; NULL: it failed */
    natsStatus reason;          /* of closed, or of a failed connector */
    char reason_text[ERROR_TEXT_MAX];
    int64_t down_since_ns; /* the first of downs */
};

struct nats_inbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool work; /* anything below is new */
    bool stop; /* nats_source_stop was called */
    bool over; /* control is gone: nobody looks in here any more */
    struct nats_channel *opens, **opens_end;
    struct nats_channel *closes, **closes_end;
    struct publish *publishes, **publishes_end;
    unsigned publish_count; /* not done yet */
    struct nats_question *questions, **questions_end;
    unsigned question_count; /* not done yet */
    struct nats_feed *completed;
    struct nats_denial *denials, **denials_end;
    bool slow_consumer;
    struct nats_link_news link;
    pthread_cond_t marked; /* source.marked has changed */
};

/* A request that waits for its reply. In the inbox, then in the table. */
struct nats_question {
    struct request *request;
    uint64_t id; /* last token of the subject of its reply */
    int64_t deadline_ns;
    struct nats_question *next;
    UT_hash_handle hh;
};

struct nats_questions {
    pthread_mutex_t lock;        /* of the table; never held while calling anything else */
    struct nats_question *table; /* uthash by id */
    char *reply_prefix;          /* "_INBOX.….": what all replies begin with; NULL until the first question */
    /* control */
    uint64_t last_id;
    int64_t due_ns; /* none is due before; 0: there is none */
};

/* A subject that nats_source_listen or nats_source_answer names; one of the two is set. */
struct nats_listener {
    const char *subject;
    void (*heard)(void *arg, const char *data, size_t len);
    void (*asked)(void *arg, const char *data, size_t len, const char *reply);
    void *arg;
};
#define NATS_LISTENERS_MAX 3

/* What the source hears for itself: replies, and what listeners are for. */
enum nats_own { NATS_OWN_REPLIES = 0, NATS_OWN_LISTENER, NATS_OWN_COUNT = NATS_OWN_LISTENER + NATS_LISTENERS_MAX };

struct nats_source {
    struct source base;
    struct nats_settings settings;
    int pending_limit;
    atomic_bool is_connected;
    struct nats_inbox inbox;
    struct nats_questions questions;
    struct nats_listener listeners[NATS_LISTENERS_MAX]; /* set before the start */
    unsigned listener_count;

    /*
     * Attempts to connect that got as far as sending CONNECT; counted by the
     * client library before the first message of a connection can arrive, so
     * a message whose session isn't marked may come after a loss.
     */
    _Atomic uint64_t session;
    _Atomic uint64_t marked; /* the session for which marks are placed (written under table_lock) */

    pthread_mutex_t table_lock;
    struct list table;
    struct channel **lost; /* scratch for channels_lost */
    size_t lost_capacity;

    /* control */
    pthread_t control;
    bool started, stopped;
    bool abandoned; /* the client library didn't let go */
    struct nats_source *next_abandoned;
    natsConnection *connection;
    bool up;         /* calls on the connection are not expected to block */
    bool link_is_up; /* as the callbacks have it; the connection may still be on its way from the connector */
    bool connecting; /* a connector is at work */
    bool was_up;     /* ever */
    bool watch_drops, has_unproven;
    int64_t rebuild_at_ns; /* 0: not due */
    int64_t drop_poll_at_ns, flush_at_ns;
    unsigned rebuilds; /* in a row */
    int64_t down_since_ns;
    struct nats_feed *own[NATS_OWN_COUNT]; /* on the current connection; NULL: none yet */
    struct list waiting;
    struct list closing;     /* while there is no connection to unsubscribe on */
    unsigned feeds;          /* subscriptions whose end delivery hasn't reported */
    struct nats_feed *limbo; /* closed before their end could be watched */
    /*
     * Delivery is done with these, but the library's reader of the socket uses
     * a subscription without holding it (as of 3.4): it may be freed when the
     * reader has seen the answer to a later flush, or is gone.
     */
    struct nats_feed *retired;
};

/* nats_source.c */
/* inbox.lock is held. */
void nats_inbox_wake(struct nats_source *source);

/* nats_control.c: the control thread */
void *nats_control_main(void *arg);
/*
 * Waits until the broker has seen all that was sent before, and whatever it
 * refused of that is in the inbox. publishes: those that were sent, or NULL.
 */
bool nats_control_confirm(struct nats_source *source, const struct publish *publishes, int64_t ms);
/* What the broker has refused since it was asked last. */
struct nats_denial *nats_control_take_denials(struct nats_source *source);

/* nats_link.c: connection and outages */
void nats_link_set_callbacks(struct nats_source *source);
void nats_link_connect(struct nats_source *source);
/* What the callbacks reported. */
void nats_link_handle(struct nats_source *source, const struct nats_link_news *news);
void nats_link_set_connected(struct nats_source *source, bool connected);
/* Begins to close the connection; link news will say `closed`. The connection is the callee's from here on. */
void nats_link_close(struct nats_source *source);

/* nats_channels.c: subscriptions and what their readers are told */
void nats_channels_open(struct nats_source *source, struct nats_channel *opens);
void nats_channels_close(struct nats_source *source, struct nats_channel *closes);
/* The connection is up (again): everything is subscribed, confirmed, marked, announced. */
void nats_channels_restore(struct nats_source *source);
/* The connection is gone for good, and its subscriptions with it. */
void nats_channels_detach(struct nats_source *source);
void nats_channels_completed(struct nats_source *source, struct nats_feed *feeds);
void nats_channels_free_retired(struct nats_source *source);
/* All that was subscribed stands. */
void nats_channels_proven(struct nats_source *source);
/* Announces what has waited long enough, looks after slow subscriptions. Returns when to be called again, 0: no need. */
int64_t nats_channels_tick(struct nats_source *source, int64_t now_ns);
/* Places the marks of a session unless they are there already. Control or delivery. */
void nats_channels_mark(struct nats_source *source, uint64_t session);
/* Ends the channels that the broker has refused. Frees the denials. */
void nats_channels_denied(struct nats_source *source, struct nats_denial *denials);
/* How many channels this refusal would end. */
unsigned nats_channels_count(struct nats_source *source, const struct nats_refused *refused);
void nats_channels_watch_drops(struct nats_source *source);
/* The client library doesn't let go: cuts what is left off from the channels. */
void nats_channels_abandon(struct nats_source *source);

/* nats_own.c: what the source hears for itself. Control thread. */
/* Subscribes to what isn't subscribed yet. */
void nats_own_restore(struct nats_source *source);
/* Subscribes to replies if need be: what is asked after that finds the subscription at the broker. */
bool nats_own_takes_replies(struct nats_source *source);
void nats_own_detach(struct nats_source *source);
/* The subscription has ended, or will never be one. */
void nats_own_completed(struct nats_source *source, const struct nats_feed *feed);
/* Says so in the log if it is one of these that the broker has refused. */
void nats_own_denied(struct nats_source *source, const struct nats_refused *refused);

/* nats_request.c: questions and their replies */
void nats_questions_init(struct nats_source *source);
void nats_questions_dispose(struct nats_source *source);
void nats_question_ask(struct source *base, struct request *request);
/* Control, all of these: takes them from the inbox to the table and sends them, or, while there is no broker, answers them. */
void nats_questions_send(struct nats_source *source, struct nats_question *questions);
/* Answers those that wait too long, and returns when to be called again (0: no need). */
int64_t nats_questions_tick(struct nats_source *source, int64_t now_ns);
/* Nobody will reply any more. refused: only to those of that subject; NULL: all. */
void nats_questions_fail(struct nats_source *source, const struct nats_refused *refused);
/* Delivery. */
void nats_question_on_reply(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *feed);

/* nats_delivery.c: the delivery thread */
void nats_delivery_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *feed);
void nats_delivery_on_complete(void *feed);

#endif
