/* js_read_piece.c - reads one piece of stored messages for one reader */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_read_piece.h"

#include "gateway/base/check.h"
#include "gateway/core/fetch.h"
#include "gateway/core/message.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_session.h"
#include "gateway/source/jetstream/store/js_read.h"
#include "gateway/source/jetstream/store/js_read_hole.h"
#include "gateway/source/nats/nats_message.h"

/* Snapshots of one fetch that may be taken for skipped. */
#define SKIPS_MAX 5

static bool open_fetch(struct js_read *read, struct js_read_fetch *job)
{
    struct fetch *fetch = job->fetch;
    bool is_filtered = fetch->pattern_count == 1 && !job->is_unfiltered;
    struct js_pull_start start = {.filter = is_filtered ? fetch->patterns[0] : NULL,
                                  .sequence = js_read_stream_sequence(read, fetch->after) + 1};
    if (fetch->from == FETCH_LAST) {
        if (job->has_snapshot && fetch->after >= job->snapshot) {
            fetch->from = FETCH_AFTER;
        } else {
            /* Asked for before the snapshot is taken: it is no older. */
            job->is_retaken = job->has_snapshot;
            if (!job->has_snapshot)
                job->has_snapshot = js_read_ask_range(read, &job->snapshot);
            if (!job->has_snapshot) {
                js_read_failed(read);
                return false;
            }
            start.from = JS_PULL_FROM_LAST;
            /* There has to be one. */
            start.filter = fetch->pattern_count == 1 ? fetch->patterns[0] : ">";
        }
    } else if (fetch->from == FETCH_TIME && fetch->start_ns > 0) {
        start.from = JS_PULL_FROM_TIME;
        start.time_ns = fetch->start_ns;
    }
    if (!js_read_open(read, &start))
        return false;
    if (start.from == JS_PULL_FROM_LAST) /* what it leaves out up to there was superseded */
        read->position = job->snapshot;
    return true;
}

/* What the leader has of a fetch behind what was handed out. */
static bool next_for_fetch(struct js_read *read, struct fetch *fetch, uint64_t *next)
{
    *next = UINT64_MAX;
    for (unsigned i = 0; i != fetch->pattern_count; ++i) {
        uint64_t found;
        if (fetch->from == FETCH_TIME) {
            int64_t stored_ns;
            enum js_answer answer = js_ask_last(read->pull.session, fetch->patterns[i], &found, &stored_ns);
            if (!js_read_is_answered(read, answer))
                return false;
            /* Only the consumer knows how early the first is. */
            found = answer == JS_ANSWER_OK && stored_ns >= fetch->start_ns ? 0 : UINT64_MAX;
        } else if (!js_read_next_stored(read, fetch->patterns[i], fetch->after, &found)) {
            return false;
        }
        *next = found < *next ? found : *next;
    }
    return true;
}

static void complete_fetch(struct fetch *fetch)
{
    fetch->after = fetch->after > fetch->target ? fetch->after : fetch->target;
    fetch->complete = true;
}

/* Of each pull, before the first message is used. Nothing is in the piece then. False: no answer. */
static bool check_first(struct js_read *read, struct fetch *fetch, uint64_t next)
{
    if (fetch->from != FETCH_AFTER)
        return true;
    if (!js_read_check_first(read, fetch->after, next))
        return false;
    /* another reader's question may have been answered since the piece was begun */
    if (fetch->events == 0 && atomic_load(&read->host->source->first) != fetch->first)
        fetch_begin(fetch);
    return true;
}

/* The consumer has nothing further. */
static void end_of_consumer(struct js_read *read, struct js_read_fetch *job)
{
    struct fetch *fetch = job->fetch;
    uint64_t next;
    if (!check_first(read, fetch, 0) || !next_for_fetch(read, fetch, &next)) {
        js_read_failed(read);
        return;
    }
    read->failures = 0;
    if (next > fetch->target) {
        complete_fetch(fetch);
        return;
    }
    /* It was stored since, or where the consumer lives has not got it yet. */
    if (fetch->from == FETCH_LAST) {
        if (next > job->snapshot || fetch->after >= job->snapshot)
            fetch->from = FETCH_AFTER;
        else if (fetch->events == 0)
            js_read_pause(read);
        read->pull.is_open = false;
    } else if (fetch->events == 0) {
        js_read_hole_wait(read, fetch->from == FETCH_TIME ? 0 : next);
    }
}

/* False: it belongs into the next piece. */
static bool add_message(struct js_read *read, struct fetch *fetch)
{
    struct message message = {.received_ns = read->pull.metadata.stored_ns};
    uint64_t number = js_read_number(read);
    bool is_wanted =
        number > fetch->after && (fetch->from != FETCH_TIME || read->pull.metadata.stored_ns >= fetch->start_ns);
    if (is_wanted && number > fetch->target) {
        complete_fetch(fetch);
        return true;
    }
    if (is_wanted) {
        nats_message_read(js_pull_peek(&read->pull, 0)->message, &message);
        if (!fetch_add(fetch, &read->encoding, number, &message))
            return false;
        if (fetch->from == FETCH_TIME) {
            fetch->from = FETCH_AFTER;
            read->checked = read->pull.requests + 1; /* a time reaches back as far as it does */
        }
    }
    js_read_taken(read);
    return true;
}

/*
 * A server of the 2.9 series moves a consumer that a rollup finds half made past its whole snapshot. Then it begins
 * behind it, though the stream holds something in front of that. So it does where all was superseded in between, which
 * doesn't happen time and again. False: no answer.
 */
static bool look_for_skip(struct js_read *read, struct js_read_fetch *job, bool *is_skipped)
{
    uint64_t next;
    *is_skipped = false;
    if (read->pull.metadata.consumer_sequence != 1 || job->skips == SKIPS_MAX)
        return true;
    if (!next_for_fetch(read, job->fetch, &next))
        return false;
    *is_skipped = next <= job->snapshot;
    if (*is_skipped) {
        ++job->skips;
        js_ask_report_skip(read->pull.session->stream, js_read_stream_sequence(read, next),
                           read->pull.metadata.stream_sequence);
    }
    return true;
}

/*
 * A message from after the snapshot: all of it has come, and from there on
 * nothing may be left out. Where the first consumer was lost half-way, the
 * second has left out what was superseded since, of subjects too that the
 * first has given: that one is good up to the first one's moment only.
 */
static void end_snapshot(struct js_read *read, struct js_read_fetch *job)
{
    struct fetch *fetch = job->fetch;
    bool is_skipped;
    if (!look_for_skip(read, job, &is_skipped)) {
        js_read_failed(read);
        return;
    }
    if (is_skipped) { /* the next consumer takes it again */
        read->pull.is_open = false;
        return;
    }
    fetch->from = FETCH_AFTER;
    if (fetch->after < job->snapshot)
        fetch->after = job->snapshot;
    read->checked = 0;
    read->pull.is_open = !job->is_retaken;
}

/* Is the message that the consumer gives next the next one that is stored? False: the piece ends before it, for now. */
static bool is_next(struct js_read *read, const struct fetch *fetch)
{
    if (!js_read_has_hole(read))
        return true;
    if (fetch->events != 0) /* first hand out the events in front of the hole: a loss belongs to the next piece */
        return false;
    switch (js_read_hole_check(read)) {
    case JS_READ_NO_HOLE:
        return true;
    case JS_READ_SKIPPED:
        return false;
    case JS_READ_UNKNOWN:
        break;
    }
    if (!atomic_load(read->pull.interrupt))
        js_read_failed(read);
    return false;
}

/* True: the piece is to be handed out. */
static bool take_step(struct js_read *read, struct js_read_fetch *job)
{
    struct fetch *fetch = job->fetch;
    switch (js_pull_next(&read->pull, read->is_patient)) {
    case JS_PULL_END:
        end_of_consumer(read, job);
        return fetch->complete || fetch->events != 0;
    case JS_PULL_FAILED:
        if (fetch->events == 0 && !atomic_load(read->pull.interrupt))
            js_read_failed(read);
        read->pull.is_open = false;
        return fetch->events != 0;
    case JS_PULL_DRAINED:
        return fetch->events != 0;
    case JS_PULL_OK:
        break;
    }
    if (fetch->from == FETCH_LAST && js_read_number(read) > job->snapshot)
        end_snapshot(read, job);
    if (!read->pull.is_open || !is_next(read, fetch))
        return fetch->events != 0;
    if (!check_first(read, fetch, js_read_number(read))) {
        js_read_failed(read);
        return false;
    }
    read->failures = read->waits = 0;
    if (!add_message(read, fetch)) {
        CHECK(fetch->events != 0);
        return true;
    }
    if (fetch->from == FETCH_AFTER && fetch->pattern_count == 1 && !job->is_unfiltered &&
        js_read_is_slow(read, fetch->target)) {
        job->is_unfiltered = true;
        read->pull.is_open = false;
        return fetch->complete || fetch->events != 0;
    }
    return fetch->complete || (js_pull_is_drained(&read->pull) && fetch->events != 0);
}

enum js_read_status js_read_piece(struct js_read *read, struct js_read_fetch *job)
{
    struct fetch *fetch = job->fetch;
    fetch_begin(fetch);
    for (;;) {
        if (atomic_load(read->pull.interrupt))
            return JS_READ_INTERRUPTED;
        if (!js_read_is_attached(read))
            return JS_READ_NO_SESSION;
        /* Nothing of an earlier incarnation is stored any more. */
        if (fetch->after >= fetch->target || fetch->target <= read->pull.session->base) {
            complete_fetch(fetch);
            return JS_READ_DONE;
        }
        if ((read->pull.is_open || open_fetch(read, job)) && take_step(read, job))
            return JS_READ_DONE;
    }
}
