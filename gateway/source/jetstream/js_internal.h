/* js_internal.h - what the files of the JetStream source share among themselves */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_INTERNAL_H
#define GATEWAY_SOURCE_JETSTREAM_JS_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/core/source.h"
#include "gateway/core/subject_index.h"
#include "gateway/source/jetstream/js_answers.h"
#include "gateway/source/jetstream/js_session.h"
#include "gateway/source/nats/nats_settings.h"
#include "gateway/base/thread.h"

#define JS_API_WAIT_MS 2000
#define JS_FORGET_WAIT_MS 500    /* for a consumer to be deleted: it ends by itself, too */
#define JS_HEARTBEAT_MS 500      /* of a consumer that has nothing to deliver */
#define JS_SILENCE_MS 2000       /* a consumer that is not heard of for so long is lost */
#define JS_INACTIVE_MS 2000      /* the broker drops a consumer that nobody has listened to for so long */
#define JS_OUTAGE_MS 10000       /* the stream couldn't be followed for so long: not connected */
#define JS_MISSING_RETRY_MS 1000 /* a stream that isn't there is asked for */
#define JS_LOOK_RETRY_MS 500     /* a question that wasn't answered is asked again */
#define JS_HOLE_RETRY_MS 500     /* the same, about what the consumer has passed over */
#define JS_REGRESSION_MS 10000   /* a new leader may be behind its predecessor for so long */
#define JS_PUBLISH_WAIT_MS 5000  /* for the acknowledgement */
#define JS_PUBLISH_QUEUE_MAX 1024
#define JS_STOP_WAIT_MS 5000   /* for the client library to let go of a connection */
#define JS_RELEASE_WAIT_MS 250 /* for the readers of stored events to let go of one that is about to be closed */
#define JS_PENDING_MESSAGES (1 << 20)
#define JS_PENDING_BYTES (256 << 20)
#define JS_SERVERS_MAX 64
#define JS_STRAYS_MAX 32
#define JS_REASON_MAX 256

/*
 * Threads: "control" makes all calls that may block; "delivery" is the thread
 * of a session's subscription for live events and heartbeats, and there is
 * another for acknowledgements;
 * the client library's callbacks only leave notes in the inbox; the threads of
 * the store pool take sessions from the inbox.
 *
 * Locks: live.lock, then the core's, then inbox.lock, which is never held
 * while calling anything else.
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
    bool was_current;           /* control: the pool may know its base */
    unsigned silences;          /* control: calls in a row that weren't answered */
    unsigned hole_failures;     /* control: questions about holes, the same */
    bool closed;                /* inbox.lock: the connection is */
    unsigned listening;         /* inbox.lock: subscriptions whose end hasn't been reported */
    bool lame_duck, discovered; /* inbox.lock: its server is about to stop, or has told of others */
    char denial[JS_REASON_MAX]; /* inbox.lock: what the broker refused last */
    struct list feeds;          /* control: republish mode's, all of them; freed with the link */
    /* control: generations of consumers of which the broker hasn't said that they are gone, or never were */
    uint64_t strays[JS_STRAYS_MAX];
    unsigned stray_count;
};

/* What is sent and not acknowledged yet. */
struct js_sent {
    struct publish *publish;
    uint64_t number;
    int64_t deadline_ns;
    struct js_sent *next;
};

struct js_inbox {
    struct lock lock;
    struct condition changed;   /* for control */
    struct condition settled;   /* for whoever waits for a session, or for the rings */
    bool work;                  /* anything is new for control */
    bool stop;                  /* js_source_stop was called */
    bool over;                  /* control is gone: nobody looks in here any more */
    struct js_session *current; /* a reference; NULL: none */
    struct look *looks, **looks_end;
    struct publish *publishes, **publishes_end;
    unsigned publish_count; /* not done yet */
    struct js_sent *sent, **sent_end;
    bool warm;
    char fault[JS_REASON_MAX * 2];
};

/* What the source keeps of a channel (live.lock). */
struct js_channel {
    struct channel *channel;
    struct list node; /* in live.channels */

    /* republish mode */
    struct list unfed;    /* in live.unfed, until control has subscribed for it */
    struct js_feed *feed; /* on the current session; NULL: none yet */
    bool indexed;         /* messages go into it */
    bool confirmed;       /* the broker has the subscription: what is stored from now on arrives */
    uint64_t floor;       /* what is numbered above arrives in it … */
    uint64_t known;       /* … and has, up to here */
    uint64_t told;        /* readers have been told that what is missing up to here is lost */
};

/* Republish mode: the core subscription of a channel on one session. Control, but for what is marked. */
struct js_feed {
    struct js_link *link;
    natsSubscription *subscription;
    struct js_channel *owner; /* live.lock; NULL: the channel is closed */
    struct list node;         /* in link.feeds */
    bool ending;              /* unsubscribed */
    bool completed;           /* inbox.lock: delivery is done with it */
    bool retired;             /* … and has been when a round trip began */
};

/* Who delivers what is new. */
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
struct js_republish {
    enum js_mode mode;
    struct list unfed;    /* channels to subscribe for */
    size_t unconfirmed;   /* channels */
    bool denied;          /* the broker refuses a subscription of this session: the consumer stays */
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
    uint64_t reliable;    /* number: no need to look at what is not above */
    uint64_t mark;        /* number: the next to be reliable … */
    int64_t mark_ns;      /* … as old as this */
    bool was_unreachable; /* the broker, for a while: then the messages may have been lost, too */
    bool rests;           /* the consumer is no longer needed */
    int64_t arrived_ns;   /* when one came last */
    natsMsg **queue;      /* in order of arrival */
    size_t queue_head, queue_tail;
    struct js_seen {
        uint64_t hash, number; /* of the last message of a subject; a place may be taken by another subject */
    } * seen;

    /* control */
    bool wanted;     /* by the configuration */
    char *from, *to; /* the stream's RePublish; NULL: it has none that is any use */
    bool has_said_no;
    int64_t poll_at_ns;
    uint64_t polled; /* number of the stream's last message at the last poll */
};

/* What is known of an event beside its message. */
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
    struct subject_matches matches; /* scratch */
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
    bool working;       /* what it delivers counts */
    const char *broken; /* why it doesn't any more; NULL: nothing is known */
    /*
     * Sequences that were passed over were deleted one by one, or purged
     * before they were delivered: the number that came after the first such
     * hole that nobody has looked into. 0: none.
     */
    uint64_t hole_end;
    _Atomic int64_t heard_ns;
    int64_t heartbeats_from_ns; /* those before are of the consumer before */
    bool stray_heard;           /* a consumer that should be gone */
};

struct js_source {
    struct source base;
    struct nats_settings settings;
    char *stream;
    char **subjects;
    unsigned subjects_count;
    uint32_t events;   /* of the longest ring */
    bool publish_only; /* nobody reads it */
    struct js_pool *pool;
    struct js_inbox inbox;
    struct js_live live;
    struct js_republish republish;
    atomic_bool is_warm;
    atomic_bool is_stopping; /* as inbox.stop, for calls that take long */
    _Atomic int64_t lost_ns; /* since when the stream hasn't been followed; 0: it is */

    /* control */
    pthread_t control;
    bool started, stopped;
    bool abandoned; /* the client library didn't let go */
    struct js_source *next_abandoned;
    char *servers[JS_SERVERS_MAX]; /* the configured ones, then those that the broker has told of */
    int servers_count, server_next;
    uint64_t sessions;
    uint64_t sent_count;
    uint64_t incarnation;
    unsigned failures; /* in a row */
    bool was_live, checked_subjects;
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

static inline int64_t js_in_ms(int64_t now_ns, int64_t ms)
{
    return now_ns + ms * NS_PER_MS;
}

/* js_source.c */
/* inbox.lock is held. */
void js_inbox_wake(struct js_source *source);
/* The rings are filled. live.lock is held. */
void js_source_settle_warm(struct js_source *source);

/* js_control.c: the control thread */
void *js_control_main(void *arg);

/* js_link.c: sessions */
/* Tries each server once; NULL: none would have us, or the source is about to stop. */
struct js_link *js_link_connect(struct js_source *source);
/* The servers that its server knows of are tried by later sessions, too. */
void js_link_remember_servers(struct js_source *source, struct js_link *link);
/* Consumes control's reference. Nothing of the session arrives any more afterwards. */
void js_link_end(struct js_source *source, struct js_link *link);
/* Something is wrong with it. Any thread. */
void js_link_give_up(struct js_source *source, struct js_session *session);

/* js_stream.c: what the stream is like */
enum js_stream_status { JS_STREAM_OK = 0, JS_STREAM_MISSING, JS_STREAM_FAILED };
struct message;
struct js_stream {
    uint64_t incarnation;
    int64_t created_ns;
    uint64_t first, last; /* its own sequences; nothing stored: first is last + 1 */
    unsigned replicas;
};
/* What isn't OK has been logged. */
enum js_stream_status js_stream_read(struct js_source *source, struct js_link *link, struct js_stream *stream);
/* A call on the session failed: counts, and says why unless that has been said often enough. */
void js_stream_log_failure(struct js_source *source, struct js_link *link, const char *what, natsStatus status,
                           jsErrCode code);

/* js_live.c: following the stream */
enum js_live_status {
    JS_LIVE_OK = 0,
    JS_LIVE_MISSING, /* there is no such stream at the moment */
    JS_LIVE_LATER,
    JS_LIVE_STALE, /* the stream was made anew: a session of before is of no use */
};
/* Makes a consumer that goes on behind the horizon, in place of any that was. */
enum js_live_status js_live_start(struct js_source *source, struct js_link *link);
/* What it may still deliver doesn't count. Deletes the consumer when the session can. */
void js_live_end(struct js_source *source, struct js_link *link, bool deletes);
/* Why it has to be started anew; NULL: no reason. */
const char *js_live_trouble(struct js_source *source, int64_t now_ns);
/* Looks into a hole, if there is one. */
void js_live_check_hole(struct js_source *source, struct js_link *link);
void js_live_open(struct js_source *source, struct channel *channel);
void js_live_close(struct js_source *source, struct channel *channel);

/* The consumer isn't needed for now. */
void js_live_rest(struct js_source *source, struct js_link *link);
/* Those of the session's consumers that should be gone, and perhaps are not. */
void js_live_delete_strays(struct js_source *source, struct js_link *link);
/* live.lock is held. What the consumer still delivers doesn't count: control makes another. */
void js_live_break_off(struct js_source *source, const char *reason);
/* live.lock is held. From now on messages go into the channel. */
void js_live_index(struct js_source *source, struct js_channel *channel);
/*
 * live.lock is held. One message into all of live.matches; its subject is the one given. Moves the horizon; below it,
 * the message goes only where it was missed.
 */
void js_live_append(struct js_source *source, natsMsg *msg, uint64_t number, struct message *message);

/* js_republish.c: following the stream by what it republishes */
void js_republish_init(struct js_source *source, bool wanted);
void js_republish_dispose(struct js_source *source);
/* What the stream says about it; either NULL: nothing. */
void js_republish_adopt(struct js_source *source, const char *from, const char *to, bool headers_only);
/* live.lock is held. */
void js_republish_open(struct js_source *source, struct js_channel *channel);
void js_republish_close(struct js_source *source, struct js_channel *channel);
/* A session begins or has ended: nothing of the one before counts. */
void js_republish_reset(struct js_source *source);
/* live.lock is held. Leaves those of live.matches that can still have the message, which they missed. */
void js_republish_filter(struct js_source *source, uint64_t number, const struct message *message);
/* live.lock is held. The subscriptions no longer lead: what may have been lost lately is looked for. */
void js_republish_look_back(struct js_source *source);
/* live.lock is held. The next consumer need not begin in front of what this one has delivered. */
void js_republish_keep_progress(struct js_source *source);
/* live.lock is held. The stream is that far, and the broker has answered. */
void js_republish_polled(struct js_source *source, uint64_t last);
/* live.lock is held. A message has gone into all of live.matches. */
void js_republish_note(struct js_source *source, uint64_t number, const struct message *message);
/* live.lock is held. The consumer has got to the horizon: may the subscriptions take over? */
void js_republish_try(struct js_source *source);
bool js_republish_leads(struct js_source *source);
/* The broker has refused something: perhaps a subscription. */
void js_republish_on_denial(struct js_source *source, const char *text);
void js_republish_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *feed);

/* js_feeds.c: the subscriptions of republish mode */
void js_feeds_free(struct js_link *link);
/* Control, now and then: subscribes, looks after the end of subscriptions. False: the session is of no use. */
bool js_feeds_work(struct js_source *source, struct js_link *link);
/* When js_feeds_work is due, 0: when there is news. */
int64_t js_feeds_due(const struct js_source *source);

/* js_held.c: what waits behind a hole. live.lock is held. */
void js_held_init(struct js_live *live);
/* Takes the message over; the arrival is left to the caller. `first` is not 0: control asks about the hole up to `end`. */
struct js_held *js_held_add(struct js_source *source, enum js_held_kind kind, natsMsg *msg, uint64_t first,
                            uint64_t end);
/* Takes the first one out, for the caller to free. */
struct js_held *js_held_take(struct js_live *live);
void js_held_free(struct js_held *held);
/* The consumer is given up. */
void js_held_forget(struct js_live *live);

/* js_hole.c: control asks what the stream holds where the consumer has delivered nothing */
void js_hole_settle(struct js_source *source, struct js_link *link);
/* When it is to be called again; 0: when there is news. */
int64_t js_hole_due(struct js_source *source);

/* js_delivery.c: the delivery thread */
/* live.lock is held. The next event of the stream, from its consumer or from the store, goes into its channels. */
void js_delivery_append(struct js_source *source, natsMsg *msg, const struct js_arrival *arrival);
/* live.lock is held. Nothing more is stored up to this number. */
void js_delivery_reach(struct js_source *source, uint64_t number);
void js_delivery_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *link);

/* js_publish.c: publishing with acknowledgement */
void js_publish_send(struct js_source *source, struct js_link *link, struct publish *publishes);
/* An acknowledgement, or the word that nobody takes it. On a thread of its own. */
void js_publish_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *link);
void js_publish_on_denial(struct js_source *source, const char *text);
/* Those whose time has come; all: every one. Returns the next deadline, 0: none is waiting. */
int64_t js_publish_expire(struct js_source *source, int64_t now_ns, bool all);
void js_publish_refuse(struct js_source *source, struct publish *publishes);

#endif
