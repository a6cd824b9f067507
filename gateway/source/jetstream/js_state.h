/* js_state.h - the structs of a JetStream source, for the files of its wing */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_STATE_H
#define GATEWAY_SOURCE_JETSTREAM_JS_STATE_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/lock.h"
#include "gateway/core/source.h"
#include "gateway/core/subject_index.h"
#include "gateway/source/jetstream/js_answers.h"
#include "gateway/source/jetstream/js_inbox.h"
#include "gateway/source/jetstream/js_session.h"
#include "gateway/source/nats/nats_settings.h"

#define JS_API_WAIT_MS 2000
#define JS_HEARTBEAT_MS 500 /* of a consumer that has nothing to deliver */
#define JS_SILENCE_MS 2000  /* a consumer that is not heard of for so long is lost */
#define JS_PENDING_MESSAGES (1 << 20)
#define JS_PENDING_BYTES (256 << 20)
#define JS_SERVERS_MAX 64
#define JS_STRAYS_MAX 32
_Static_assert(JS_SILENCE_MS >= 4 * JS_HEARTBEAT_MS, "one late heartbeat is no silence");

/*
 * Threads: "control" makes all calls that may block; "delivery" is the thread
 * of a session's subscription for live events and heartbeats, and there is
 * another for acknowledgements;
 * the client library's callbacks only leave notes in the inbox; the threads of
 * the store pool take sessions from the inbox.
 *
 * Locks: live.lock, then the core's, then the inbox's and sent.lock, which are
 * never held while calling anything else.
 *
 * Files, from the bottom up: session, answers, ask, metadata, pull; inbox;
 * stream; held, channels, rewind, missed; live; republish; delivery, publish;
 * feeds, consumer, inspect; link, hole, follow, poll; control; source. Beside
 * them the store pool, which knows sessions, ask and pull.
 */

/*
 * A session, and what only the source has to do with it. Two subscriptions
 * take everything that comes unasked, "<inbox>.l" of consumers (the broker, as
 * of 2.9, doesn't notice a wildcard's interest in what a consumer delivers) and
 * "<inbox>.p.*" of publishing. They live as long as the connection: the library
 * (3.4) uses a subscription that has just been freed when a message arrives
 * for it at that moment.
 */
struct js_link {
    struct js_session session; /* first: freed as a session */
    struct js_source *source;
    natsSubscription *live, *acks;
    struct js_answers answers; /* control: to js_ask_each */
    char *inbox;
    size_t inbox_len;
    bool was_current;         /* control: the pool may know its base */
    unsigned silences;        /* control: calls in a row that weren't answered */
    unsigned hole_failures;   /* control: questions about holes, the same */
    struct js_link_news news; /* the inbox's */
    struct list feeds;        /* control: republish mode's, all of them; freed with the link */
    /* control: generations of consumers of which the broker hasn't said that they are gone, or never were */
    uint64_t strays[JS_STRAYS_MAX];
    unsigned stray_count;
};

/* A message that is in flight: sent, and not acknowledged yet. */
struct js_sent {
    struct publish *publish;
    uint64_t number;
    int64_t deadline_ns;
    struct js_sent *next;
};

/* In the order in which they are due, which is about that of their acknowledgements. */
struct js_sent_list {
    struct lock lock;
    struct js_sent *first, **end;
};

/* What the source keeps of a channel (live.lock). */
struct js_channel {
    struct channel *channel;
    struct list node; /* in live.channels */

    /* republish mode */
    struct list unfed;    /* in live.unfed, until control has subscribed for it */
    struct js_feed *feed; /* on the current session; NULL: none yet */
    bool is_indexed;      /* messages go into it */
    bool is_confirmed;    /* the broker has the subscription: what is stored from now on arrives */
    uint64_t floor;       /* what is numbered above arrives in it … */
    uint64_t known;       /* … and has, up to here */
    uint64_t told;        /* readers have been told that what is missing up to here is lost */
};

/* Republish mode: the core subscription of a channel on one session. Control, except where marked. */
struct js_feed {
    struct js_link *link;
    natsSubscription *subscription;
    struct js_channel *owner; /* live.lock; NULL: the channel is closed */
    struct list node;         /* in link.feeds */
    bool is_ending;           /* unsubscribed */
    bool is_completed;        /* the inbox's: delivery is done with it */
    bool is_retired;          /* … and has been when a round trip began */
};

/* Where new messages come from. */
enum js_mode {
    JS_BY_CONSUMER = 0, /* also republish mode's way to catch up */
    JS_BY_REPUBLISH,
};

/*
 * Republish mode (live.lock). The consumer hands over when it has delivered
 * all that was stored before the last subscription stood, and all that the
 * queue had to drop: what comes then comes over the subscriptions. Back to a
 * consumer when a message tells that the one before it never came.
 */
#define JS_QUEUE_MAX 4096 /* republished messages that wait for the consumer to get there */
#define JS_SEEN_MAX 65536
_Static_assert((JS_QUEUE_MAX & (JS_QUEUE_MAX - 1)) == 0, "head and tail may wrap around");
_Static_assert((JS_SEEN_MAX & (JS_SEEN_MAX - 1)) == 0, "a hash finds its place with a mask");
struct js_republish {
    enum js_mode mode;
    struct list unfed;    /* channels to subscribe for */
    size_t unconfirmed;   /* channels */
    bool is_denied;       /* the broker refuses a subscription of this session: the consumer stays */
    bool has_asked;       /* how far the stream was after the subscriptions stood: switch_at */
    uint64_t switch_at;   /* number */
    uint64_t dropped;     /* number */
    uint64_t rewind;      /* number: the consumer has to begin there, something was lost; 0: behind the horizon */
    uint64_t consumer_at; /* number: all up to it has come from the consumer */
    /*
     * A loss of which nothing tells until its subject has a next message is
     * looked for whenever the consumer is needed, by beginning a while back.
     */
    uint64_t look_from;   /* number: the consumer begins there; 0: behind the horizon */
    uint64_t look_to;     /* number: … until it has come here */
    uint64_t reliable;    /* number: no need to look at numbers up to it */
    uint64_t mark;        /* number: the next to be reliable … */
    int64_t mark_ns;      /* … as old as this */
    bool was_unreachable; /* the broker, for a while: then the messages may have been lost, too */
    bool is_resting;      /* the consumer is no longer needed */
    int64_t arrived_ns;   /* when one came last */
    natsMsg **queue;      /* in order of arrival */
    size_t queue_head, queue_tail;
    struct js_seen {
        uint64_t hash, number; /* of the last message of a subject; a place may be taken by another subject */
    } * seen;

    /* control */
    bool is_wanted;  /* by the configuration */
    char *from, *to; /* the stream's RePublish; NULL: it has none that is any use */
    bool has_said_no;
    int64_t poll_at_ns;
    uint64_t polled; /* number of the stream's last message at the last poll */
};

/* An event's numbers and times. */
struct js_arrival {
    uint64_t number;
    int64_t stored_ns;  /* wall clock */
    int64_t arrived_ns; /* monotonic: in the client library's callback */
    uint64_t pending;   /* further messages for the consumer at that time */
};

/*
 * What the consumer has delivered from the first unexplained hole on. It waits
 * here until control knows what the stream holds in that hole. Flow-control
 * requests wait here too, so that the broker stops sending at its own limit.
 */
enum js_held_kind {
    JS_HELD_EVENT = 0,
    JS_HELD_HEARTBEAT, /* there is nothing in front of `end` that the consumer has not delivered */
    JS_HELD_FLOW,      /* flow control: to be answered */
};
struct js_held {
    enum js_held_kind kind;
    bool is_missing;           /* `first` is stored, and the consumer has passed over it */
    natsMsg *msg;              /* owned; NULL: a heartbeat */
    uint64_t first;            /* number: where the hole in front of it begins; 0: nothing is stored there */
    uint64_t end;              /* number: one past the hole; the event's own */
    struct js_arrival arrival; /* of an event */
    struct js_held *next;
};

/* The consumer that follows the stream, and where it has got to. */
struct js_live {
    struct lock lock;
    struct subject_index *index;
    struct list channels;
    size_t channel_count;
    struct subject_index_matches matches; /* scratch */
    bool has_horizon;
    uint64_t base;    /* of the epoch */
    uint64_t horizon; /* number: everything up to it is in the channels */
    uint64_t warm_at;

    struct js_link *link;       /* the consumer's session */
    char consumer[64];          /* its name; "": none was ever made */
    char *mark;                 /* ".<stream>.<consumer>.", which is in the reply subject of each of its messages */
    uint64_t generation;        /* of consumers */
    uint64_t consumer_sequence; /* of the consumer's last message */
    uint64_t seen;              /* number: up to here the consumer has delivered all, or it is asked about */
    struct js_held *held, **held_end;
    bool is_working;    /* what it delivers counts */
    const char *broken; /* why it doesn't any more; NULL: nothing is known */
    /*
     * Sequences that were passed over were deleted one by one, or purged
     * before they were delivered: the number that came after the first such
     * hole that has not been looked into. 0: none.
     */
    uint64_t hole_end;
    _Atomic int64_t heard_ns;
    int64_t heartbeats_from_ns; /* those before are of the consumer before */
    bool has_heard_stray;       /* a consumer that should be gone */
};

struct js_source {
    struct source base;
    struct nats_settings settings;
    char *stream;
    char **subjects;
    unsigned subjects_count;
    uint32_t events;      /* of the longest ring */
    bool is_publish_only; /* no route reads it */
    struct js_pool *pool;
    struct js_inbox inbox;
    struct js_sent_list sent;
    struct js_live live;
    struct js_republish republish;
    _Atomic int64_t lost_ns; /* since when the stream hasn't been followed; 0: it is */

    /* control */
    pthread_t control; /* for the stop */
    pthread_t thread;  /* the same, as control knows it */
    bool is_started, is_stopped;
    bool is_abandoned; /* the client library didn't release the connection */
    struct js_source *next_abandoned;
    char *servers[JS_SERVERS_MAX]; /* the configured ones, then those that the broker has named */
    int servers_count, server_next;
    uint64_t sessions;
    uint64_t sent_count;
    uint64_t incarnation;
    unsigned failures; /* in a row */
    bool was_live, has_checked_subjects;
    int64_t regression_ns; /* since when the stream is behind what we have had; 0: it isn't */
    struct look *looks;    /* waiting for an answer */
    int64_t look_at_ns;
    int64_t hole_checked_ns;
    int64_t hole_at_ns;    /* nothing is asked about holes until then */
    unsigned hole_fetched; /* messages in a row that the consumer has skipped */
    const char *lost_reason;
    bool was_turned_away;  /* by the last server that was asked */
    struct js_link *spare; /* of an attempt that failed: its callbacks may come late */
};

#endif
