/* history.c - a reader's way from older events to those in the rings */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/history.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/core/batch.h"
#include "gateway/core/cursors.h"
#include "gateway/core/errand.h"
#include "gateway/core/fetch.h"
#include "gateway/core/fill.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/segment.h"

enum step { STEP_LOOK = 0, STEP_RINGS, STEP_FETCH };

struct history {
    struct reader *reader; /* NULL: gone; the answers still on their way are dropped */
    struct list ready;     /* in the hub's list, until the turn hands the reader on */
    enum step step;
    uint64_t after;     /* the reader has all up to here */
    uint64_t end;       /* follow=false: where it stops */
    bool is_continuous; /* the client had all up to `after`: an event the store has lost since then is a gap */
    const struct source_epoch *epoch;

    struct look look;
    struct errand looking;
    bool has_looked;

    struct fetch fetch;
    struct errand fetching; /* one piece */
    struct errand closing;  /* out as long as the source has the fetch */
    bool has_piece;
};

/* ---- from the source's threads to the hub's ---- */

static void free_if_idle(struct history *history)
{
    if (history->reader != NULL || history->looking.is_out || history->closing.is_out)
        return;
    if (history->fetch.segment != NULL)
        segment_release(history->fetch.segment);
    free(history->fetch.patterns);
    free(history);
}

static void make_ready(struct history *history)
{
    if (history->reader != NULL)
        list_append(&history->reader->hub->ready, &history->ready);
    else
        free_if_idle(history);
}

struct reader *history_next_ready(struct hub *hub)
{
    CHECK_THREAD(hub);
    if (list_is_empty(&hub->ready))
        return NULL;
    struct history *history = LIST_ENTRY(hub->ready.next, struct history, ready);
    list_remove(&history->ready);
    CHECK(history->reader != NULL);
    return history->reader;
}

static void return_looked(struct look *look)
{
    errand_return(&LIST_ENTRY(look, struct history, look)->looking);
}

static void on_looked(struct errand *errand)
{
    make_ready(LIST_ENTRY(errand, struct history, looking));
}

static void return_fetched(struct fetch *fetch)
{
    errand_return(&LIST_ENTRY(fetch, struct history, fetch)->fetching);
}

static void on_fetched(struct errand *errand)
{
    struct history *history = LIST_ENTRY(errand, struct history, fetching);
    history->has_piece = true;
    make_ready(history);
}

static void return_closed(struct fetch *fetch)
{
    errand_return(&LIST_ENTRY(fetch, struct history, fetch)->closing);
}

static void on_closed(struct errand *errand)
{
    free_if_idle(LIST_ENTRY(errand, struct history, closing));
}

/* ---- the reader's side ---- */

/* Own copies: the source may keep the fetch for longer than the channels live. */
static void copy_patterns(struct history *history)
{
    const struct reader *reader = history->reader;
    size_t size = 0;
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        size += sizeof(char *) + reader->cursors[i].view->channel->pattern_len + 1;
    char **patterns = check_malloc(size), *text = (char *)(patterns + reader->cursor_count);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct channel *channel = reader->cursors[i].view->channel;
        patterns[i] = text;
        for (size_t j = 0; j <= channel->pattern_len; ++j)
            *text++ = channel->pattern[j];
    }
    history->fetch.patterns = patterns;
    history->fetch.pattern_count = reader->cursor_count;
}

static struct history *create_history(struct reader *reader)
{
    CHECK(reader->history == NULL && source_has_store(reader->source));
    struct history *history = check_calloc(1, sizeof(*history));
    history->reader = reader;
    list_init(&history->ready);
    history->after = reader->last_sequence;
    history->epoch = atomic_load(&reader->source->epoch);
    history->look.looked = return_looked;
    errand_init(&history->looking, reader->hub, on_looked);
    errand_init(&history->fetching, reader->hub, on_fetched);
    errand_init(&history->closing, reader->hub, on_closed);
    history->fetch = (struct fetch){
        .source = reader->source,
        .event = reader->route->event,
        .format = reader->route->format,
        .fetched = return_fetched,
        .closed = return_closed,
    };
    copy_patterns(history);
    reader->history = history;
    return history;
}

void history_begin(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    struct history *history = create_history(reader);
    history->is_continuous = reader->start == READER_FROM_CURSOR;
    bool is_ahead = history->after > reader->replay_end;
    history->step = is_ahead || !reader->follow ? STEP_LOOK : STEP_RINGS;
    history->fetch.start_ns = reader->start_ns;
    if (reader->start == READER_FROM_LAST)
        history->fetch.from = FETCH_LAST;
    else if (reader->start == READER_FROM_TIME)
        history->fetch.from = FETCH_TIME;
}

void history_rejoin(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    struct history *history = create_history(reader);
    history->is_continuous = true;
    history->end = reader->replay_end;
    history->step = STEP_FETCH;
}

void history_end(struct reader *reader)
{
    struct history *history = reader->history;
    CHECK_THREAD(reader->hub);
    if (history == NULL)
        return;
    reader->history = NULL;
    history->reader = NULL;
    list_remove(&history->ready);
    if (history->closing.is_out)
        reader->source->ops->fetch_close(reader->source, &history->fetch);
    free_if_idle(history);
}

static void add_gap(struct reader *reader, enum gap_reason reason, uint64_t next)
{
    char last[EVENT_ID_MAX];
    size_t len = event_id_write(last, source_id(reader->source, reader->history->after));
    batch_add_gap(reader, reason, last, len, next);
}

/*
 * The reader continues with the event `next`, or (0) after `upto`. Is anything
 * missing before it, because the store was recreated, or has dropped events
 * that the reader had not received yet?
 */
static void check_gap(struct reader *reader, uint64_t next, uint64_t upto)
{
    struct history *history = reader->history;
    const struct source_epoch *epoch = atomic_load(&reader->source->epoch);
    uint64_t first = history->fetch.first;
    /* else nothing was looked for: the rings begin no later than where the reader is */
    bool found_none = next == 0 && upto > history->after;
    if (epoch != history->epoch && upto >= epoch->base) {
        history->epoch = epoch;
        reader->last_sequence = upto;
        add_gap(reader, GAP_BROKER_LOST, next);
    } else if (history->is_continuous && history->after + 1 < first && (next >= first || found_none)) {
        reader->last_sequence = upto;
        add_gap(reader, GAP_EVICTED, next);
    }
}

/* The rings take over. */
static void join_rings(struct reader *reader)
{
    struct history *history = reader->history;
    uint64_t hole = cursors_hole(reader);
    cursors_place_after(reader, history->after);
    if (history->is_continuous && history->after < hole) {
        reader->last_sequence = hole;
        add_gap(reader, GAP_EVICTED, cursors_next_sequence(reader));
    }
    /* follow=false ends at what the store held when it was asked, not at the current head of the rings */
    for (unsigned i = 0; !reader->follow && i != reader->cursor_count; ++i) {
        struct cursor *cursor = &reader->cursors[i];
        cursor->end = view_after(cursor->view, history->end);
        if (cursor->end < cursor->position)
            cursor->end = cursor->position;
    }
    if (!reader->follow)
        reader->replay_end = history->end;
    history_end(reader);
}

/* The steps. True: done, the next one begins. False: an answer is awaited, or the rings have taken over. */
static bool look_at_store(struct reader *reader)
{
    struct history *history = reader->history;
    if (!history->has_looked) {
        history->has_looked = true;
        errand_start(&history->looking);
        reader->source->ops->look(reader->source, &history->look);
    }
    if (history->looking.is_out)
        return false;
    history->end = history->look.last;
    if (history->is_continuous && history->after > history->look.last) {
        /* beyond the end of the store: the id is of a store that was lost, or the client has invented it */
        cursors_place_at_tails(reader);
        batch_add_gap(reader, GAP_UNKNOWN_ID, reader->cursor_text, reader->cursor_len, cursors_next_sequence(reader));
        history->after = reader->last_sequence;
        join_rings(reader);
        return false;
    }
    return true;
}

/* All events that a reader with follow=false waits for have reached this process. */
static bool has_come_in(const struct reader *reader)
{
    return reader->follow || reader->hub->horizon[reader->source->index] >= reader->history->end;
}

/* True: the rings don't reach back so far, the store has to. */
static bool try_rings(struct reader *reader)
{
    struct history *history = reader->history;
    bool fills = false;
    /* rings hold every event, not the last of each subject; and what has not come in yet is in no ring */
    if (reader->start == READER_FROM_LAST || !has_come_in(reader))
        return true;
    if (reader->start == READER_FROM_TIME) {
        if (!cursors_reach_time(reader, reader->start_ns))
            return true;
        history->after = cursors_place_before_time(reader, reader->start_ns);
        join_rings(reader);
        reader->skip_to = 0; /* it has none of them */
        return false;
    }
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        enum fill_reach reach = fill_reach(reader->cursors[i].view->channel, history->after);
        if (reach == FILL_TOO_SHORT)
            return true;
        fills |= reach == FILL_WAITS;
    }
    if (fills)
        return false;
    hub_refresh(reader->hub);
    if (!cursors_reach(reader, history->after)) /* evicted between the two */
        return true;
    join_rings(reader);
    return false;
}

static void request_piece(struct reader *reader)
{
    struct history *history = reader->history;
    history->fetch.after = history->after;
    history->fetch.target = history->end;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        uint64_t floor = reader->cursors[i].view->floor;
        if (history->fetch.target < floor)
            history->fetch.target = floor;
    }
    errand_start(&history->fetching);
    if (!history->closing.is_out)
        errand_start(&history->closing);
    reader->source->ops->fetch(reader->source, &history->fetch);
}

static void take_piece(struct reader *reader)
{
    struct history *history = reader->history;
    struct fetch *fetch = &history->fetch;
    CHECK(!history->fetching.is_out);
    history->has_piece = false;
    bool is_empty = fetch->segment == NULL;
    check_gap(reader, is_empty ? 0 : fetch->first_sequence, fetch->after);
    if (!is_empty) {
        struct run *run = run_create(&reader->hub->runs, fetch->segment);
        batch_add_run(reader, run, 0, fetch->size, fetch->events);
        run_release(&reader->hub->runs, run);
        segment_release(fetch->segment);
        fetch->segment = NULL;
        reader->is_replaying = true;
    }
    history->after = reader->last_sequence = fetch->after;
    /* one that asked for the earliest event begins with the first that there is: what was gone before is no loss */
    bool has_begun = !is_empty || reader->start != READER_FROM_EARLIEST;
    history->is_continuous |= fetch->from == FETCH_AFTER && has_begun;
}

static void fetch_next(struct reader *reader)
{
    struct history *history = reader->history;
    struct fetch *fetch = &history->fetch;
    if (history->fetching.is_out)
        return;
    if (history->has_piece) {
        if (!batch_has_room(reader->batch))
            return;
        take_piece(reader);
    }
    if (!batch_has_room(reader->batch))
        return;
    bool is_even = fetch->from == FETCH_AFTER || fetch->complete; /* all up to `after` has been sent */
    if (is_even && !reader->follow && history->after >= history->end) {
        join_rings(reader);
        return;
    }
    if (is_even && cursors_reach(reader, history->after) && has_come_in(reader)) {
        join_rings(reader);
        return;
    }
    request_piece(reader);
}

void history_fill(struct reader *reader)
{
    struct history *history = reader->history;
    CHECK_THREAD(reader->hub);
    CHECK(history->reader == reader && reader->batch != NULL);
    if (history->step == STEP_LOOK) {
        if (!look_at_store(reader))
            return;
        history->step = STEP_RINGS;
    }
    if (history->step == STEP_RINGS) {
        if (!try_rings(reader))
            return;
        history->step = STEP_FETCH;
    }
    fetch_next(reader);
}

bool history_waits_for_rings(const struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    return reader->history->step == STEP_RINGS;
}
