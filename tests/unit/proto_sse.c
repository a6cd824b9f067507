/* proto_sse.c - events and comments as bytes, and read back by the rules of the standard */
/* SPDX-License-Identifier: MIT */
#include "proto/sse.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/sse_parser.h"

#define STRING(literal) (literal), sizeof(literal) - 1

/* In a block of exactly the promised size, so that AddressSanitizer sees a byte too many. */
static char *write_event(const struct sse_event *event, size_t *len)
{
    size_t size = sse_size(event);
    char *block = malloc(size);

    *len = sse_write(block, event);
    cr_assert(*len == size, "size %zu, written %zu", size, *len);
    return block;
}

static void expect_event(const char *what, const struct sse_event *event, const char *expected, size_t expected_len)
{
    size_t len;
    char *block = write_event(event, &len);

    cr_expect(len == expected_len && memcmp(block, expected, len) == 0, "%s: wrote \"%.*s\"", what, (int)len, block);
    free(block);
}

struct payload_case {
    const char *payload;
    size_t len;
    const char *expected;
    size_t expected_len;
};

Test(sse, payloads)
{
    static const struct payload_case cases[] = {
        {STRING(""), STRING("data: \n\n")},
        {STRING("x"), STRING("data: x\n\n")},
        {STRING("\n"), STRING("data: \ndata: \n\n")},
        {STRING("\r"), STRING("data: \ndata: \n\n")},
        {STRING("\r\n"), STRING("data: \ndata: \n\n")},
        {STRING("\n\r"), STRING("data: \ndata: \ndata: \n\n")},
        {STRING("\r\r"), STRING("data: \ndata: \ndata: \n\n")},
        {STRING("\r\r\n"), STRING("data: \ndata: \ndata: \n\n")},
        {STRING("\r\n\n"), STRING("data: \ndata: \ndata: \n\n")},
        {STRING("a\nb"), STRING("data: a\ndata: b\n\n")},
        {STRING("a\rb"), STRING("data: a\ndata: b\n\n")},
        {STRING("a\r\nb"), STRING("data: a\ndata: b\n\n")},
        {STRING("a\n\nb"), STRING("data: a\ndata: \ndata: b\n\n")},
        {STRING("a\n"), STRING("data: a\ndata: \n\n")},
        {STRING("\na"), STRING("data: \ndata: a\n\n")},
        {STRING(" a"), STRING("data:  a\n\n")},
        {STRING(":a"), STRING("data: :a\n\n")},
        {STRING("data: a"), STRING("data: data: a\n\n")},
        {STRING("\xef\xbb\xbf"), STRING("data: \xef\xbb\xbf\n\n")},
        {STRING("a\0b"), STRING("data: a\0b\n\n")},
        /* What other formats take for line ends, and bytes that share bits with CR and LF. */
        {STRING("a\v\f\x1c\x85\xe2\x80\xa8"), STRING("data: a\v\f\x1c\x85\xe2\x80\xa8\n\n")},
        {STRING("\x8a\x8d\x0b\x0c\x0e\x09\x2d\x2a\x4d\x4a"),
         STRING("data: \x8a\x8d\x0b\x0c\x0e\x09\x2d\x2a\x4d\x4a\n\n")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sse_event event = {.data = cases[i].payload, .data_len = cases[i].len, .has_data = true, .retry_ms = -1};
        char what[32];
        snprintf(what, sizeof(what), "case %zu", i);
        expect_event(what, &event, cases[i].expected, cases[i].expected_len);
    }
}

Test(sse, fields)
{
    struct sse_event nothing = {.retry_ms = -1};
    struct sse_event all = {.name = "n",
                            .name_len = 1,
                            .id = "1f-7",
                            .id_len = 4,
                            .retry_ms = 2000,
                            .data = "d",
                            .data_len = 1,
                            .has_data = true};
    struct sse_event null_data = {.retry_ms = -1, .has_data = true};
    struct sse_event opening = {.id = "1-0", .id_len = 3, .retry_ms = 0};
    struct sse_event ignored = {.retry_ms = INT64_MAX, .data = "d", .data_len = 1};
    struct sse_event empty_names = {.name = "", .id = "", .retry_ms = -5, .has_data = true};

    expect_event("nothing", &nothing, STRING("\n"));
    expect_event("all", &all, STRING("event: n\nid: 1f-7\nretry: 2000\ndata: d\n\n"));
    expect_event("null data", &null_data, STRING("data: \n\n"));
    expect_event("id and retry", &opening, STRING("id: 1-0\nretry: 0\n\n"));
    expect_event("data without has_data", &ignored, STRING("retry: 9223372036854775807\n\n"));
    expect_event("empty name and id", &empty_names, STRING("data: \n\n"));
}

Test(sse, comments)
{
    char block[16];

    cr_assert(sse_comment_size(0) == 4 && sse_comment_write(block, NULL, 0) == 4);
    cr_expect(memcmp(block, ": \n\n", 4) == 0);
    cr_assert(sse_comment_size(2) == 6 && sse_comment_write(block, "hb", 2) == 6);
    cr_expect(memcmp(block, ": hb\n\n", 6) == 0);
}

Test(sse, names)
{
    char longest[SSE_NAME_MAX + 1];

    memset(longest, 'n', sizeof(longest));
    cr_expect(sse_name_is_valid(STRING("n")));
    cr_expect(sse_name_is_valid(STRING(" orders.created ")));
    cr_expect(sse_name_is_valid(STRING(":")));
    cr_expect(sse_name_is_valid(STRING("Größe")));
    cr_expect(sse_name_is_valid(longest, SSE_NAME_MAX));
    cr_expect(!sse_name_is_valid(longest, SSE_NAME_MAX + 1));
    cr_expect(!sse_name_is_valid(STRING("")));
    cr_expect(!sse_name_is_valid(NULL, 0));
    cr_expect(!sse_name_is_valid(STRING("a\rdata: b")));
    cr_expect(!sse_name_is_valid(STRING("a\n")));
    cr_expect(!sse_name_is_valid(STRING("\n")));
    cr_expect(!sse_name_is_valid(STRING("a\0b")));
    cr_expect(!sse_name_is_valid(STRING("\xff")));
    cr_expect(!sse_name_is_valid(STRING("a long name before the bad byte\n")));
}

/* The payload as a parser must give it back: CRLF and CR become LF. Byte by byte, on purpose. */
static size_t normalise(char *dst, const char *s, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\n' && i > 0 && s[i - 1] == '\r')
            continue;
        dst[out++] = s[i] == '\r' ? '\n' : s[i];
    }
    return out;
}

struct reader {
    char *data, *name, *id;
    size_t data_len, name_len, id_len, count;
};

static void read_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;

    reader->count++;
    reader->data = memcpy(realloc(reader->data, event->data_len + 1), event->data, event->data_len + 1);
    reader->data_len = event->data_len;
    reader->name = memcpy(realloc(reader->name, event->name_len + 1), event->name, event->name_len + 1);
    reader->name_len = event->name_len;
    reader->id = memcpy(realloc(reader->id, event->id_len + 1), event->id, event->id_len + 1);
    reader->id_len = event->id_len;
}

static void reader_dispose(struct reader *reader)
{
    free(reader->data);
    free(reader->name);
    free(reader->id);
}

/* Every kind of line end at every offset of payloads around the widths the encoder steps by. */
Test(sse, line_ends_at_every_offset)
{
    static const char *const ends[] = {"\r", "\n", "\r\n", "\n\r", "\r\r\n"};

    for (size_t len = 0; len <= 52; len++) {
        for (size_t at = 0; at <= len; at++) {
            for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++) {
                char payload[64], expected[64];
                size_t end_len = strlen(ends[k]), total = len + end_len;
                memset(payload, 'x', sizeof(payload));
                memcpy(payload + at, ends[k], end_len);
                size_t expected_len = normalise(expected, payload, total);

                struct sse_event event = {.data = payload, .data_len = total, .has_data = true, .retry_ms = -1};
                struct reader reader = {0};
                struct sse_parser parser;
                size_t written;
                char *block = write_event(&event, &written);
                sse_parser_init(&parser, read_event, &reader);
                sse_parser_feed(&parser, block, written);
                cr_assert(reader.count == 1 && reader.data_len == expected_len &&
                              memcmp(reader.data, expected, expected_len) == 0,
                          "length %zu, line end %zu at %zu", len, k, at);
                sse_parser_dispose(&parser);
                reader_dispose(&reader);
                free(block);
            }
        }
    }
}

/* ---- property: whatever goes in comes out ---- */

static uint64_t random_state;

static uint64_t next_random(void)
{
    /* xorshift64*: small, and the same on every machine, so that a seed means something. */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static size_t random_below(size_t limit)
{
    return (size_t)(next_random() >> 33) % limit;
}

static uint64_t take_seed(void)
{
    const char *text = getenv("FRESHET_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL) * 1000003 + (uint64_t)clock();

    if (seed == 0)
        seed = 1;
    fprintf(stderr, "FRESHET_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static size_t random_payload(char *dst, size_t max)
{
    static const struct {
        const char *s;
        size_t len;
    } pieces[] = {
        {STRING("\r")},
        {STRING("\n")},
        {STRING("\r\n")},
        {STRING(" ")},
        {STRING(":")},
        {STRING("data: ")},
        {STRING("id: 9")},
        {STRING("\xef\xbb\xbf")},
        {STRING("\0")},
        {STRING("\xc3\xa9")},
        {STRING("x")},
        {STRING("\xf0\x9f\x8c\x8a")},
        {STRING("0123456789abc")},
    };
    size_t len = 0, count = random_below(40);

    for (size_t i = 0; i < count; i++) {
        size_t k = random_below(sizeof(pieces) / sizeof(pieces[0]));
        size_t run = random_below(8) == 0 ? random_below(40) : 1;
        for (size_t n = 0; n < run && len + pieces[k].len <= max; n++) {
            memcpy(dst + len, pieces[k].s, pieces[k].len);
            len += pieces[k].len;
        }
    }
    return len;
}

static void feed_in_slices(struct sse_parser *parser, const char *bytes, size_t len)
{
    size_t limit = 1 + random_below(random_below(4) == 0 ? 3 : 64);

    while (len != 0) {
        size_t slice = random_below(limit + 1);
        if (slice > len)
            slice = len;
        sse_parser_feed(parser, bytes, slice);
        bytes += slice;
        len -= slice;
    }
}

static void check_round_trip(struct sse_parser *parser, struct reader *reader, const char *where)
{
    static char payload[4096], expected[4096];
    static const char *const names[] = {"", "a", " padded ", "freshet.gap", ":"};
    static const char *const ids[] = {"", "1-1", "ffffffffff-18446744073709551615", " 5"};
    const char *name = names[random_below(5)], *id = ids[random_below(4)];
    size_t len = random_payload(payload, sizeof(payload)), written;
    int64_t retry = random_below(3) == 0 ? (int64_t)random_below(100000) : -1;
    int64_t retry_before = parser->retry_ms;
    struct sse_event event = {.name = name,
                              .name_len = strlen(name),
                              .id = id,
                              .id_len = strlen(id),
                              .retry_ms = retry,
                              .data = payload,
                              .data_len = len,
                              .has_data = true};
    size_t expected_len = normalise(expected, payload, len), count = reader->count;
    char previous_id[64];

    snprintf(previous_id, sizeof(previous_id), "%s", sse_parser_last_event_id(parser));
    char *block = write_event(&event, &written);
    feed_in_slices(parser, block, written);
    free(block);
    cr_assert(reader->count == count + 1, "%s: %zu events", where, reader->count - count);
    cr_assert(reader->data_len == expected_len && memcmp(reader->data, expected, expected_len) == 0, "%s: data", where);
    cr_assert_str_eq(reader->name, name[0] != '\0' ? name : "message", "%s: name", where);
    cr_assert_str_eq(reader->id, id[0] != '\0' ? id : previous_id, "%s: id", where);
    cr_assert(parser->retry_ms == (retry >= 0 ? retry : retry_before), "%s: retry", where);
}

Test(sse, random_events_survive_the_wire)
{
    struct sse_parser parser;
    struct reader reader = {0};
    uint64_t seed = take_seed();

    random_state = seed;
    sse_parser_init(&parser, read_event, &reader);
    for (int round = 0; round < 20000; round++) {
        char where[64], comment[8];
        snprintf(where, sizeof(where), "FRESHET_SEED=%" PRIu64 " round %d", seed, round);
        check_round_trip(&parser, &reader, where);
        if (random_below(5) == 0)
            feed_in_slices(&parser, comment, sse_comment_write(comment, "hb", 2));
    }
    cr_expect(reader.count == 20000);
    sse_parser_dispose(&parser);
    reader_dispose(&reader);
}
