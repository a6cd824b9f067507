/* buffer.h - growing text, for pages and messages: not for the delivery of events */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_BUFFER_H
#define GATEWAY_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one. Its owner calls buffer_dispose, or takes `bytes` over and frees them with free(). */
struct buffer {
    char *bytes; /* not NUL terminated; NULL while it is empty */
    size_t len, capacity;
};

void buffer_add(struct buffer *buffer, const char *bytes, size_t len);
void buffer_add_text(struct buffer *buffer, const char *text);
/* For short texts: what exceeds 511 bytes of one call is cut off. */
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes. If s isn't UTF-8, each byte above 0x7f becomes '?'. */
void buffer_add_json(struct buffer *buffer, const char *s, size_t len);
/* Seconds with three decimals, as JSON and Prometheus read them, whatever the locale. */
void buffer_add_seconds(struct buffer *buffer, int64_t ns);
/* The text with a NUL behind it, for the caller to free; the buffer is empty afterwards. */
char *buffer_take(struct buffer *buffer);
void buffer_dispose(struct buffer *buffer);

#endif
