/* js_read.h - one thread's reading of stored messages: its session, its consumer, what the leader says */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/encode.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_pull.h"

struct js_session;
struct source;

/* Where sessions come from. */
struct js_read_host {
    struct source *source;
    /*
     * Waits for a session and retains it; NULL: the source stops. Any thread.
     * A session that is over is released within moments, and the next one
     * must not be given before the connection of the last has been closed.
     */
    struct js_session *(*acquire)(void *owner);
    /* Something is wrong with the session: it ought to be ended. Any thread. */
    void (*complain)(void *owner, struct js_session *session);
    void *owner;
};

/*
 * Belongs to one thread. Errors and time-outs are no answers: what fails is
 * tried again, after pauses that grow, on this session or the next one, from
 * behind what was handed out.
 */
struct js_read {
    struct js_pull pull;
    const struct js_read_host *host;
    struct encoding encoding;
    unsigned failures; /* in a row: how long the next pause is */
    uint64_t checked;  /* the pull, plus 1, that source->first is up to date for */
    /* Of the open consumer: what it reads, and how far it is known to have left out nothing that is stored. */
    const char *pattern; /* ">": all subjects */
    uint64_t position;   /* number: all up to here was taken, or is not wanted */
    uint64_t counted;    /* number: holes up to here have been counted, of this job */
    uint64_t proven;     /* number: no message up to here has a hole in front of it that was not asked about */
    uint64_t skipped_at; /* number: where a consumer of this job has skipped messages last; 0: none has */
    struct js_question questions[JS_PULL_MESSAGES];
    bool is_patient;
    unsigned waits; /* in vain, for a server that lags */
};

/* What became of a piece or a fill. */
enum js_read_status {
    JS_READ_DONE = 0,
    JS_READ_INTERRUPTED,
    JS_READ_NO_SESSION, /* it ended: again with the next one */
};

/* The host outlives it. */
void js_read_init(struct js_read *read, const struct js_read_host *host);
void js_read_dispose(struct js_read *read);

/* Makes sure that there is a session that isn't over. False: there won't be any more. Blocks. */
bool js_read_attach(struct js_read *read);
bool js_read_is_attached(const struct js_read *read);
/* Gives the consumer up, which may need some tries. */
void js_read_close(struct js_read *read);

/* `number`: the core's, over all incarnations; `sequence`: the current stream's. */
uint64_t js_read_stream_sequence(const struct js_read *read, uint64_t number);
/* Of the message that js_pull_next gave. */
uint64_t js_read_number(const struct js_read *read);

/* After something failed. Ends early when there is no use in waiting. */
void js_read_pause(struct js_read *read);
/* The consumer is in doubt: makes another after a pause. */
void js_read_failed(struct js_read *read);
/* Makes a consumer. False: it failed, and there was a pause. */
bool js_read_open(struct js_read *read, const struct js_pull_start *start);
/* Takes the message that js_pull_next gave out of the queue. */
void js_read_taken(struct js_read *read);
/* Did the consumer pass over sequences in front of that message that the leader was not asked about yet? */
bool js_read_has_hole(const struct js_read *read);

/* Counts answers that didn't come. True: the leader has answered. */
bool js_read_is_answered(struct js_read *read, enum js_answer answer);
/* The stream's last number; brings source->first up to date. False: no answer. */
bool js_read_ask_range(struct js_read *read, uint64_t *last);
/*
 * To be called with the first that a pull has found above `after` (0:
 * nothing), before it is used: brings source->first up to date, unless nothing
 * is missing in between. The gap has been seen by then, so no loss goes
 * unnoticed. False: no answer.
 */
bool js_read_check_first(struct js_read *read, uint64_t after, uint64_t next);
/* What the leader has stored next, above `after`: UINT64_MAX: nothing. False: no answer. */
bool js_read_next_stored(struct js_read *read, const char *pattern, uint64_t after, uint64_t *next);
/*
 * A server of the 2.9 series counts what pends again for each message of some
 * consumers with a filter, by looking at up to half a block of its store. True:
 * it would be much faster to read everything from the last message up to `until`.
 */
bool js_read_is_slow(const struct js_read *read, uint64_t until);

#endif
