/* nats_state.h - the structs of a NATS source, for the files of its wing */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_STATE_H
#define GATEWAY_SOURCE_NATS_NATS_STATE_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "gateway/base/list.h"
#include "gateway/base/lock.h"
#include "gateway/core/source.h"
#include "gateway/source/nats/nats_inbox.h"
#include "gateway/source/nats/nats_settings.h"

#define OPEN_WAIT_MS 250 /* a reader waits so long for its subscription to stand */
#define PENDING_MESSAGES (1 << 20)
#define PENDING_BYTES (256 << 20)

/*
 * Threads: "control" owns nearly everything and makes all calls that may
 * block; "delivery" is the client library's one thread for messages of all
 * subscriptions and for the end of each; "callbacks" is its thread for news of
 * connections; a short-lived "connector" makes the first attempt of a
 * connection, which may take seconds. The last three only leave notes in the
 * inbox.
 *
 * Locks: the inbox's is innermost and never held while calling anything else,
 * and so is questions.lock, of the questions that delivery finds by their replies;
 * table_lock is held while calling ingress_lost, and never taken by what the
 * core calls.
 *
 * Files, from the bottom up: inbox; marks, feed; delivery, questions, own;
 * channels; publish, confirm; link; outage; control; source.
 */

/* What the source keeps of a channel. Control thread, except where marked. */
struct nats_channel {
    struct channel *channel;
    struct nats_feed *feed; /* on the current connection; NULL: none yet */
    unsigned feeds;         /* subscriptions of it that delivery may still use */
    struct list table;      /* in table (table_lock), closing once it has left there */
    struct list waiting;    /* in waiting, until ingress_opened */
    int64_t announce_at_ns; /* ingress_opened then at the latest */
    bool is_announced;      /* ingress_opened was called (table_lock) */
    bool is_denied;         /* (table_lock) */
    bool is_closing;
    bool is_unproven; /* announced, but the broker has not confirmed the subscription yet */
    int64_t dropped, drop_fence;
    bool is_drop_fenced, has_dropped_since;
    struct nats_channel *next_open, *next_close; /* in the inbox */
};

/* One subscription of a channel on one connection; or, without an owner, one of the source's own. */
struct nats_feed {
    struct nats_source *source;
    struct nats_channel *owner;
    _Atomic(struct channel *) channel;    /* what delivery appends to; NULL: nothing yet */
    const struct nats_listener *listener; /* without an owner: its listener; NULL: it is for replies */
    natsSubscription *subscription;
    struct nats_feed *next;
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
    struct lock lock;            /* of the table; never held while calling anything else */
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

    struct lock table_lock;
    struct list table;
    struct channel **lost; /* scratch for ingress_lost */
    size_t lost_count, lost_capacity;

    /* control */
    pthread_t control; /* for the stop */
    pthread_t thread;  /* the same, as control knows it */
    bool is_started, is_stopped;
    bool is_abandoned; /* the client library didn't release the connection */
    struct nats_source *next_abandoned;
    natsConnection *connection;
    bool is_up;         /* calls on the connection are not expected to block */
    bool is_connecting; /* a connector is at work */
    bool was_up;        /* ever */
    bool has_drops, has_unproven;
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

#endif
