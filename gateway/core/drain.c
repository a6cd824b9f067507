/* drain.c - ends streams one after the other, at an even pace */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/drain.h"

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"

/* Each is a send: this bounds how long other readers wait for their events. */
#define TURN_ENDS 500

static void begin_drain(struct hub *hub, struct drain_begin *drain, int64_t window_ns)
{
    drain->active = true;
    drain->begin_ns = hub->now_ns;
    drain->window_ns = window_ns;
    drain->total -= drain->ended;
    drain->ended = 0;
    mailbox_wake(&hub->mailbox);
}

void drain_begin(struct hub *hub, int64_t window_ns)
{
    CHECK_THREAD(hub);
    CHECK(!hub->drain.active);
    list_concat(&hub->readers, &hub->parting.waiting);
    hub->parting.active = false;
    hub->drain.total = hub->reader_count;
    begin_drain(hub, &hub->drain, window_ns);
}

void drain_begin_parting(struct hub *hub, int64_t window_ns)
{
    CHECK_THREAD(hub);
    begin_drain(hub, &hub->parting, window_ns);
}

void drain_part(struct hub *hub, struct reader *reader)
{
    CHECK_THREAD(hub);
    hub->parting.total += !reader->is_parting;
    reader->is_parting = true;
    list_remove(&reader->all);
    list_append(&hub->parting.waiting, &reader->all);
}

/* How many should have ended by now. Readers that left on their own don't speed up the others. */
static uint64_t readers_due(const struct hub *hub, const struct drain_begin *drain)
{
    int64_t elapsed_ns = hub->now_ns - drain->begin_ns;
    if (elapsed_ns >= drain->window_ns)
        return UINT64_MAX;
    return (uint64_t)((double)drain->total * (double)elapsed_ns / (double)drain->window_ns);
}

static bool step_drain(struct hub *hub, struct drain_begin *drain, struct list *waiting)
{
    if (!drain->active)
        return false;
    uint64_t until = readers_due(hub, drain);
    for (unsigned i = 0; i != TURN_ENDS && drain->ended < until && !list_is_empty(waiting); ++i) {
        struct reader *reader = LIST_ENTRY(waiting->next, struct reader, all);
        list_remove(&reader->all);
        list_append(&drain->told, &reader->all);
        ++drain->ended;
        reader_end(reader, CLOSE_DRAIN);
    }
    return drain->ended < until && !list_is_empty(waiting);
}

/* Readers the current walk has not visited yet are in neither list; the walk puts them back. */
bool drain_step(struct hub *hub)
{
    CHECK_THREAD(hub);
    bool more = step_drain(hub, &hub->drain, &hub->readers);
    if (hub->drain.active) /* a walk has put parting readers back into their own list */
        list_concat(&hub->readers, &hub->parting.waiting);
    more |= step_drain(hub, &hub->parting, &hub->parting.waiting);
    return more;
}

void drain_end(struct hub *hub, struct list *all)
{
    CHECK_THREAD(hub);
    list_concat(all, &hub->parting.waiting);
    list_concat(all, &hub->parting.told);
    list_concat(all, &hub->drain.told);
}
