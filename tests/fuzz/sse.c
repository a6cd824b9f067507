/* sse.c - fuzzes the encoder: what a browser reads is what went in */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sse.h"
#include "tests/support/sse_parser.h"

/* The event that a browser has to read. */
struct expected {
    const char *name, *id;
    size_t name_len, id_len;
    char *data;
    size_t data_len;
    bool dispatched;
    size_t seen;
};

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct expected *expected = arg;

    ++expected->seen;
    FUZZ_CHECK(expected->dispatched);
    FUZZ_CHECK(event->name_len == expected->name_len && memcmp(event->name, expected->name, event->name_len) == 0);
    FUZZ_CHECK(event->data_len == expected->data_len && memcmp(event->data, expected->data, event->data_len) == 0);
    FUZZ_CHECK(event->id_len == expected->id_len && memcmp(event->id, expected->id, event->id_len) == 0);
}

static char *room_for(size_t len)
{
    char *room = malloc(len != 0 ? len : 1);

    if (room == NULL)
        abort();
    return room;
}

/* Every line end is an LF to the page. */
static void normalise(struct expected *expected, const struct fuzz_text *data)
{
    expected->data = room_for(data->len);
    for (size_t i = 0; i != data->len; ++i) {
        bool second_half = data->s[i] == '\n' && i != 0 && data->s[i - 1] == '\r';
        if (!second_half)
            expected->data[expected->data_len++] = (char)(data->s[i] == '\r' ? '\n' : data->s[i]);
    }
}

static bool fits_an_id(const struct fuzz_text *id)
{
    for (size_t i = 0; i != id->len; ++i) {
        if (id->s[i] == '\0' || id->s[i] == '\r' || id->s[i] == '\n')
            return false;
    }
    return true;
}

/* By the standard's words: a name is UTF-8 that no line end cuts; an empty one is none. */
static void check_name(const struct fuzz_text *name, bool valid)
{
    struct fuzz_text copy = *name;

    FUZZ_CHECK(!valid || (name->len >= 1 && name->len <= 256 && fits_an_id(&copy)));
    for (size_t i = 0; valid && i != name->len; ++i)
        FUZZ_CHECK((unsigned char)name->s[i] != 0xc0 && (unsigned char)name->s[i] < 0xf5);
}

static void feed(struct sse_parser *parser, const char *bytes, size_t len, size_t cut)
{
    /* One event is preceded by the start of another stream's, so that a BOM in it is no BOM of the stream. */
    sse_parser_feed(parser, ":\n\n", 3);
    while (len > cut) {
        sse_parser_feed(parser, bytes, cut);
        bytes += cut;
        len -= cut;
    }
    sse_parser_feed(parser, bytes, len);
}

static void check_event(const struct sse_event *event, struct expected *expected, size_t cut)
{
    struct sse_parser parser;
    size_t size = sse_size(event);
    char *bytes = room_for(size);

    FUZZ_CHECK(sse_write(bytes, event) == size);
    FUZZ_CHECK(size != 0 && bytes[size - 1] == '\n' && memchr(bytes, '\r', size) == NULL);
    sse_parser_init(&parser, on_event, expected);
    feed(&parser, bytes, size, cut);
    FUZZ_CHECK(expected->seen == (size_t)expected->dispatched);
    FUZZ_CHECK(parser.retry_ms == (event->retry_ms < 1000000000000000000 ? event->retry_ms : -1));
    FUZZ_CHECK(parser.comments == 1);
    FUZZ_CHECK(strlen(sse_parser_last_event_id(&parser)) == expected->id_len);
    /* The next event starts clean: nothing of this one is in it. */
    *expected = (struct expected){.name = "message",
                                  .name_len = 7,
                                  .data = expected->data,
                                  .data_len = 0,
                                  .id = expected->id,
                                  .id_len = expected->id_len,
                                  .dispatched = true};
    sse_parser_feed(&parser, "data\n\n", 6);
    FUZZ_CHECK(expected->seen == 1);
    sse_parser_dispose(&parser);
    free(bytes);
}

static void check_comment(const struct fuzz_text *text)
{
    struct expected expected = {.dispatched = false};
    struct sse_parser parser;
    size_t size = sse_comment_size(text->len);
    char *bytes = room_for(size);

    FUZZ_CHECK(sse_comment_write(bytes, text->s, text->len) == size);
    sse_parser_init(&parser, on_event, &expected);
    sse_parser_feed(&parser, bytes, size);
    FUZZ_CHECK(parser.comments == 1 && expected.seen == 0);
    sse_parser_dispose(&parser);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t flags = fuzz_byte(&input), digits = fuzz_byte(&input);
    struct fuzz_text name = fuzz_short_text(&input), id = fuzz_short_text(&input), payload = fuzz_rest(&input);
    bool named = sse_name_is_valid(name.s, name.len), has_id = (flags & 1) != 0 && fits_an_id(&id);
    struct sse_event event = {.retry_ms = -1, .has_data = (flags & 2) != 0};
    struct expected expected = {.dispatched = event.has_data};

    check_name(&name, named);
    if (named) {
        event.name = name.s;
        event.name_len = name.len;
    }
    if (has_id) {
        event.id = id.s;
        event.id_len = id.len;
    }
    if ((flags & 4) != 0)
        event.retry_ms = (int64_t)(UINT64_C(1) << digits % 63) - (flags >> 3 & 1);
    if (event.has_data) {
        event.data = payload.len != 0 ? payload.s : NULL;
        event.data_len = payload.len;
    }
    normalise(&expected, &payload);
    expected.name = named ? name.s : "message";
    expected.name_len = named ? name.len : strlen("message");
    expected.id = has_id ? id.s : "";
    expected.id_len = has_id ? id.len : 0;
    check_event(&event, &expected, (size_t)(flags >> 4) + 1);
    if (fits_an_id(&name))
        check_comment(&name);
    free(expected.data);
    free(name.s);
    free(id.s);
    free(payload.s);
    return 0;
}
