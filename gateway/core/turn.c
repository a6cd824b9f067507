/* turn.c - the order of a worker's work on its hub */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/turn.h"

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/core/drain.h"
#include "gateway/core/history.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/snapshot.h"
#include "gateway/core/view.h"
#include "gateway/core/walk.h"

/* Readers looked at for one channel before the next channel has its turn, and in all before the loop has. */
#define SLICE_READERS 256
#define TURN_READERS 2048
/* Deferred work of one turn, which all others wait for: a signature takes up to a millisecond to verify. */
#define TURN_LATER 64
#define TURN_LATER_NS NS_PER_MS

/*
 * A broadcast walks through more memory than any cache holds, and would wait
 * for each line of it. The reader after the next is asked for here; what the
 * next one, which has come meanwhile, points to is asked for by its stream.
 */
static void prefetch_after(const struct view *view, const struct cursor *cursor)
{
    if (cursor->link.next == &view->pending)
        return;
    const struct cursor *next = LIST_ENTRY(cursor->link.next, struct cursor, link);
    reader_prefetch(LIST_ENTRY(next->link.next, struct cursor, link));
    if (next->reader->ops->prefetch != NULL)
        next->reader->ops->prefetch(next->reader);
}

/* Channels take turns, so that a broadcast to a million streams does not hold up a channel with three. */
static bool pump_slices(struct hub *hub)
{
    unsigned budget = TURN_READERS;
    while (budget != 0 && !list_is_empty(&hub->turn_views)) {
        struct view *view = LIST_ENTRY(hub->turn_views.next, struct view, turn);
        list_remove(&view->turn);
        unsigned slice = budget < SLICE_READERS ? budget : SLICE_READERS;
        while (slice != 0 && !list_is_empty(&view->pending)) {
            struct cursor *cursor = LIST_ENTRY(view->pending.next, struct cursor, link);
            prefetch_after(view, cursor);
            reader_pump(cursor->reader);
            --slice;
            --budget;
        }
        if (!list_is_empty(&view->pending) && list_is_empty(&view->turn))
            list_append(&hub->turn_views, &view->turn);
    }
    return !list_is_empty(&hub->turn_views);
}

static void on_deadline(void *arg, struct list *node)
{
    (void)arg;
    reader_check(LIST_ENTRY(node, struct reader, deadline));
}

void turn_defer(struct hub *hub, struct turn_later *later)
{
    CHECK_THREAD(hub);
    list_init(&later->link);
    list_append(&hub->later, &later->link);
}

static bool run_one_later(struct hub *hub)
{
    if (list_is_empty(&hub->later_due))
        return false;
    struct turn_later *later = LIST_ENTRY(hub->later_due.next, struct turn_later, link);
    list_remove(&later->link);
    later->run(later);
    return true;
}

/* True: some wait for the next turn. */
static bool run_later(struct hub *hub)
{
    if (!list_is_empty(&hub->later_due)) {
        int64_t end_ns = clock_mono_ns() + TURN_LATER_NS;
        for (unsigned i = 0; i != TURN_LATER && run_one_later(hub) && clock_mono_ns() < end_ns; ++i)
            ;
    }
    list_concat(&hub->later_due, &hub->later);
    return !list_is_empty(&hub->later_due);
}

/* The store's answers came with the tasks. What a reader asks for now is answered in a later turn, so this ends. */
static void resume_readers(struct hub *hub)
{
    struct reader *reader;
    while ((reader = history_next_ready(hub)) != NULL)
        reader_resume(reader);
}

bool turn_run(struct hub *hub, int64_t now_ns)
{
    CHECK_THREAD(hub);
    hub->now_ns = now_ns;
    if (mailbox_take_wake(&hub->mailbox)) {
        mailbox_run_tasks(&hub->mailbox);
        hub_refresh(hub);
        resume_readers(hub);
    } else if (hub->is_behind) {
        hub_refresh(hub); /* a store's horizon may move without a message, and wakes no hub */
    }
    wheel_run(&hub->wheel, now_ns, on_deadline, NULL);
    bool more = run_later(hub);
    more |= walk_step(hub); /* before they are sent more */
    more |= drain_step(hub);
    more |= snapshot_step(hub);
    more |= pump_slices(hub);
    hub_drop_idle_views(hub);
    return more;
}

void turn_shutdown(struct hub *hub)
{
    CHECK_THREAD(hub);
    hub->stopping = true;
    while (run_later(hub))
        ;
    struct list all;
    list_init(&all);
    list_concat(&all, &hub->readers);
    list_concat(&all, &hub->unlooked);
    drain_end(hub, &all);
    while (!list_is_empty(&all)) {
        struct reader *reader = LIST_ENTRY(all.next, struct reader, all);
        list_remove(&reader->all);
        list_append(&hub->readers, &reader->all);
        reader_cut(reader, CLOSE_SHUTDOWN);
    }
}

void turn_end(struct hub *hub)
{
    mailbox_run_tasks(&hub->mailbox); /* what came back from the source after the last turn */
    while (walk_step(hub))            /* visits no reader: a walk's owner waits for its end */
        ;
    snapshot_end_all(hub);
}
