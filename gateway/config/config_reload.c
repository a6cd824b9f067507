/* config_reload.c - from one configuration to the next without a restart */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config_table.h"

#define MESSAGE_MAX 512

/* ---- what needs a restart ---- */

struct refusals {
    config_error_fn on_error;
    void *arg;
    unsigned count;
};

__attribute__((format(printf, 2, 0))) static void refuse_with(struct refusals *refusals, const char *format,
                                                              va_list args)
{
    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof(message), format, args);
    refusals->on_error(refusals->arg, message);
    ++refusals->count;
}

__attribute__((format(printf, 2, 3))) static void refuse(struct refusals *refusals, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_with(refusals, format, args);
    va_end(args);
}

static void refuse_option(struct refusals *refusals, const char *path, const struct config_option *option,
                          const struct config *first, const struct config *next)
{
    uint32_t before, after;
    /* Only numbers are shown: a text may be a password, or a URL with one. */
    if (option->type != CONFIG_TYPE_NUMBER || option->storage != CONFIG_STORED_32) {
        refuse(refusals, "%s: this change needs a restart", path);
        return;
    }
    memcpy(&before, (const char *)first + option->offset, sizeof(before));
    memcpy(&after, (const char *)next + option->offset, sizeof(after));
    refuse(refusals, "%s: %u instead of %u needs a restart", path, after, before);
}

/* prefix: of the keys' paths; needs_restart: what is around them does, so all of them do. */
static void check_options(struct refusals *refusals, unsigned mapping, const char *prefix, bool needs_restart,
                          const struct config *first, const struct config *next)
{
    CONFIG_TABLE_EACH(option, mapping)
    {
        bool is_fixed = needs_restart || option->needs_restart;
        bool is_mapping = option->type == CONFIG_TYPE_MAPPING && !option->is_list;
        char path[CONFIG_PATH_MAX];
        /* routes and defaults have structs of their own; what they can't change is checked by stream */
        if (option->is_list || option->storage == CONFIG_STORED_INSIDE)
            continue;
        snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix != '\0' ? "." : "", option->key);
        if (is_mapping)
            check_options(refusals, option->keys, path, is_fixed, first, next);
        /* A mapping that is there or not, such as nats.tls, has a member of its own to compare. */
        if (is_fixed && option->storage != CONFIG_STORED_NOWHERE && !config_table_is_same_member(option, first, next))
            refuse_option(refusals, path, option, first, next);
    }
}

static const struct config_stream *find_stream(const struct config *config, const char *name)
{
    for (unsigned i = 0; i != config->streams_count; ++i) {
        if (strcmp(config->streams[i].name, name) == 0)
            return &config->streams[i];
    }
    return NULL;
}

static void check_streams(struct refusals *refusals, const struct config *first, const struct config *next)
{
    for (unsigned i = 0; i != next->streams_count; ++i) {
        const struct config_stream *stream = &next->streams[i], *before = find_stream(first, stream->name);
        if (before == NULL)
            refuse(refusals, "routes[].history.stream: following stream %s needs a restart", stream->name);
        else if (before->live != stream->live)
            refuse(refusals, "routes[].history.live: changing it for stream %s needs a restart", stream->name);
        else if (before->events == 0 && stream->events != 0)
            refuse(refusals,
                   "routes[].history.stream: stream %s was only used for publishing; reading it needs a restart",
                   stream->name);
    }
}

static bool asks_anybody(const struct config *config)
{
    bool any = false;
    for (unsigned i = 0; i != config->routes_count; ++i)
        any |= config->routes[i].auth.required;
    return any;
}

bool config_reload_check(const struct config *first, const struct config *next, config_error_fn on_error, void *arg)
{
    struct refusals refusals = {on_error, arg, 0};
    check_options(&refusals, CONFIG_TOP, "", false, first, next);
    check_streams(&refusals, first, next);
    if (!asks_anybody(first) && asks_anybody(next))
        refuse(&refusals, "auth: adding the first route with auth needs a restart");
    return refusals.count == 0;
}

static unsigned number_of(const struct config *config, const char *name)
{
    const struct config_stream *stream = find_stream(config, name);
    CHECK(stream != NULL);
    return (unsigned)(stream - config->streams) + 1;
}

void config_reload_adopt(const struct config *first, struct config *next)
{
    CHECK(first != next && first->streams_count <= CONFIG_STREAMS_MAX);
    struct config_stream *streams = check_calloc(CONFIG_STREAMS_MAX, sizeof(*streams));
    for (unsigned i = 0; i != next->routes_count; ++i) {
        struct config_history *history = &next->routes[i].history;
        if (history->source != 0)
            history->source = number_of(first, history->stream);
    }
    /* In the order of the start, by which sources are found, also those that no route uses any more. */
    for (unsigned i = 0; i != first->streams_count; ++i) {
        const struct config_stream *stream = find_stream(next, first->streams[i].name);
        streams[i] = stream != NULL ? *stream : (struct config_stream){.live = first->streams[i].live};
        streams[i].name = first->streams[i].name;
    }
    free(next->streams);
    next->streams = streams;
    next->streams_count = first->streams_count;
}

/* ---- what has changed ---- */

const char *config_reload_changes(const struct config *before, const struct config *after,
                                  char text[static CONFIG_CHANGES_MAX])
{
    size_t used = 0;
    snprintf(text, CONFIG_CHANGES_MAX, "nothing");
    CONFIG_TABLE_EACH(option, CONFIG_TOP)
    {
        if (config_table_is_same(option, before, after))
            continue;
        used += (size_t)snprintf(text + used, CONFIG_CHANGES_MAX - used, "%s%s", used != 0 ? ", " : "", option->key);
        CHECK(used < CONFIG_CHANGES_MAX);
    }
    return text;
}

bool config_reload_same_auth(const struct config_route *route, const struct config_route *other)
{
    return config_table_are_same(CONFIG_AUTH, route, other);
}
