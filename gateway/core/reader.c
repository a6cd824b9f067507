/* reader.c - one event stream as the core sees it: cursors into channels */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/core/batch.h"
#include "gateway/core/history.h"
#include "gateway/core/hub.h"
#include "gateway/core/replay.h"
#include "proto/subject.h"

/*
 * A store may take long to be reached for the first time: the head of the
 * response is then sent after this time. Other sources always report when the wait is over.
 */
#define OPENING_NS (500 * NS_PER_MS)

_Static_assert(READER_SUBJECTS_MAX <= UINT8_MAX && CLOSE_NONE <= UINT8_MAX, "struct reader keeps both in a byte");
_Static_assert(offsetof(struct reader, first) + sizeof(struct cursor) <= 3 * 64,
               "reader_prefetch asks for three lines");

static void unlink_cursors(struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        list_remove(&reader->cursors[i].link);
}

static void wait_for_more(struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        CHECK(cursor->reader == reader);
        list_remove(&cursor->link);
        list_append(&cursor->view->waiting, &cursor->link);
    }
}

/* When its permission ends, unless it is ending already. */
static int64_t expiry_ns(const struct reader *reader)
{
    return reader->expires_ns != 0 && reader->ending == CLOSE_NONE ? reader->expires_ns : INT64_MAX;
}

/*
 * The next look at the reader: when its heartbeat is due if nothing is sent
 * until then, when a write may have been stuck for too long, or when it expires.
 */
static void set_deadline(struct reader *reader)
{
    struct hub *hub = reader->hub;
    int64_t heartbeat = reader->route->heartbeat_ms * NS_PER_MS, timeout = hub->write_timeout_ns;
    bool idle = reader->state == READER_IDLE;
    if (reader->state == READER_OPENING) {
        wheel_add(&hub->wheel, &reader->deadline, hub->now_ns + OPENING_NS);
        return;
    }
    int64_t next = INT64_MAX, overdue = (idle ? hub->now_ns : reader->last_sent_ns) + timeout;
    if (heartbeat != 0)
        next = (idle ? reader->last_sent_ns : hub->now_ns) + heartbeat;
    if (timeout != 0 && overdue < next)
        next = overdue;
    if (next <= hub->now_ns) /* stuck for long on a connection that moves: look again soon */
        next = hub->now_ns + NS_PER_S;
    if (expiry_ns(reader) < next)
        next = expiry_ns(reader);
    list_remove(&reader->deadline);
    if (next != INT64_MAX)
        wheel_add(&hub->wheel, &reader->deadline, next);
}

static bool any_overlap(const struct reader_options *options)
{
    for (size_t i = 0; i != options->subject_count; ++i) {
        for (size_t j = 0; j != i; ++j) {
            if (subject_overlaps(options->subjects[i], strlen(options->subjects[i]), options->subjects[j],
                                 strlen(options->subjects[j])))
                return true;
        }
    }
    return false;
}

static void join_channels(struct reader *reader, const struct reader_options *options)
{
    const struct config_route *route = options->route;
    const struct channel_profile profile = {
        .source = options->source,
        .store = route->history.store,
        .event = route->event,
        .format = route->format,
        .events = route->history.events,
        .bytes = route->history.bytes,
        .linger_ns = route->history.linger_ms * NS_PER_MS,
    };
    reader->cursors = &reader->first;
    if (options->subject_count > 1)
        reader->cursors = check_calloc(options->subject_count, sizeof(struct cursor));
    reader->cursor_count = (uint8_t)options->subject_count;
    for (size_t i = 0; i != options->subject_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        *cursor = (struct cursor){.reader = reader};
        list_init(&cursor->link);
        cursor->view = hub_join(reader->hub, &profile, options->subjects[i], strlen(options->subjects[i]));
    }
    reader->has_overlap = any_overlap(options);
}

void reader_open(struct reader *reader, struct hub *hub, const struct reader_ops *ops,
                 const struct reader_options *options)
{
    CHECK_THREAD(hub);
    CHECK(options->subject_count >= 1 && options->subject_count <= READER_SUBJECTS_MAX);
    *reader = (struct reader){
        .ops = ops,
        .hub = hub,
        .route = options->route,
        .source = options->source,
        .start = (uint8_t)options->start,
        .start_ns = options->start_ns,
        .cursor_text = options->cursor_text,
        .cursor_len = options->cursor_len,
        .follow = options->follow,
        .expires_ns = options->expires_ns,
        .identity = options->identity,
        .origin = options->origin,
        .last_sent_ns = hub->now_ns,
        .opened_ns = hub->now_ns,
        .ending = CLOSE_NONE,
        .reason = CLOSE_CLIENT,
    };
    list_init(&reader->deadline);
    list_init(&reader->all);
    list_append(&hub->readers, &reader->all);
    ++hub->reader_count;
    metrics_add(hub->metrics, METRIC_STREAMS, 1);
    if (hub->stopping || hub->drain.active) {
        reader->state = READER_ENDED;
        reader->reason = hub->stopping ? CLOSE_SHUTDOWN : CLOSE_DRAIN;
        ops->refuse(reader, READER_STOPPING);
        return;
    }
    join_channels(reader, options);
    reader_pump(reader);
    if (reader->state == READER_OPENING && source_has_store(reader->source))
        set_deadline(reader);
}

static void send_batch(struct reader *reader, bool final)
{
    struct batch *batch = reader->batch;
    struct metrics *metrics = reader->hub->metrics;
    CHECK(reader->state != READER_FLYING && reader->state != READER_ENDED);
    CHECK(batch->count != 0 || final);
    reader->state = final ? READER_ENDED : READER_FLYING;
    reader->last_sent_ns = reader->hub->now_ns;
    reader->events += batch->events;
    reader->bytes += batch->bytes;
    metrics_add(metrics, METRIC_EVENTS_SENT, batch->events);
    metrics_add(metrics, METRIC_BYTES_SENT, batch->bytes);
    if (reader->is_replaying)
        metrics_add(metrics, METRIC_EVENTS_REPLAYED, batch->events);
    unlink_cursors(reader);
    reader->ops->send(reader, batch->pieces, batch->count, final);
}

/* Sets its cursors, once all of its channels flow. */
static void place_reader(struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (reader->cursors[i].view->state == CHANNEL_PENDING)
            return;
    }
    reader->is_placed = true;
    if (replay_start(reader) == REPLAY_NEEDS_STORE)
        history_begin(reader);
}

/* It follows the rings. */
static bool is_live(const struct reader *reader)
{
    return reader->is_placed && reader->history == NULL;
}

/* Sends what there is, ends what is to end, or waits. The reader is not FLYING, its batch is its own. */
static void advance_reader(struct reader *reader)
{
    bool final = false;
    if (reader->batch == NULL)
        reader->batch = batch_take(&reader->hub->batches);
    if (reader->ending == CLOSE_NONE && !reader->is_placed)
        place_reader(reader);
    if (reader->ending == CLOSE_NONE && reader->history != NULL)
        history_fill(reader);
    if (reader->ending == CLOSE_NONE && is_live(reader)) {
        if (replay_fill(reader) == REPLAY_NEEDS_STORE) {
            history_rejoin(reader);
            history_fill(reader);
        }
    }
    if (reader->ending == CLOSE_NONE && is_live(reader) && !reader->follow && replay_is_done(reader)) {
        reader->reason = CLOSE_DONE;
        final = true;
    }
    /* the bye follows the events that this batch already holds; a full one leaves it to the next */
    if (reader->ending != CLOSE_NONE && batch_has_room(reader->batch)) {
        reader->reason = (enum close_reason)reader->ending;
        batch_add_bye(reader, reader->reason);
        final = true;
    }
    if (reader->batch->count != 0 || final) {
        send_batch(reader, final);
        return;
    }
    batch_give(&reader->hub->batches, &reader->hub->runs, reader->batch);
    reader->batch = NULL;
    reader->state = READER_IDLE;
    if (reader->history == NULL || history_waits_for_rings(reader))
        wait_for_more(reader);
    else
        unlink_cursors(reader);
}

static void refuse_reader(struct reader *reader)
{
    reader->state = READER_ENDED;
    reader->reason = CLOSE_DENIED;
    unlink_cursors(reader);
    reader->ops->refuse(reader, READER_DENIED);
}

void reader_prefetch(const struct cursor *cursor)
{
    /* right for a reader of one channel, whose cursor is `first`; with several, a wasted prefetch does no harm */
    const char *reader = (const char *)cursor - offsetof(struct reader, first);
    __builtin_prefetch(reader, 1);
    __builtin_prefetch(reader + 64, 1);
    __builtin_prefetch(reader + 128, 1);
}

void reader_pump(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    bool pending = false, denied = false;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        denied |= reader->cursors[i].view->state == CHANNEL_DENIED;
        pending |= reader->cursors[i].view->state == CHANNEL_PENDING;
    }
    if (reader->state == READER_OPENING) {
        if (denied) {
            refuse_reader(reader);
            return;
        }
        if (pending) {
            wait_for_more(reader);
            return;
        }
        advance_reader(reader);
        set_deadline(reader);
        return;
    }
    CHECK(reader->state == READER_IDLE);
    if (denied)
        reader->ending = CLOSE_DENIED;
    advance_reader(reader);
}

void reader_resume(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    if (reader->state == READER_IDLE)
        advance_reader(reader);
}

/* From the broker's callback to the socket: all events of one batch count with the time of the oldest. */
static void note_delivery(const struct reader *reader)
{
    const struct hub *hub = reader->hub;
    const struct batch *batch = reader->batch;
    int64_t written_ns = hub->written_ns > hub->now_ns ? hub->written_ns : hub->now_ns;
    if (batch->arrived_ns != 0)
        metrics_observe(hub->metrics, METRIC_DELIVERY, written_ns - batch->arrived_ns, batch->events);
}

void reader_sent(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    CHECK(reader->state == READER_FLYING);
    note_delivery(reader);
    batch_give(&reader->hub->batches, &reader->hub->runs, reader->batch);
    reader->batch = NULL;
    reader->state = READER_IDLE;
    for (unsigned i = 0; i != reader->cursor_count && reader->ending == CLOSE_NONE; ++i) {
        if (reader->cursors[i].view->state == CHANNEL_DENIED)
            reader->ending = CLOSE_DENIED;
    }
    advance_reader(reader);
}

void reader_end(struct reader *reader, enum close_reason reason)
{
    CHECK_THREAD(reader->hub);
    CHECK(reason != CLOSE_NONE);
    if (reader->ending != CLOSE_NONE || reader->state == READER_ENDED)
        return;
    reader->ending = (uint8_t)reason;
    if (reader->state == READER_OPENING) {
        reader->state = READER_ENDED;
        reader->reason = reason;
        unlink_cursors(reader);
        reader->ops->refuse(reader, reader->is_asked_back     ? READER_CHANGED
                                    : reason == CLOSE_REVOKED ? READER_REVOKED
                                                              : READER_STOPPING);
    } else if (reader->state == READER_IDLE) {
        advance_reader(reader);
    }
}

void reader_cut(struct reader *reader, enum close_reason reason)
{
    CHECK_THREAD(reader->hub);
    if (reader->state == READER_FLYING)
        reader->reason = reason;
    reader_end(reader, reason);
}

static void end_if_stuck(struct reader *reader)
{
    int64_t timeout = reader->hub->write_timeout_ns, now = reader->hub->now_ns;
    if (timeout != 0 && now - reader->last_sent_ns >= timeout &&
        now - reader->ops->last_progress_ns(reader) >= timeout) {
        reader->reason = CLOSE_TIMEOUT;
        reader->ops->kill(reader);
    }
}

void reader_check(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    struct hub *hub = reader->hub;
    int64_t heartbeat = reader->route->heartbeat_ms * NS_PER_MS;
    /* one that is opening gets its head first: that says what to do about it, a refusal doesn't */
    if (reader->state != READER_OPENING && hub->now_ns >= expiry_ns(reader))
        reader_end(reader, CLOSE_EXPIRED);
    if (reader->state == READER_OPENING) {
        unlink_cursors(reader);
        reader->batch = batch_take(&hub->batches);
        batch_add_preamble(reader, false);
        send_batch(reader, false);
    } else if (reader->state == READER_FLYING || reader->state == READER_ENDED) {
        end_if_stuck(reader);
    } else if (reader->state == READER_IDLE && heartbeat != 0 && hub->now_ns - reader->last_sent_ns >= heartbeat) {
        reader->batch = batch_take(&hub->batches);
        batch_add_heartbeat(reader);
        send_batch(reader, false);
    }
    set_deadline(reader);
}

void reader_close(struct reader *reader)
{
    struct hub *hub = reader->hub;
    if (hub == NULL)
        return;
    CHECK_THREAD(hub);
    history_end(reader);
    if (reader->batch != NULL)
        batch_give(&hub->batches, &hub->runs, reader->batch);
    unlink_cursors(reader);
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        hub_leave(hub, reader->cursors[i].view);
    if (reader->cursors != &reader->first)
        free(reader->cursors);
    list_remove(&reader->deadline);
    list_remove(&reader->all);
    CHECK(hub->reader_count != 0);
    --hub->reader_count;
    metrics_sub(hub->metrics, METRIC_STREAMS, 1);
    metrics_add(hub->metrics, metrics_closed(reader->reason), 1);
    reader->hub = NULL;
}
