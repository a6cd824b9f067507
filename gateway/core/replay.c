/* replay.c - where a reader starts, and which events it sends next */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/replay.h"

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/core/batch.h"
#include "gateway/core/cursors.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "proto/subject.h"

/* A cursor of another life: a gap, and what the rings have. */
static void start_from_unknown(struct reader *reader)
{
    cursors_place_at_tails(reader);
    batch_add_gap(reader, GAP_UNKNOWN_ID, reader->cursor_text, reader->cursor_len, cursors_next_sequence(reader));
}

/* All that follows the cursor, with a store: another gateway may have given it out, or the store may have lost some. */
static bool rings_have_all_after(const struct reader *reader, uint64_t sequence)
{
    return reader->follow && sequence <= reader->replay_end && cursors_reach(reader, sequence) &&
           cursors_hole(reader) <= sequence;
}

static enum replay_result start_from_cursor(struct reader *reader)
{
    struct event_id id;
    uint64_t sequence;
    if (reader->route->history.store == POLICY_STORE_NONE) {
        cursors_place_after(reader, reader->replay_end);
        batch_add_preamble(reader, false);
        batch_add_gap(reader, GAP_UNKNOWN_ID, reader->cursor_text, reader->cursor_len, 0);
        return REPLAY_HAS_RINGS;
    }
    batch_add_preamble(reader, false);
    if (!event_id_parse(reader->cursor_text, reader->cursor_len, &id) ||
        !source_number(reader->source, id, &sequence)) {
        start_from_unknown(reader);
        return REPLAY_HAS_RINGS;
    }
    if (source_has_store(reader->source) && !rings_have_all_after(reader, sequence)) {
        reader->last_sequence = sequence;
        return REPLAY_NEEDS_STORE;
    }
    if (sequence > reader->replay_end) {
        start_from_unknown(reader);
        return REPLAY_HAS_RINGS;
    }
    bool evicted = false;
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        evicted |= sequence < reader->cursors[i].view->floor;
    cursors_place_after(reader, sequence);
    if (evicted) {
        uint64_t next = cursors_next_sequence(reader);
        if (next == 0)
            reader->last_sequence = reader->replay_end;
        batch_add_gap(reader, GAP_EVICTED, reader->cursor_text, reader->cursor_len, next);
    }
    return REPLAY_HAS_RINGS;
}

/* Just before the channels' next events. */
static void place_now(struct reader *reader)
{
    uint64_t now = reader->replay_end;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (now < reader->cursors[i].view->floor)
            now = reader->cursors[i].view->floor;
    }
    cursors_place_after(reader, now);
}

/* What comes before the first event has no place in the log yet that is known here, so the preamble has no id. */
static enum replay_result start_in_store(struct reader *reader)
{
    reader->last_sequence = atomic_load(&reader->source->epoch)->base;
    batch_add_preamble(reader, false);
    return REPLAY_NEEDS_STORE;
}

enum replay_result replay_start(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    CHECK(reader->history == NULL && reader->batch != NULL);
    hub_refresh(reader->hub);
    reader->replay_end = reader->hub->horizon[reader->source->index];
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        reader->cursors[i].end = reader->cursors[i].view->head;

    /* without history the ring only serves slow readers: no stream starts from older events */
    bool from_now = reader->route->history.store == POLICY_STORE_NONE && reader->start != READER_FROM_CURSOR;
    bool has_store = source_has_store(reader->source);
    switch (from_now ? READER_FROM_NOW : (enum reader_start)reader->start) {
    case READER_FROM_LAST:
        if (has_store)
            return start_in_store(reader);
        place_now(reader);
        break;
    case READER_FROM_NOW:
        place_now(reader);
        break;
    case READER_FROM_EARLIEST:
        if (has_store)
            return start_in_store(reader);
        cursors_place_at_tails(reader);
        break;
    case READER_FROM_TIME:
        if (has_store && (!reader->follow || !cursors_reach_time(reader, reader->start_ns)))
            return start_in_store(reader);
        cursors_place_after(reader, cursors_place_before_time(reader, reader->start_ns));
        reader->skip_to = 0; /* it has none of them */
        break;
    case READER_FROM_CURSOR:
        return start_from_cursor(reader);
    }
    batch_add_preamble(reader, true);
    return REPLAY_HAS_RINGS;
}

/* The id of the last event that the client has, as the client knows it; nothing on routes without ids. */
static size_t write_last_id(const struct reader *reader, char *dst)
{
    if (reader->route->history.store == POLICY_STORE_NONE)
        return 0;
    return event_id_write(dst, source_id(reader->source, reader->last_sequence));
}

/* Some of its next events have left a ring. */
static enum replay_result on_fallen_behind(struct reader *reader)
{
    char last[EVENT_ID_MAX];
    size_t len = write_last_id(reader, last);
    if (reader->route->slow == POLICY_SLOW_DISCONNECT) {
        if (source_has_store(reader->source))
            return REPLAY_NEEDS_STORE;
        reader->ending = CLOSE_SLOW;
        return REPLAY_HAS_RINGS;
    }
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        if (cursor->position < cursor->view->tail)
            cursor->position = cursor->view->tail;
    }
    /* each time, also while it is conflating: what left the ring unseen may have been the newest of its subject */
    batch_add_gap(reader, GAP_SLOW, last, len, cursors_next_sequence(reader));
    reader->is_conflating = reader->route->slow == POLICY_SLOW_LATEST;
    return REPLAY_HAS_RINGS;
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

/* An outage leaves one mark in each of its channels, all under one number: the reader passes them together. */
static void pass_mark(struct reader *reader, uint64_t sequence)
{
    char last[EVENT_ID_MAX];
    size_t len = write_last_id(reader, last);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        if (cursor->position >= cursor->view->head)
            continue;
        const struct view_entry *entry = view_entry(cursor->view, cursor->position);
        if (entry->run == NULL && entry->sequence == sequence)
            ++cursor->position;
    }
    uint64_t next = cursors_next_sequence(reader);
    if (next == 0)
        reader->last_sequence = sequence;
    batch_add_gap(reader, GAP_BROKER_LOST, last, len, next);
}

/*
 * Came in after it, or others that are numbered higher, had been sent. A reader
 * of one channel has it from elsewhere, or began behind it. Of several, it is
 * missing what can't be sent in order any more, unless the client has it, or
 * began behind it, or was sent it last.
 */
static void pass_late(struct reader *reader, struct cursor *cursor)
{
    char last[EVENT_ID_MAX];
    uint64_t sequence = view_entry(cursor->view, cursor->position)->sequence;
    ++cursor->position;
    if (reader->cursor_count > 1 && sequence > reader->skip_to && sequence != reader->last_sequence)
        batch_add_gap(reader, GAP_BROKER_LOST, last, write_last_id(reader, last), 0);
}

/* The first of a batch stands for all of it: the oldest, if it is news and not a part of the past. */
static void note_arrival(struct reader *reader, const struct view_entry *entry)
{
    if (!reader->is_replaying && reader->batch->events == 0)
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
    CHECK(end > cursor->position && end <= cursor->view->head && end_offset > entry->offset);
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
    if (reader->has_overlap && is_duplicate(reader, cursor, entry))
        return;
    if (reader->is_conflating && entry->superseded)
        return;
    note_arrival(reader, entry);
    batch_add_run(reader, entry->run, entry->offset, entry->size, 1);
}

static uint64_t cursor_limit(const struct reader *reader, const struct cursor *cursor)
{
    return reader->follow || cursor->end > cursor->view->head ? cursor->view->head : cursor->end;
}

/* The cursor whose next event is the oldest, or NULL at the heads. */
static struct cursor *oldest_cursor(struct reader *reader)
{
    struct cursor *best = NULL;
    uint64_t best_sequence = 0;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        if (cursor->position >= cursor_limit(reader, cursor))
            continue;
        uint64_t sequence = view_entry(cursor->view, cursor->position)->sequence;
        if (best == NULL || sequence < best_sequence) {
            best = cursor;
            best_sequence = sequence;
        }
    }
    return best;
}

/* Events that the client got from another gateway, or from the store, before they came in here. */
static void skip_known(struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        uint64_t position = view_after(cursor->view, reader->skip_to);
        /* with a higher floor, events that it doesn't have are gone: then it has fallen behind */
        if (cursor->position < position && cursor->view->floor <= reader->skip_to)
            cursor->position = position;
    }
    if (reader->hub->horizon[reader->source->index] >= reader->skip_to)
        reader->is_skipping = false;
}

enum replay_result replay_fill(struct reader *reader)
{
    if (reader->is_skipping)
        skip_known(reader);
    reader->is_replaying = reader->last_sequence < reader->replay_end;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (reader->cursors[i].position < reader->cursors[i].view->tail) {
            enum replay_result result = on_fallen_behind(reader);
            if (reader->ending != CLOSE_NONE || result == REPLAY_NEEDS_STORE)
                return result;
            break;
        }
    }
    if (reader->is_conflating) {
        for (unsigned i = 0; i != reader->cursor_count; ++i)
            view_mark_superseded(reader->cursors[i].view);
    }
    bool whole_runs = reader->cursor_count == 1 && !reader->is_conflating;
    while (batch_has_room(reader->batch)) {
        struct cursor *cursor = oldest_cursor(reader);
        if (cursor == NULL) {
            reader->is_conflating = false;
            break;
        }
        const struct view_entry *entry = view_entry(cursor->view, cursor->position);
        if (entry->run == NULL)
            pass_mark(reader, entry->sequence);
        else if (entry->sequence <= reader->last_sequence)
            pass_late(reader, cursor);
        else if (whole_runs)
            take_run(reader, cursor);
        else
            take_entry(reader, cursor);
    }
    return REPLAY_HAS_RINGS;
}

bool replay_is_done(const struct reader *reader)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct cursor *cursor = &reader->cursors[i];
        if (cursor->position < cursor_limit(reader, cursor))
            return false;
    }
    return true;
}
