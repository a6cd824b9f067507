/* evict.c - ends streams whose permission has been revoked */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/evict.h"

#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/core/channel.h"
#include "gateway/core/drain.h"
#include "gateway/core/hub.h"
#include "gateway/core/identity.h"
#include "gateway/core/reader.h"
#include "gateway/core/view.h"
#include "proto/subject.h"

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

bool evict_matches(const struct eviction *eviction, const struct identity *identity, const char *route,
                   const char *const *subjects, size_t subject_count)
{
    return is_same(eviction->sub, identity != NULL ? identity->sub : NULL) &&
           is_same(eviction->jti, identity != NULL ? identity->jti : NULL) && is_same(eviction->route, route) &&
           (eviction->subject == NULL || any_overlaps(eviction->subject, subjects, subject_count));
}

static bool matches_reader(const struct eviction *eviction, const struct reader *reader)
{
    const char *subjects[READER_SUBJECTS_MAX];
    if (eviction->subject == NULL) /* the usual case touches no channel */
        return evict_matches(eviction, reader->identity, reader->route->path, NULL, 0);
    for (unsigned i = 0; i != reader->cursor_count; ++i)
        subjects[i] = reader->cursors[i].view->channel->pattern;
    return evict_matches(eviction, reader->identity, reader->route->path, subjects, reader->cursor_count);
}

static enum eviction_verdict judge_reader(const struct eviction_walk *walk, const struct reader *reader)
{
    if (walk->eviction == NULL)
        return walk->judge(walk, reader);
    return matches_reader(walk->eviction, reader) ? EVICT : EVICT_NOT;
}

static bool look_at_reader(struct walk *base, struct reader *reader)
{
    struct eviction_walk *walk = LIST_ENTRY(base, struct eviction_walk, base);
    if (reader->ending != CLOSE_NONE || reader->state == READER_ENDED) /* ending for another reason */
        return true;
    enum eviction_verdict verdict = judge_reader(walk, reader);
    if (verdict == EVICT_NOT)
        return true;
    ++walk->ended;
    if (verdict == EVICT_IN_TIME) {
        drain_part(reader->hub, reader);
        return true; /* another walk may end it at once */
    }
    reader->is_asked_back = verdict == EVICT_AND_ASK_BACK;
    reader_end(reader, CLOSE_REVOKED);
    return false;
}

static void on_walk_over(struct walk *base)
{
    struct eviction_walk *walk = LIST_ENTRY(base, struct eviction_walk, base);
    walk->over(walk);
}

void evict_start(struct hub *hub, struct eviction_walk *walk)
{
    CHECK_THREAD(hub);
    walk->ended = 0;
    walk->base = (struct walk){.look = look_at_reader, .over = on_walk_over};
    walk_start(hub, &walk->base);
}
