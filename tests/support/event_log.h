/* event_log.h - the events of one stream, as the independent parser reads them */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_EVENT_LOG_H
#define TESTS_SUPPORT_EVENT_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/sse_parser.h"

struct event {
    char *name; /* "message" when the stream gave none */
    char *data; /* NUL terminated beyond its length */
    size_t data_len;
    char *id; /* the last event id when it was dispatched; "" if there was none yet */
};

/*
 * With on_event set, events go to it and are not kept.
 */
struct event_log {
    struct sse_parser parser; /* its retry_ms, comments and sse_parser_last_event_id are for the test to read */
    struct event *events;
    size_t count, capacity;
    sse_parser_callback *on_event;
    void *arg;
};

void event_log_init(struct event_log *log);
void event_log_dispose(struct event_log *log);
void event_log_feed(struct event_log *log, const char *data, size_t len);

/* What a browser would send as Last-Event-ID now, "" at first; valid until the next feed. */
const char *event_log_last_id(const struct event_log *log);
/* The first event of that name from index from on; NULL when there is none. */
const struct event *event_log_find(const struct event_log *log, const char *name, size_t from);
size_t event_log_count(const struct event_log *log, const char *name);

#endif
