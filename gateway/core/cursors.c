/* cursors.c - where a reader stands in its rings, and how far back they reach */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/cursors.h"

#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/view.h"

uint64_t cursors_next_sequence(const struct reader *reader)
{
    CHECK_THREAD(reader->hub);
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

void cursors_place_after(struct reader *reader, uint64_t sequence)
{
    CHECK_THREAD(reader->hub);
    reader->last_sequence = reader->skip_to = sequence;
    reader->is_skipping = true;
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        reader->cursors[i].position = view_after(reader->cursors[i].view, sequence);
}

void cursors_place_at_tails(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    const struct source_epoch *epoch = atomic_load(&reader->source->epoch);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct view *view = reader->cursors[i].view;
        reader->cursors[i].position = epoch->older != NULL ? view_after(view, epoch->base) : view->tail;
    }
    uint64_t next = cursors_next_sequence(reader);
    reader->last_sequence = next != 0 ? next - 1 : reader->replay_end;
}

uint64_t cursors_place_before_time(struct reader *reader, int64_t ns)
{
    CHECK_THREAD(reader->hub);
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        reader->cursors[i].position = view_since(reader->cursors[i].view, ns);
    uint64_t next = cursors_next_sequence(reader);
    return next != 0 ? next - 1 : reader->replay_end;
}

bool cursors_reach(const struct reader *reader, uint64_t after)
{
    CHECK_THREAD(reader->hub);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (reader->cursors[i].view->floor > after)
            return false;
    }
    return true;
}

bool cursors_reach_time(const struct reader *reader, int64_t ns)
{
    CHECK_THREAD(reader->hub);
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct view *view = reader->cursors[i].view;
        if (view_since(view, ns) == view->tail)
            return false;
    }
    return true;
}

uint64_t cursors_hole(const struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    uint64_t hole = 0;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (hole < reader->cursors[i].view->hole)
            hole = reader->cursors[i].view->hole;
    }
    return hole;
}
