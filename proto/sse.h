/* sse.h - encodes one event in the text/event-stream format */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Pure functions: bytes in, bytes out. Nothing is allocated, nothing is kept.
 * The rules are WHATWG HTML, "Server-sent events": 9.2.5 (parsing) and 9.2.6
 * (interpreting). The output, read by those rules, gives back exactly the
 * event that went in:
 *
 *   [event: NAME LF] [id: ID LF] [retry: MS LF] (data: LINE LF)* LF
 *
 * A payload is split at CRLF, LF or CR, as a parser would, into one "data: "
 * line each, always with its space, so a leading blank or colon survives. An
 * empty payload is one empty "data: " line: it is still an event. A payload
 * that ends in a line end has one more, empty, line.
 */
struct sse_event {
    const char *name; /* event name; NULL or empty: no event: line. Must pass sse_name_is_valid */
    size_t name_len;
    const char *id; /* NULL or empty: no id: line. The caller guarantees no CR, LF, NUL */
    size_t id_len;
    int64_t retry_ms; /* < 0: no retry: line */
    const char *data; /* may be NULL when data_len is 0 */
    size_t data_len;
    bool has_data; /* false: no data: line at all (sets id and retry only, dispatches nothing) */
};

/* Exact number of bytes sse_write will write. Reads the payload once. */
size_t sse_size(const struct sse_event *event);

/* Writes sse_size(event) bytes at dst and returns that number. */
size_t sse_write(char *dst, const struct sse_event *event);

/* Comment line ": TEXT" and the blank line after it. text must be one line. */
size_t sse_comment_size(size_t text_len);
size_t sse_comment_write(char *dst, const char *text, size_t text_len);

/* An event name the wire can carry: 1..SSE_NAME_MAX bytes of valid UTF-8 without CR, LF or NUL. */
#define SSE_NAME_MAX 256
bool sse_name_is_valid(const char *name, size_t len);

#endif
