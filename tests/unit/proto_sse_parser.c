/* proto_sse_parser.c - the parser the other tests judge by, against the examples and rules of the standard */
/* SPDX-License-Identifier: MIT */
#include "tests/support/sse_parser.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define STRING(literal) (literal), sizeof(literal) - 1

struct transcript {
    char text[512];
    size_t len;
};

/* One "name|id|data;" for each event. */
static void note(void *arg, const struct sse_parsed_event *event)
{
    struct transcript *transcript = arg;
    int len = snprintf(transcript->text + transcript->len, sizeof(transcript->text) - transcript->len, "%s|%s|%.*s;",
                       event->name, event->id, (int)event->data_len, event->data);

    cr_assert(len > 0 && (size_t)len < sizeof(transcript->text) - transcript->len);
    transcript->len += (size_t)len;
}

struct stream_case {
    const char *what, *stream;
    size_t len;
    const char *events, *last_id;
    int64_t retry_ms;
    size_t comments;
};

static const struct stream_case cases[] = {
    {"nothing", STRING(""), "", "", -1, 0},
    {"no end", STRING("data: a\n"), "", "", -1, 0},
    {"cut off", STRING("data: a"), "", "", -1, 0},
    {"stock", STRING("data: YHOO\ndata: +2\ndata: 10\n\n"), "message||YHOO\n+2\n10;", "", -1, 0},
    {"four blocks",
     STRING(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
     "message|1|first event;message||second event;message|| third event;", "", -1, 1},
    {"empty data lines", STRING("data\n\ndata\ndata\n\ndata:"), "message||;message||\n;", "", -1, 0},
    {"blank after colon", STRING("data:test\n\ndata: test\n\n"), "message||test;message||test;", "", -1, 0},
    {"CR", STRING("data: a\rdata: b\r\r"), "message||a\nb;", "", -1, 0},
    {"CRLF", STRING("data: a\r\ndata: b\r\n\r\n"), "message||a\nb;", "", -1, 0},
    {"mixed", STRING("data: a\n\r\ndata: b\r\n\rdata: c\r\n\n"), "message||a;message||b;message||c;", "", -1, 0},
    {"LF CR", STRING("data: a\n\rdata: b\n\r"), "message||a;message||b;", "", -1, 0},
    {"BOM",
     STRING("\xef\xbb\xbf"
            "data: a\n\n"),
     "message||a;", "", -1, 0},
    {"BOM alone", STRING("\xef\xbb\xbf\ndata: a\n\n"), "message||a;", "", -1, 0},
    {"two BOMs",
     STRING("\xef\xbb\xbf\xef\xbb\xbf"
            "data: a\n\ndata: b\n\n"),
     "message||b;", "", -1, 0},
    {"BOM later",
     STRING("\n\xef\xbb\xbf"
            "data: a\n\n"),
     "", "", -1, 0},
    {"BOM and comment", STRING("\xef\xbb\xbf: c\n"), "", "", -1, 1},
    {"type", STRING("event: add\ndata: 1\n\ndata: 2\n\n"), "add||1;message||2;", "", -1, 0},
    {"type without data", STRING("event: add\n\ndata: 2\n\n"), "message||2;", "", -1, 0},
    {"empty type", STRING("event: add\nevent\ndata: 2\n\n"), "message||2;", "", -1, 0},
    {"last type", STRING("event: a\nevent: b\ndata: 2\n\n"), "b||2;", "", -1, 0},
    {"id only", STRING("id: 7\n\n"), "", "7", -1, 0},
    {"id only, not committed", STRING("id: 7\n"), "", "", -1, 0},
    {"id only, then data", STRING("id: 7\n\ndata: x\n\n"), "message|7|x;", "7", -1, 0},
    {"id with NUL", STRING("id: 7\nid: 8\0\n\n"), "", "7", -1, 0},
    {"id emptied", STRING("id: 7\n\nid\n\n"), "", "", -1, 0},
    {"id in front of NUL data", STRING("id: 7\ndata: \n\n"), "message|7|;", "7", -1, 0},
    {"retry", STRING("retry: 0250\n"), "", "", 250, 0},
    {"retry kept", STRING("retry: 10\nretry: 1x\nretry: -1\nretry: +1\nretry:  1\nretry:\nretry\n"), "", "", 10, 0},
    {"unknown and wrong case", STRING("Data: a\ndata : b\n data: c\nfoo: d\nDATA: e\n\n"), "", "", -1, 0},
    {"colon in value", STRING("data: a: b\ndata::c\n\n"), "message||a: b\n:c;", "", -1, 0},
    {"comments", STRING(":\n::\n: data: x\n\n"), "", "", -1, 3},
};

static void check(const struct stream_case *c, size_t slice)
{
    struct transcript transcript = {.len = 0};
    struct sse_parser parser;

    sse_parser_init(&parser, note, &transcript);
    for (size_t at = 0; at < c->len; at += slice)
        sse_parser_feed(&parser, c->stream + at, c->len - at < slice ? c->len - at : slice);
    cr_expect_str_eq(transcript.text, c->events, "%s, slices of %zu: %s", c->what, slice, transcript.text);
    cr_expect_str_eq(sse_parser_last_event_id(&parser), c->last_id, "%s, slices of %zu: id", c->what, slice);
    cr_expect(parser.retry_ms == c->retry_ms, "%s, slices of %zu: retry %lld", c->what, slice,
              (long long)parser.retry_ms);
    cr_expect(parser.comments == c->comments, "%s, slices of %zu: %zu comments", c->what, slice, parser.comments);
    sse_parser_dispose(&parser);
}

Test(sse_parser, streams_in_any_slices)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t slice = 1; slice <= 8; slice++)
            check(&cases[i], slice);
        check(&cases[i], 1000);
    }
}
