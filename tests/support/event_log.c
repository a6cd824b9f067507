/* event_log.c - the events of one stream, as the independent parser reads them */
/* SPDX-License-Identifier: MIT */
#include "tests/support/event_log.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/sandbox.h"

static char *copy(const char *s, size_t len)
{
    char *p = malloc(len + 1);

    if (p == NULL)
        fixture_fail("out of memory");
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

static void event_dispose(struct event *event)
{
    free(event->name);
    free(event->data);
    free(event->id);
}

static void on_parsed(void *arg, const struct sse_parsed_event *parsed)
{
    struct event_log *log = arg;
    struct event *event;

    if (log->on_event != NULL) {
        log->on_event(log->arg, parsed);
        return;
    }
    if (log->count == log->capacity) {
        log->capacity = log->capacity * 2 + 16;
        log->events = realloc(log->events, log->capacity * sizeof(*log->events));
        if (log->events == NULL)
            fixture_fail("out of memory");
    }
    event = &log->events[log->count++];
    event->name = copy(parsed->name, parsed->name_len);
    event->data = copy(parsed->data, parsed->data_len);
    event->data_len = parsed->data_len;
    event->id = copy(parsed->id, parsed->id_len);
}

void event_log_init(struct event_log *log)
{
    *log = (struct event_log){0};
    sse_parser_init(&log->parser, on_parsed, log);
}

void event_log_dispose(struct event_log *log)
{
    size_t i;

    for (i = 0; i < log->count; i++)
        event_dispose(&log->events[i]);
    free(log->events);
    sse_parser_dispose(&log->parser);
}

void event_log_feed(struct event_log *log, const char *data, size_t len)
{
    sse_parser_feed(&log->parser, data, len);
}

const char *event_log_last_id(const struct event_log *log)
{
    return sse_parser_last_event_id(&log->parser);
}

const struct event *event_log_find(const struct event_log *log, const char *name, size_t from)
{
    size_t i;

    for (i = from; i < log->count; i++)
        if (strcmp(log->events[i].name, name) == 0)
            return &log->events[i];
    return NULL;
}

size_t event_log_count(const struct event_log *log, const char *name)
{
    size_t count = 0, i;

    for (i = 0; i < log->count; i++)
        count += strcmp(log->events[i].name, name) == 0;
    return count;
}
