/* reader.h - one event stream as the core sees it: cursors into channels */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_READER_H
#define GATEWAY_CORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/close_reason.h"
#include "gateway/config/config.h"
#include "gateway/base/list.h"
#include "gateway/core/view.h"
#include "proto/event_id.h"

struct batch;
struct history;
struct hub;
struct identity;
struct piece;
struct reader;

#define READER_SUBJECTS_MAX 32
#define READER_PEER_MAX 64

/*
 * Hub thread only. A reader is embedded in the stream that carries it. It is
 *   OPENING  until every channel flows (or one is denied, or it has taken long),
 *   IDLE     when it has sent all there is: its cursors wait in their views,
 *   FLYING   from ops->send until reader_sent,
 *   ENDED    after the last send.
 * Behind a slow connection it waits with one batch in flight, and its cursors
 * fall behind the heads of their views: nothing is queued for it.
 */
enum reader_state { READER_OPENING = 0, READER_IDLE, READER_FLYING, READER_ENDED };

/* Why a reader was not let in. */
enum reader_refusal { READER_DENIED = 0, READER_STOPPING, READER_REVOKED, READER_CHANGED };

struct reader_ops {
    /*
     * Send the pieces, in order; never empty unless `final`. They stay valid
     * until reader_sent or reader_close. The first send carries the head of
     * the response. After a final send only reader_close follows.
     */
    void (*send)(struct reader *reader, const struct piece *pieces, size_t count, bool final);
    /* Instead of a first send. Only reader_close follows. */
    void (*refuse)(struct reader *reader, enum reader_refusal refusal);
    /* When the reader's connection last took something. Only asked between a send and what follows it. */
    int64_t (*last_progress_ns)(const struct reader *reader);
    /* send will be called soon: brings what it touches into the cache. May be NULL. */
    void (*prefetch)(const struct reader *reader);
    /* Shut the connection down; reader_close follows, later. */
    void (*kill)(struct reader *reader);
    /* The client's address for /streams, NUL terminated. May be NULL. */
    void (*peer)(const struct reader *reader, char dst[static READER_PEER_MAX]);
};

/* LAST: the last event of each subject, then live; of a source with a store only. */
enum reader_start { READER_FROM_NOW = 0, READER_FROM_EARLIEST, READER_FROM_TIME, READER_FROM_CURSOR, READER_FROM_LAST };

struct reader_options {
    const struct config_route *route; /* outlives the reader */
    struct source *source;
    const char *const *subjects; /* checked patterns, none covered by another; only read in reader_open */
    size_t subject_count;        /* 1 … READER_SUBJECTS_MAX */
    enum reader_start start;
    int64_t start_ns;        /* FROM_TIME: wall clock */
    const char *cursor_text; /* FROM_CURSOR: what the client sent, outlives the reader */
    size_t cursor_len;
    bool follow;
    int64_t expires_ns;              /* monotonic: it ends then with freshet.bye "expired"; 0: never */
    const struct identity *identity; /* the client's; NULL: the route asks for none */
    const void *origin;              /* the listener that accepted it; only compared */
};

/* The members that each event touches come first: with 100,000 streams every cache line is a miss. */
struct reader {
    const struct reader_ops *ops;
    struct hub *hub;
    struct batch *batch;    /* in flight */
    uint64_t last_sequence; /* all up to here has been sent, or is known to be missed */
    uint64_t replay_end;    /* the horizon when it started */
    int64_t last_sent_ns;
    uint64_t events, bytes; /* sent so far */
    struct cursor *cursors; /* `first`, or an array of its own */
    uint8_t cursor_count;
    uint8_t state;  /* enum reader_state */
    uint8_t start;  /* enum reader_start */
    uint8_t ending; /* enum close_reason: why it ends as soon as it can send, or CLOSE_NONE */
    bool follow;
    bool has_overlap;   /* two patterns may match one message: the later one leaves it to the earlier */
    bool is_conflating; /* fell behind under `latest`: superseded events are left out until it has caught up */
    bool is_replaying;  /* what is sent now counts as replayed */
    bool is_placed;     /* its cursors stand where it starts */
    bool is_asked_back; /* it is revoked, but asked to try again */
    bool is_parting;    /* it is in hub->parting */
    bool is_skipping;   /* events up to skip_to have yet to come in */
    struct cursor first;

    uint64_t skip_to;        /* the client has all events up to here, or began behind them */
    struct history *history; /* until it has caught up with the rings, where a store has older events; else NULL */
    const struct config_route *route;
    struct source *source;
    struct list deadline; /* in the hub's wheel */
    struct list all;      /* in the hub's list of readers */
    int64_t start_ns;
    const char *cursor_text;
    size_t cursor_len;
    int64_t expires_ns;
    const struct identity *identity;
    const void *origin;
    int64_t opened_ns;
    uint32_t gaps;
    enum close_reason reason; /* once closed or ended */
};

/* Joins the channels. ops->send or ops->refuse follows, perhaps before this returns. */
void reader_open(struct reader *reader, struct hub *hub, const struct reader_ops *ops,
                 const struct reader_options *options);
/* The pieces of ops->send have been written. May call ops->send. */
void reader_sent(struct reader *reader);
/* Ends with freshet.bye as soon as the reader can send; at once when it is idle. Idempotent. */
void reader_end(struct reader *reader, enum close_reason reason);
/* The same; a reader that is closed before its bye is sent counts as ended for this reason, not by its client. */
void reader_cut(struct reader *reader, enum close_reason reason);
/* The stream is gone, for whatever reason. Lets go of everything; calls nothing. Idempotent. */
void reader_close(struct reader *reader);

/* ---- of core ---- */

/* The cursor will be pumped soon: brings its reader into the cache. May be given the list's head. */
void reader_prefetch(const struct cursor *cursor);
/* An OPENING or IDLE reader with a pending cursor: starts, sends, or goes back to waiting. */
void reader_pump(struct reader *reader);
/* Its history has something new. */
void reader_resume(struct reader *reader);
/* Its deadline came up: heartbeat, write timeout, expiry, or back into the wheel. */
void reader_check(struct reader *reader);

#endif
