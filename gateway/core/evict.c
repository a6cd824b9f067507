/* evict.c - ends the streams that something has been taken from */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/evict.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/core/channel.h"
#include "gateway/core/hub.h"
#include "gateway/core/identity.h"
#include "gateway/core/reader.h"
#include "gateway/core/view.h"
#include "proto/subject.h"

/* Readers looked at in one turn; most of them, and what they point to, are in no cache. */
#define TURN_LOOKS 2000
/* Evictions that share a walk: a reader is worth looking at once for all of them. */
#define WALK_EVICTIONS 16

static bool is_same(const char *wanted, const char *actual)
{
    return wanted == NULL || (actual != NULL && strcmp(wanted, actual) == 0);
}

static bool any_overlaps(const char *pattern, const char *const *subjects, size_t count)
{
    for (size_t i = 0; i != count; ++i) {
        if (subject_overlaps(pattern, strlen(pattern), subjects[i], strlen(subjects[i])))
            return true;
    }
    return false;
}

bool eviction_matches(const struct eviction *eviction, const struct identity *identity, const char *route,
                      const char *const *subjects, size_t subject_count)
{
    return is_same(eviction->sub, identity != NULL ? identity->sub : NULL) &&
           is_same(eviction->jti, identity != NULL ? identity->jti : NULL) && is_same(eviction->route, route) &&
           (eviction->subject == NULL || any_overlaps(eviction->subject, subjects, subject_count));
}

static bool matches(const struct eviction *eviction, const struct reader *reader)
{
    const char *subjects[READER_SUBJECTS_MAX];
    if (eviction->subject == NULL) /* the usual case touches no channel */
        return eviction_matches(eviction, reader->identity, reader->route->path, NULL, 0);
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        subjects[i] = channel_pattern(reader->cursors[i].view->channel);
    return eviction_matches(eviction, reader->identity, reader->route->path, subjects, reader->cursor_count);
}

static void look_at(struct hub *hub, struct reader *reader)
{
    for (struct eviction_walk *walk = hub->walks; walk != NULL; walk = walk->next) {
        if (reader->ending != 0 || reader->state == READER_ENDED)
            return;
        if (matches(walk->eviction, reader)) {
            ++walk->ended;
            reader_end(reader, CLOSE_REVOKED);
            return;
        }
    }
}

void hub_evict(struct hub *hub, struct eviction_walk *walk)
{
    walk->ended = 0;
    walk->next = NULL;
    *hub->walks_waiting_end = walk;
    hub->walks_waiting_end = &walk->next;
}

static void begin(struct hub *hub)
{
    struct eviction_walk **last = &hub->walks;
    hub->walks = hub->walks_waiting;
    for (unsigned i = 0; i != WALK_EVICTIONS && *last != NULL; ++i)
        last = &(*last)->next;
    hub->walks_waiting = *last;
    *last = NULL;
    if (hub->walks_waiting == NULL)
        hub->walks_waiting_end = &hub->walks_waiting;
    list_concat(&hub->unlooked, &hub->readers);
}

static void finish(struct hub *hub)
{
    struct eviction_walk *walk = hub->walks;
    hub->walks = NULL;
    while (walk != NULL) {
        struct eviction_walk *next = walk->next;
        walk->over(walk);
        walk = next;
    }
}

bool evict_step(struct hub *hub)
{
    if (hub->walks == NULL && hub->walks_waiting != NULL)
        begin(hub);
    if (hub->walks == NULL)
        return false;
    for (unsigned i = 0; i != TURN_LOOKS && !list_is_empty(&hub->unlooked); ++i) {
        struct reader *reader = LIST_ENTRY(hub->unlooked.next, struct reader, all);
        list_remove(&reader->all);
        list_append(&hub->readers, &reader->all);
        look_at(hub, reader);
    }
    if (list_is_empty(&hub->unlooked))
        finish(hub);
    return hub->walks != NULL || hub->walks_waiting != NULL;
}
