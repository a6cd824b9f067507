/* sse_parser.c - reads text/event-stream the way a browser does */
/* SPDX-License-Identifier: MIT */
#include "tests/support/sse_parser.h"

#include <stdlib.h>
#include <string.h>

/* Always leaves a NUL after the bytes, so that they can be shown and compared as a string. */
static void bytes_append(struct sse_parser_bytes *bytes, const char *s, size_t len)
{
    if (bytes->capacity - bytes->len < len + 1) {
        bytes->capacity = (bytes->len + len + 1) * 2;
        bytes->at = realloc(bytes->at, bytes->capacity);
        if (bytes->at == NULL)
            abort();
    }
    if (len != 0)
        memcpy(bytes->at + bytes->len, s, len);
    bytes->len += len;
    bytes->at[bytes->len] = '\0';
}

static void bytes_set(struct sse_parser_bytes *bytes, const char *s, size_t len)
{
    bytes->len = 0;
    bytes_append(bytes, s, len);
}

void sse_parser_init(struct sse_parser *parser, sse_parser_callback *on_event, void *arg)
{
    *parser = (struct sse_parser){.retry_ms = -1, .on_event = on_event, .arg = arg};
    bytes_set(&parser->line, "", 0);
    bytes_set(&parser->data, "", 0);
    bytes_set(&parser->event_type, "", 0);
    bytes_set(&parser->last_event_id_buffer, "", 0);
    bytes_set(&parser->last_event_id, "", 0);
}

void sse_parser_dispose(struct sse_parser *parser)
{
    free(parser->line.at);
    free(parser->data.at);
    free(parser->event_type.at);
    free(parser->last_event_id_buffer.at);
    free(parser->last_event_id.at);
}

const char *sse_parser_last_event_id(const struct sse_parser *parser)
{
    return parser->last_event_id.at;
}

static void dispatch(struct sse_parser *parser)
{
    /* Before the test for data: a block with only an id moves the cursor, too. */
    bytes_set(&parser->last_event_id, parser->last_event_id_buffer.at, parser->last_event_id_buffer.len);
    if (parser->data.len != 0) {
        bool named = parser->event_type.len != 0;
        size_t data_len = parser->data.len - 1;
        parser->data.at[data_len] = '\0';
        struct sse_parsed_event event = {
            .name = named ? parser->event_type.at : "message",
            .name_len = named ? parser->event_type.len : strlen("message"),
            .data = parser->data.at,
            .data_len = data_len,
            .id = parser->last_event_id.at,
            .id_len = parser->last_event_id.len,
        };
        parser->events++;
        if (parser->on_event != NULL)
            parser->on_event(parser->arg, &event);
    }
    bytes_set(&parser->data, "", 0);
    bytes_set(&parser->event_type, "", 0);
}

/* Anything but ASCII digits leaves the time as it was; so does a time that no clock could hold. */
static void set_retry(struct sse_parser *parser, const char *value, size_t len)
{
    int64_t ms = 0;

    if (len == 0 || len > 18)
        return;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return;
        ms = ms * 10 + (value[i] - '0');
    }
    parser->retry_ms = ms;
}

static void process_field(struct sse_parser *parser, const char *name, size_t name_len, const char *value, size_t len)
{
    if (name_len == 5 && memcmp(name, "event", 5) == 0) {
        bytes_set(&parser->event_type, value, len);
    } else if (name_len == 4 && memcmp(name, "data", 4) == 0) {
        bytes_append(&parser->data, value, len);
        bytes_append(&parser->data, "\n", 1);
    } else if (name_len == 2 && memcmp(name, "id", 2) == 0) {
        if (memchr(value, '\0', len) == NULL)
            bytes_set(&parser->last_event_id_buffer, value, len);
    } else if (name_len == 5 && memcmp(name, "retry", 5) == 0) {
        set_retry(parser, value, len);
    }
}

static void process_line(struct sse_parser *parser, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);

    if (len == 0) {
        dispatch(parser);
    } else if (colon == line) {
        parser->comments++;
    } else if (colon == NULL) {
        process_field(parser, line, len, "", 0);
    } else {
        const char *value = colon + 1;
        /* One blank is the format's, any further one the value's. The NUL after the line keeps this read inside. */
        if (*value == ' ')
            value++;
        process_field(parser, line, (size_t)(colon - line), value, (size_t)(line + len - value));
    }
}

static void end_line(struct sse_parser *parser)
{
    const char *line = parser->line.at;
    size_t len = parser->line.len;

    /* Decoding UTF-8 strips one BOM, at the start of the stream only. */
    if (!parser->past_first_line && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        len -= 3;
    }
    parser->past_first_line = true;
    process_line(parser, line, len);
    parser->line.len = 0;
    parser->line.at[0] = '\0';
}

void sse_parser_feed(struct sse_parser *parser, const char *bytes, size_t len)
{
    size_t start = 0;

    for (size_t i = 0; i < len; i++) {
        bool is_lf = bytes[i] == '\n', is_cr = bytes[i] == '\r';
        bool second_half = is_lf && parser->after_cr;
        parser->after_cr = is_cr;
        if (!is_lf && !is_cr)
            continue;
        if (!second_half) {
            bytes_append(&parser->line, bytes + start, i - start);
            end_line(parser);
        }
        start = i + 1;
    }
    bytes_append(&parser->line, bytes + start, len - start);
}
