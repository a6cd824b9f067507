/* js_read.h - one thread's reading of stored messages: pieces for readers, fills for channels */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_READ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/encode.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_pull.h"

struct channel;
struct fetch;
struct fill;
struct js_replay_options;

/*
 * Errors and time-outs are no answers: what fails is tried again, after pauses
 * that grow, on this session or the next one, from behind what was handed out.
 */
struct js_read {
    struct js_pull pull;
    const struct js_replay_options *options;
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
    bool patient;
    unsigned waits; /* in vain, for a server that lags */
};

enum js_read_status {
    JS_READ_DONE = 0,
    JS_READ_INTERRUPTED,
    JS_READ_NO_SESSION, /* it ended: again with the next one */
};

/* What lasts from piece to piece of a fetch, whichever thread reads them. */
struct js_read_fetch {
    struct fetch *fetch;
    bool unfiltered;               /* reads all subjects, since that is faster */
    bool has_snapshot, is_retaken; /* … by another consumer than the first */
    uint64_t snapshot; /* FETCH_LAST: at least all above this number is handed out, not only the last of a subject */
};

struct js_read_fill {
    struct channel *channel;
    struct fill *fill; /* NULL: not begun */
    bool unfiltered;   /* reads all subjects, since that is faster */
    uint64_t after;    /* for channel_filled */
    uint64_t position; /* all above after and up to here was added */
    /* The search for a start with no more messages than it takes. */
    bool settled;
    unsigned tries;
    uint64_t too_many, too_few; /* numbers behind which there are; too_few 0: none known */
};

void js_read_init(struct js_read *read, const struct js_replay_options *options);
void js_read_dispose(struct js_read *read);

/* Sees to it that there is a session that isn't over. False: there won't be any more. Blocks. */
bool js_read_attach(struct js_read *read);
bool js_read_is_attached(const struct js_read *read);
/* Gives the consumer up, which may need some tries. */
void js_read_close(struct js_read *read);

/* May leave a piece with events behind also when it isn't done: to be handed out. */
enum js_read_status js_read_piece(struct js_read *read, struct js_read_fetch *job);
/* DONE: channel_filled is up to the caller. */
enum js_read_status js_read_fill(struct js_read *read, struct js_read_fill *job);

#endif
