/* config_streams.c - the JetStream streams of a configuration, gathered from its routes */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/config/config_report.h"

static const char *const lives[] = {[CONFIG_LIVE_CONSUMER] = "consumer", [CONFIG_LIVE_REPUBLISH] = "republish"};

/* Takes the pattern over. */
static void add_subject(struct config_stream *stream, char *pattern)
{
    for (unsigned i = 0; i != stream->subjects_count; ++i) {
        if (strcmp(stream->subjects[i], pattern) == 0) {
            free(pattern);
            return;
        }
    }
    stream->subjects = check_realloc(stream->subjects, (stream->subjects_count + 1) * sizeof(*stream->subjects));
    stream->subjects[stream->subjects_count++] = pattern;
}

/* A parameter is a whole token: what it may become is what '*' stands for. */
static char *pattern_of(const char *subject_template)
{
    char *pattern = check_strdup(subject_template), *to = pattern;
    for (const char *from = pattern; *from != '\0';) {
        if (*from == '{') {
            size_t len = strcspn(from, "}");   /* a name may have a dot */
            from += len + (from[len] != '\0'); /* one without its end has been reported */
            *to++ = '*';
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return pattern;
}

static void add_subjects(struct config_stream *stream, const struct config_route *route)
{
    for (unsigned i = 0; i != route->subjects_count; ++i)
        add_subject(stream, pattern_of(route->subjects[i]));
    for (unsigned i = 0; i != route->allow_count; ++i)
        add_subject(stream, check_strdup(route->allow[i]));
    if (!route->publish && route->history.events > stream->events) /* publishing needs no ring */
        stream->events = route->history.events;
}

/* The stream's number (as in history.source), 0: there is none of that name yet. */
static unsigned find_stream(const struct config *config, const char *name)
{
    for (unsigned i = 0; i != config->streams_count; ++i) {
        if (strcmp(config->streams[i].name, name) == 0)
            return i + 1;
    }
    return 0;
}

static unsigned first_route_of(const struct config *config, unsigned source)
{
    unsigned i = 0;
    while (config->routes[i].history.source != source)
        ++i;
    return i;
}

static void check_live(const struct config_scope *top, const struct config *config, unsigned route,
                       const struct config_stream *stream, unsigned source)
{
    const struct config_history *history = &config->routes[route].history;
    char path[48];
    if (history->live == stream->live)
        return;
    snprintf(path, sizeof(path), "routes[%u].history.live", route);
    config_report_key(top, path, "%s is followed with live: %s here but with live: %s in routes[%u]; use one of them",
                      config_report_quote(stream->name).text, lives[history->live], lives[stream->live],
                      first_route_of(config, source));
}

void config_streams_check(struct config_report *report, struct config *config)
{
    const struct config_scope top = {.report = report, .prefix = ""};
    CHECK(config->streams == NULL && config->streams_count == 0);
    config->streams = check_calloc(CONFIG_STREAMS_MAX, sizeof(*config->streams));
    for (unsigned i = 0; i != config->routes_count; ++i) {
        struct config_history *history = &config->routes[i].history;
        /* a stream that store doesn't go with has been reported, and is no other route's business */
        if (history->store != POLICY_STORE_JETSTREAM || history->stream == NULL)
            continue;
        unsigned source = find_stream(config, history->stream);
        if (source == 0 && config->streams_count == CONFIG_STREAMS_MAX) {
            char path[48];
            snprintf(path, sizeof(path), "routes[%u].history.stream", i);
            config_report_key(&top, path, "%s exceeds the limit of %d JetStream streams",
                              config_report_quote(history->stream).text, CONFIG_STREAMS_MAX);
            continue;
        }
        if (source == 0) {
            source = ++config->streams_count;
            config->streams[source - 1] = (struct config_stream){.name = history->stream, .live = history->live};
        }
        check_live(&top, config, i, &config->streams[source - 1], source);
        CHECK(source >= 1 && source <= config->streams_count);
        history->source = source;
        add_subjects(&config->streams[source - 1], &config->routes[i]);
    }
}
