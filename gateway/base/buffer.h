/* buffer.h - text that grows, for what is written now and then: never on the way of an event */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_BUFFER_H
#define GATEWAY_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one. Who has it frees it with buffer_dispose, or keeps `bytes`, which free takes. */
struct buffer {
    char *bytes; /* not NUL terminated; NULL while it is empty */
    size_t len, capacity;
};

void buffer_add(struct buffer *buffer, const char *bytes, size_t len);
void buffer_add_text(struct buffer *buffer, const char *text);
/* For what is short: at most 511 bytes of a call are kept. */
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; what isn't UTF-8 comes out as '?'. */
void buffer_add_json(struct buffer *buffer, const char *s, size_t len);
/* Seconds with three decimals, as JSON and Prometheus read them, whatever the locale. */
void buffer_add_seconds(struct buffer *buffer, int64_t ns);
/* The text with a NUL behind it, for the caller to free; the buffer is empty then. */
char *buffer_take(struct buffer *buffer);
void buffer_dispose(struct buffer *buffer);

#endif
