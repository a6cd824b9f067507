/* sse.c - encodes one event in the text/event-stream format */
/* SPDX-License-Identifier: MIT */
#include "proto/sse.h"

#include <string.h>

#include "proto/text.h"
#include "proto/units.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LITERAL_LEN(literal) (sizeof(literal) - 1)

static const char event_field[] = "event: ";
static const char id_field[] = "id: ";
static const char retry_field[] = "retry: ";
static const char data_field[] = "data: ";

static bool word_has(uint64_t word, char byte)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t zeroed = word ^ (ones * (unsigned char)byte);

    return ((zeroed - ones) & ~zeroed & (ones << 7)) != 0;
}

/*
 * Offset of the first CR or LF from at on, else len. Two memchr would have to
 * remember the farther of the two hits to stay linear, and would read a
 * payload without line ends twice.
 */
static size_t find_line_end(const char *s, size_t at, size_t len)
{
#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');

    for (; len - at >= 16; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(s + at));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(block, cr), _mm_cmpeq_epi8(block, lf));
        unsigned hits = (unsigned)_mm_movemask_epi8(found);
        if (hits != 0)
            return at + (size_t)__builtin_ctz(hits);
    }
#endif
    for (; len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, s + at, sizeof(word));
        if (word_has(word, '\r') || word_has(word, '\n'))
            break;
    }
    /* At most seven steps: the tail, or the way to the hit that ended the loop above. */
    while (at < len && s[at] != '\r' && s[at] != '\n')
        at++;
    return at;
}

/* Where the line after the line end at `end` begins: CRLF is one line end. */
static size_t next_line(const char *s, size_t end, size_t len)
{
    return end + 1 + (size_t)(s[end] == '\r' && end + 1 < len && s[end + 1] == '\n');
}

static size_t data_size(const char *data, size_t len)
{
    size_t size = 0, at = 0;

    for (;;) {
        size_t end = find_line_end(data, at, len);
        size += LITERAL_LEN(data_field) + (end - at) + 1;
        if (end == len)
            return size;
        at = next_line(data, end, len);
    }
}

size_t sse_size(const struct sse_event *event)
{
    size_t size = 1;

    if (event->name_len != 0)
        size += LITERAL_LEN(event_field) + event->name_len + 1;
    if (event->id_len != 0)
        size += LITERAL_LEN(id_field) + event->id_len + 1;
    if (event->retry_ms >= 0)
        size += LITERAL_LEN(retry_field) + units_u64_size((uint64_t)event->retry_ms) + 1;
    if (event->has_data)
        size += data_size(event->data, event->data_len);
    return size;
}

static char *put(char *dst, const char *s, size_t len)
{
    memcpy(dst, s, len);
    return dst + len;
}

static char *put_data(char *dst, const char *data, size_t len)
{
    size_t at = 0;

    for (;;) {
        size_t end = find_line_end(data, at, len);
        dst = put(dst, data_field, LITERAL_LEN(data_field));
        dst = put(dst, data + at, end - at);
        *dst++ = '\n';
        if (end == len)
            return dst;
        at = next_line(data, end, len);
    }
}

size_t sse_write(char *dst, const struct sse_event *event)
{
    char *p = dst;

    if (event->name_len != 0) {
        p = put(p, event_field, LITERAL_LEN(event_field));
        p = put(p, event->name, event->name_len);
        *p++ = '\n';
    }
    if (event->id_len != 0) {
        p = put(p, id_field, LITERAL_LEN(id_field));
        p = put(p, event->id, event->id_len);
        *p++ = '\n';
    }
    if (event->retry_ms >= 0) {
        p = put(p, retry_field, LITERAL_LEN(retry_field));
        p += units_write_u64(p, (uint64_t)event->retry_ms);
        *p++ = '\n';
    }
    /* data may be NULL when it is empty, and memcpy takes no NULL even for no bytes. */
    if (event->has_data)
        p = put_data(p, event->data_len != 0 ? event->data : "", event->data_len);
    *p++ = '\n';
    return (size_t)(p - dst);
}

size_t sse_comment_size(size_t text_len)
{
    return LITERAL_LEN(": ") + text_len + LITERAL_LEN("\n\n");
}

size_t sse_comment_write(char *dst, const char *text, size_t text_len)
{
    char *p = put(dst, ": ", 2);

    if (text_len != 0)
        p = put(p, text, text_len);
    p = put(p, "\n\n", 2);
    return (size_t)(p - dst);
}

bool sse_name_is_valid(const char *name, size_t len)
{
    return len >= 1 && len <= SSE_NAME_MAX && find_line_end(name, 0, len) == len && memchr(name, '\0', len) == NULL &&
           text_is_utf8(name, len);
}
