/* buffer.c - growing text, for pages and messages: not for the delivery of events */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "proto/text.h"

#define CAPACITY_MIN 256u

static char *reserve_bytes(struct buffer *buffer, size_t len)
{
    CHECK(buffer->len <= buffer->capacity && len <= SIZE_MAX - buffer->len);
    size_t wanted = buffer->len + len;
    if (wanted > buffer->capacity) {
        /* Doubled, so that a page of many small pieces is copied a few times and not at each piece. */
        size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity * 2;
        buffer->capacity = capacity < wanted ? wanted : capacity;
        buffer->bytes = check_realloc(buffer->bytes, buffer->capacity);
    }
    return buffer->bytes + buffer->len;
}

void buffer_add(struct buffer *buffer, const char *bytes, size_t len)
{
    if (len == 0) /* perhaps of an empty buffer: NULL, which memcpy must not get */
        return;
    memcpy(reserve_bytes(buffer, len), bytes, len);
    buffer->len += len;
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        buffer_add(buffer, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

void buffer_add_json(struct buffer *buffer, const char *s, size_t len)
{
    char *copy = NULL;
    if (!text_is_utf8(s, len)) {
        /* JSON is UTF-8 (RFC 8259 8.1); one foreign byte would make the whole page unreadable. */
        copy = check_malloc(len);
        for (size_t i = 0; i != len; ++i)
            copy[i] = (s[i] & 0x80) != 0 ? '?' : s[i];
        s = copy;
    }
    buffer_add(buffer, "\"", 1);
    char *at = reserve_bytes(buffer, text_json_size(s, len));
    buffer->len += text_json_write(at, s, len);
    CHECK(buffer->len <= buffer->capacity);
    buffer_add(buffer, "\"", 1);
    free(copy);
}

void buffer_add_seconds(struct buffer *buffer, int64_t ns)
{
    int64_t ms = ns > 0 ? ns / NS_PER_MS : 0;
    buffer_format(buffer, "%lld.%03lld", (long long)(ms / MS_PER_S), (long long)(ms % MS_PER_S));
}

char *buffer_take(struct buffer *buffer)
{
    buffer_add(buffer, "", 1); /* its NUL */
    char *bytes = buffer->bytes;
    *buffer = (struct buffer){.bytes = NULL};
    return bytes;
}

void buffer_dispose(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){.bytes = NULL};
}
