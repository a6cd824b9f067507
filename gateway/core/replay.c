/* replay.c - where a reader starts, and which events it sends next */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/replay.h"

#include "gateway/base/check.h"
#include "gateway/core/batch.h"
#include "gateway/core/history.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "proto/subject.h"

uint64_t replay_next_sequence(const struct reader *reader)
{
    uint64_t next = 0;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct cursor *cursor = &reader->cursors[i];
        if (cursor->position >= cursor->view->head)
            continue;
        uint64_t position = cursor->position < cursor->view->tail ? cursor->view->tail : cursor->position;
        if (position == cursor->view->head)
            continue;
        uint64_t sequence = view_entry(cursor->view, position)->sequence;
        if (next == 0 || sequence < next)
            next = sequence;
    }
    return next;
}

void replay_place_after(struct reader *reader, uint64_t sequence)
{
    reader->last_sequence = reader->skip_to = sequence;
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        reader->cursors[i].position = view_after(reader->cursors[i].view, sequence);
}

/* What the rings have of the current epoch. */
static void place_at_tails(struct reader *reader)
{
    const struct source_epoch *epoch = atomic_load(&reader->source->epoch);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct view *view = reader->cursors[i].view;
        reader->cursors[i].position = epoch->older != NULL ? view_after(view, epoch->base) : view->tail;
    }
    uint64_t next = replay_next_sequence(reader);
    reader->last_sequence = next != 0 ? next - 1 : reader->replay_end;
}

/* One point of all channels. */
uint64_t replay_before_time(struct reader *reader, int64_t ns)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        reader->cursors[i].position = view_since(reader->cursors[i].view, ns);
    uint64_t next = replay_next_sequence(reader);
    return next != 0 ? next - 1 : reader->replay_end;
}

void replay_unknown_cursor(struct reader *reader)
{
    place_at_tails(reader);
    batch_add_gap(reader, GAP_UNKNOWN_ID, reader->cursor_text, reader->cursor_len, replay_next_sequence(reader));
}

static void start_from_cursor(struct reader *reader)
{
    struct event_id id;
    uint64_t sequence;
    if (reader->route->history.store == POLICY_STORE_NONE) {
        replay_place_after(reader, reader->replay_end);
        batch_add_preamble(reader, false);
        batch_add_gap(reader, GAP_UNKNOWN_ID, reader->cursor_text, reader->cursor_len, 0);
        return;
    }
    batch_add_preamble(reader, false);
    if (!event_id_parse(reader->cursor_text, reader->cursor_len, &id) ||
        !source_number(reader->source, id, &sequence)) {
        replay_unknown_cursor(reader);
        return;
    }
    if (history_begin(reader, sequence))
        return;
    if (sequence > reader->replay_end) {
        replay_unknown_cursor(reader);
        return;
    }
    bool evicted = false;
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        evicted |= sequence < reader->cursors[i].view->floor;
    replay_place_after(reader, sequence);
    if (evicted) {
        uint64_t next = replay_next_sequence(reader);
        if (next == 0)
            reader->last_sequence = reader->replay_end;
        batch_add_gap(reader, GAP_EVICTED, reader->cursor_text, reader->cursor_len, next);
    }
}

/* Just before the channels' next events. */
static void place_now(struct reader *reader)
{
    uint64_t now = reader->replay_end;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (now < reader->cursors[i].view->floor)
            now = reader->cursors[i].view->floor;
    }
    replay_place_after(reader, now);
}

bool replay_reaches_time(const struct reader *reader, int64_t ns)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct view *view = reader->cursors[i].view;
        if (view_since(view, ns) == view->tail)
            return false;
    }
    return true;
}

void replay_start(struct reader *reader)
{
    hub_refresh(reader->hub);
    reader->replay_end = reader->hub->horizon[reader->source->index];
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        reader->cursors[i].end = reader->cursors[i].view->head;

    /* without history, what is still in the ring is there for slow readers, and no place to start from */
    bool from_now = reader->route->history.store == POLICY_STORE_NONE && reader->start != READER_FROM_CURSOR;
    switch (from_now ? READER_FROM_NOW : (enum reader_start)reader->start) {
    case READER_FROM_LAST:
    case READER_FROM_NOW:
        if (reader->start == READER_FROM_LAST && history_begin(reader, 0))
            break;
        place_now(reader);
        batch_add_preamble(reader, true);
        return;
    case READER_FROM_EARLIEST:
        if (history_begin(reader, 0))
            break;
        place_at_tails(reader);
        batch_add_preamble(reader, true);
        return;
    case READER_FROM_TIME:
        if ((!reader->follow || !replay_reaches_time(reader, reader->start_ns)) && history_begin(reader, 0))
            break;
        replay_place_after(reader, replay_before_time(reader, reader->start_ns));
        batch_add_preamble(reader, true);
        return;
    case READER_FROM_CURSOR:
        start_from_cursor(reader);
        return;
    }
    /* what comes before the first event has no place in the log yet that is known here */
    batch_add_preamble(reader, false);
}

/* What the client has, as it knows it: the id of the last event, or nothing. */
static size_t write_last(const struct reader *reader, char *dst)
{
    if (reader->route->history.store == POLICY_STORE_NONE)
        return 0;
    return event_id_write(dst, source_id(reader->source, reader->last_sequence));
}

static void on_fallen_behind(struct reader *reader)
{
    char last[EVENT_ID_MAX];
    size_t len = write_last(reader, last);
    if (reader->route->slow == POLICY_SLOW_DISCONNECT) {
        if (!history_rejoin(reader))
            reader->ending = CLOSE_SLOW + 1;
        return;
    }
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        if (cursor->position < cursor->view->tail)
            cursor->position = cursor->view->tail;
    }
    /* each time, also while it is conflating: what left the ring unseen may have been the newest of its subject */
    batch_add_gap(reader, GAP_SLOW, last, len, replay_next_sequence(reader));
    reader->conflating = reader->route->slow == POLICY_SLOW_LATEST;
}

/* An earlier pattern of this stream brings the same message. */
static bool is_duplicate(const struct reader *reader, const struct cursor *cursor, const struct view_entry *entry)
{
    size_t len;
    const char *subject = view_subject(cursor->view, entry, &len);
    for (const struct cursor *other = reader->cursors; other != cursor; ++other) {
        const struct channel *channel = other->view->channel;
        if (subject_matches(channel->pattern, channel->pattern_len, subject, len))
            return true;
    }
    return false;
}

/* One mark stands in each channel of an outage, under one number: the reader passes them all at once. */
static void pass_mark(struct reader *reader, uint64_t sequence)
{
    char last[EVENT_ID_MAX];
    size_t len = write_last(reader, last);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        if (cursor->position >= cursor->view->head)
            continue;
        const struct view_entry *entry = view_entry(cursor->view, cursor->position);
        if (entry->run == NULL && entry->sequence == sequence)
            ++cursor->position;
    }
    uint64_t next = replay_next_sequence(reader);
    if (next == 0)
        reader->last_sequence = sequence;
    batch_add_gap(reader, GAP_BROKER_LOST, last, len, next);
}

/*
 * Came in after others that are numbered higher had been sent. A reader of one
 * channel has it from elsewhere, or began behind it; of several, it is missing
 * what can't be sent in order any more.
 */
static void pass_late(struct reader *reader, struct cursor *cursor)
{
    char last[EVENT_ID_MAX];
    ++cursor->position;
    if (reader->cursor_count > 1)
        batch_add_gap(reader, GAP_BROKER_LOST, last, write_last(reader, last), 0);
}

/* The first of a batch stands for all of it: the oldest, if it is news and not a part of the past. */
static void note_arrival(struct reader *reader, const struct view_entry *entry)
{
    if (!reader->replaying && reader->batch->events == 0)
        reader->batch->arrived_ns = entry->arrived_ns;
}

/* All of a run at once: however many events, one piece, one step. */
static void take_run(struct reader *reader, struct cursor *cursor)
{
    const struct view_entry *entry = view_entry(cursor->view, cursor->position);
    struct run *run = entry->run;
    uint64_t end = run->end;
    uint32_t end_offset = run->end_offset;
    if (!reader->follow && end > cursor->end) {
        const struct view_entry *last = view_entry(cursor->view, cursor->end - 1);
        end = cursor->end;
        end_offset = last->offset + last->size;
    }
    note_arrival(reader, entry);
    batch_add_run(reader, run, entry->offset, end_offset - entry->offset, end - cursor->position);
    cursor->position = end;
    reader->last_sequence = view_entry(cursor->view, end - 1)->sequence;
}

static void take_entry(struct reader *reader, struct cursor *cursor)
{
    const struct view_entry *entry = view_entry(cursor->view, cursor->position);
    reader->last_sequence = entry->sequence;
    ++cursor->position;
    if (reader->overlapping && is_duplicate(reader, cursor, entry))
        return;
    if (reader->conflating && entry->superseded)
        return;
    note_arrival(reader, entry);
    batch_add_run(reader, entry->run, entry->offset, entry->size, 1);
}

static uint64_t limit_of(const struct reader *reader, const struct cursor *cursor)
{
    return reader->follow || cursor->end > cursor->view->head ? cursor->view->head : cursor->end;
}

/* The cursor whose next event is the oldest, or NULL at the heads. */
static struct cursor *oldest(struct reader *reader)
{
    struct cursor *best = NULL;
    uint64_t best_sequence = 0;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        if (cursor->position >= limit_of(reader, cursor))
            continue;
        uint64_t sequence = view_entry(cursor->view, cursor->position)->sequence;
        if (best == NULL || sequence < best_sequence) {
            best = cursor;
            best_sequence = sequence;
        }
    }
    return best;
}

/* Events that the client had from elsewhere before they came in here. */
static void skip_known(struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        uint64_t position = view_after(cursor->view, reader->skip_to);
        /* otherwise some that it doesn't have are gone, and it has fallen behind */
        if (cursor->position < position && cursor->view->floor <= reader->skip_to)
            cursor->position = position;
    }
    if (reader->hub->horizon[reader->source->index] >= reader->skip_to)
        reader->skip_to = 0;
}

void replay_fill(struct reader *reader)
{
    if (reader->skip_to != 0)
        skip_known(reader);
    reader->replaying = reader->last_sequence < reader->replay_end;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (reader->cursors[i].position < reader->cursors[i].view->tail) {
            on_fallen_behind(reader);
            if (reader->ending != 0 || reader->history != NULL)
                return;
            break;
        }
    }
    if (reader->conflating) {
        for (unsigned i = 0; i != reader->cursor_count; ++i)
            view_mark_superseded(reader->cursors[i].view);
    }
    bool whole_runs = reader->cursor_count == 1 && !reader->conflating;
    while (batch_has_room(reader->batch)) {
        struct cursor *cursor = oldest(reader);
        if (cursor == NULL) {
            reader->conflating = false;
            break;
        }
        const struct view_entry *entry = view_entry(cursor->view, cursor->position);
        if (entry->run == NULL)
            pass_mark(reader, entry->sequence);
        else if (entry->sequence < reader->last_sequence)
            pass_late(reader, cursor);
        else if (whole_runs)
            take_run(reader, cursor);
        else
            take_entry(reader, cursor);
    }
}

bool replay_is_done(const struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct cursor *cursor = &reader->cursors[i];
        if (cursor->position < limit_of(reader, cursor))
            return false;
    }
    return true;
}
