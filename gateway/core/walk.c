/* walk.c - a way through all readers of a hub, a slice of it in each turn */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/walk.h"

#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"

/* Readers visited in one turn; most of them, and what they point to, are not cached. */
#define TURN_LOOKS 2000
/* Walks served in one pass: loading a reader costs more than looking at it. */
#define WALKS_TOGETHER 16

void walk_start(struct hub *hub, struct walk *walk)
{
    CHECK_THREAD(hub);
    walk->next = NULL;
    *hub->walks_waiting_end = walk;
    hub->walks_waiting_end = &walk->next;
}

static void begin_walks(struct hub *hub)
{
    struct walk **last = &hub->walks;
    hub->walks = hub->walks_waiting;
    for (unsigned i = 0; i != WALKS_TOGETHER && *last != NULL; ++i)
        last = &(*last)->next;
    hub->walks_waiting = *last;
    *last = NULL;
    if (hub->walks_waiting == NULL)
        hub->walks_waiting_end = &hub->walks_waiting;
    list_concat(&hub->unlooked, &hub->readers);
    list_concat(&hub->unlooked, &hub->parting.waiting);
}

static void finish_walks(struct hub *hub)
{
    struct walk *walk = hub->walks;
    hub->walks = NULL;
    while (walk != NULL) {
        struct walk *next = walk->next;
        walk->over(walk);
        walk = next;
    }
}

static void look_at_reader(struct hub *hub, struct reader *reader)
{
    for (struct walk *walk = hub->walks; walk != NULL && walk->look(walk, reader); walk = walk->next)
        ;
}

bool walk_step(struct hub *hub)
{
    if (hub->walks == NULL && hub->walks_waiting != NULL)
        begin_walks(hub);
    if (hub->walks == NULL)
        return false;
    for (unsigned i = 0; i != TURN_LOOKS && !list_is_empty(&hub->unlooked); ++i) {
        struct reader *reader = LIST_ENTRY(hub->unlooked.next, struct reader, all);
        list_remove(&reader->all);
        list_append(reader->is_parting ? &hub->parting.waiting : &hub->readers, &reader->all);
        look_at_reader(hub, reader);
    }
    if (list_is_empty(&hub->unlooked))
        finish_walks(hub);
    return hub->walks != NULL || hub->walks_waiting != NULL;
}
