/* sse_parser.h - reads text/event-stream the way a browser does */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SSE_PARSER_H
#define TESTS_SUPPORT_SSE_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * WHATWG HTML, "Server-sent events", 9.2.5 and 9.2.6, written from the text of
 * the standard and sharing no code with what it checks. One parser per
 * response body. Bytes are taken for UTF-8 as they are: nothing is replaced.
 */
struct sse_parsed_event {
    const char *name; /* "message" when the stream gave none */
    size_t name_len;
    const char *data; /* its lines joined by LF */
    size_t data_len;
    const char *id; /* the last event id at the time; "" if there was none yet */
    size_t id_len;
};

/* Every string above is NUL terminated beyond its length and valid during the call only. */
typedef void sse_parser_callback(void *arg, const struct sse_parsed_event *event);

struct sse_parser_bytes {
    char *at;
    size_t len, capacity;
};

struct sse_parser {
    /* For the caller to read. */
    int64_t retry_ms; /* the last retry: with a usable value, -1 before the first */
    size_t comments;  /* comment lines so far */
    size_t events;    /* dispatched so far */

    /* The parser's own; the names are the standard's. */
    sse_parser_callback *on_event;
    void *arg;
    struct sse_parser_bytes line, data, event_type, last_event_id_buffer, last_event_id;
    bool past_first_line; /* a BOM has been looked for */
    bool after_cr;        /* an LF that comes now belongs to the line end before it */
};

void sse_parser_init(struct sse_parser *parser, sse_parser_callback *on_event, void *arg);
void sse_parser_dispose(struct sse_parser *parser);

/* The next bytes of the body, cut anywhere. An event that is incomplete at the end of the body is never dispatched. */
void sse_parser_feed(struct sse_parser *parser, const char *bytes, size_t len);

/* What the next request would carry as Last-Event-ID; "" if nothing. Valid until the next feed. */
const char *sse_parser_last_event_id(const struct sse_parser *parser);

#endif
