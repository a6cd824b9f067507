/* reauthorize.c - which streams continue under a new configuration */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reauthorize.h"

#include <string.h>

#include "gateway/config/config.h"
#include "gateway/config/config_reload.h"
#include "gateway/base/list.h"
#include "gateway/core/channel.h"
#include "gateway/core/reader.h"
#include "gateway/core/view.h"
#include "proto/subject.h"

/* A parameter in braces is a token like any other, which only itself and a wildcard cover. */
static bool is_covered(const char *subject, char *const *patterns, unsigned count)
{
    return subject_any_covers((const char *const *)patterns, count, subject, strlen(subject));
}

static bool are_templates_covered(const struct config_route *before, const struct config_route *after)
{
    for (unsigned i = 0; i != before->subjects_count; ++i) {
        if (!is_covered(before->subjects[i], after->subjects, after->subjects_count))
            return false;
    }
    return before->subjects_count != 0;
}

static bool are_choices_covered(const struct reader *reader, const struct config_route *after)
{
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        if (!is_covered(reader->cursors[i].view->channel->pattern, after->allow, after->allow_count))
            return false;
    }
    return true;
}

bool reauthorize_allows(const struct config *config, const struct reader *reader)
{
    const struct config_route *before = reader->route, *after = config_find_route(config, before->path);
    if (after == NULL || after->publish || !config_reload_same_auth(before, after))
        return false;
    return after->subjects_count != 0 ? are_templates_covered(before, after) : are_choices_covered(reader, after);
}

enum eviction_verdict reauthorize_judge(const struct eviction_walk *eviction_walk, const struct reader *reader)
{
    const struct reauthorize_walk *walk = LIST_ENTRY(eviction_walk, const struct reauthorize_walk, walk);
    if (!reauthorize_allows(walk->config, reader))
        return EVICT_AND_ASK_BACK;
    for (size_t i = 0; i != walk->gone_count; ++i) {
        if (walk->gone[i] == reader->origin)
            return EVICT_IN_TIME;
    }
    return EVICT_NOT;
}
