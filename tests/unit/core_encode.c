/* core_encode.c - what an event looks like on the wire, whatever a publisher put into its message */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/encode.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/core/message.h"
#include "tests/support/sse_parser.h"
#include "tests/support/text_case.h"

#define NAME_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME_256 NAME_64 NAME_64 NAME_64 NAME_64
#define ID "id: abc-7\n"

struct wire_case {
    const char *what;
    enum policy_event event;
    enum policy_format format;
    struct message message; /* subject "a.b" and 2026-01-02T03:04:05.678Z where it has none */
    const char *expected;
    bool without_id;
};

static struct message completed(const struct message *given)
{
    struct message message = *given;
    if (message.subject == NULL)
        message.subject = "a.b";
    if (message.subject_len == 0)
        message.subject_len = strlen(message.subject);
    if (message.data_len == 0 && message.data != NULL)
        message.data_len = strlen(message.data);
    if (message.received_ns == 0)
        message.received_ns = 1767323045678000000;
    return message;
}

/* NUL terminated, from a block of exactly the promised size, so that AddressSanitizer sees a byte too many. */
static char *encode(struct encoding *encoding, const struct wire_case *row)
{
    struct message message = completed(&row->message);
    struct event_id id = {row->without_id ? 0 : 0xabc, 7};
    size_t size = encode_prepare(encoding, row->event, row->format, id, &message);
    char *block = malloc(size);
    cr_assert_eq(encode_write(block, encoding), size, "%s", row->what);
    char *text = malloc(size + 1);
    memcpy(text, block, size);
    text[size] = '\0';
    free(block);
    return text;
}

static void expect_rows(const struct wire_case *rows, size_t count)
{
    struct encoding encoding;
    encode_init(&encoding);
    for (size_t i = 0; i != count; ++i) {
        char *text = encode(&encoding, &rows[i]);
        cr_expect_str_eq(text, rows[i].expected, "%s: wrote \"%s\"", rows[i].what, text);
        free(text);
    }
    encode_dispose(&encoding);
}

#define EXPECT(rows) expect_rows(rows, sizeof(rows) / sizeof(rows[0]))

Test(core_encode, payloads)
{
    static const struct wire_case rows[] = {
        {"text", .message = {.data = "x"}, .expected = ID "data: x\n\n"},
        {"nothing", .message = {.data = ""}, .expected = ID "data: \n\n"},
        {"no data pointer", .message = {.data = NULL}, .expected = ID "data: \n\n"},
        {"lines", .message = {.data = "a\r\nb\rc\nd"}, .expected = ID "data: a\ndata: b\ndata: c\ndata: d\n\n"},
        {"forged fields", .message = {.data = "a\nevent: x\n\nid: 9"},
         .expected = ID "data: a\ndata: event: x\ndata: \ndata: id: 9\n\n"},
        {"UTF-8", .message = {.data = "\xf0\x9f\x8c\x8a"}, .expected = ID "data: \xf0\x9f\x8c\x8a\n\n"},
        {"without an id", .message = {.data = "x"}, .expected = "data: x\n\n", .without_id = true},
        {"not UTF-8", .message = {.data = "\xff\xfe"}, .expected = "event: freshet.binary\n" ID "data: //4=\n\n"},
        {"binary comes before any name", POLICY_EVENT_SUBJECT, .message = {.data = "\xff"},
         .expected = "event: freshet.binary\n" ID "data: /w==\n\n"},
        {"binary without an id", .message = {.data = "\xc0\x80\n"}, .without_id = true,
         .expected = "event: freshet.binary\ndata: wIAK\n\n"},
        {"base64", .format = POLICY_FORMAT_BASE64, .message = {.data = "a\nb"}, .expected = ID "data: YQpi\n\n"},
        {"base64 of bytes", .format = POLICY_FORMAT_BASE64, .message = {.data = "\xff"},
         .expected = ID "data: /w==\n\n"},
        {"base64 of nothing", .format = POLICY_FORMAT_BASE64, .message = {.data = ""}, .expected = ID "data: \n\n"},
        {"base64 keeps its name", POLICY_EVENT_SUBJECT, POLICY_FORMAT_BASE64, .message = {.data = "\xff"},
         .expected = "event: a.b\n" ID "data: /w==\n\n"},
    };
    EXPECT(rows);
}

Test(core_encode, names)
{
    static const struct wire_case rows[] = {
        {"none", .message = {.data = "x", .sse_event = "e", .ce_type = "t"}, .expected = ID "data: x\n\n"},
        {"subject", POLICY_EVENT_SUBJECT, .message = {.data = "x", .sse_event = "e"},
         .expected = "event: a.b\n" ID "data: x\n\n"},
        {"header", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "e", .ce_type = "t"},
         .expected = "event: e\n" ID "data: x\n\n"},
        {"a name of the gateway's own", .event = POLICY_EVENT_HEADER,
         .message = {.data = "x", .sse_event = "freshet.gap", .ce_type = "freshet.bye"}, .expected = ID "data: x\n\n"},
        {"header from ce-type", POLICY_EVENT_HEADER, .message = {.data = "x", .ce_type = "com.example.t"},
         .expected = "event: com.example.t\n" ID "data: x\n\n"},
        {"no header", POLICY_EVENT_HEADER, .message = {.data = "x"}, .expected = ID "data: x\n\n"},
        {"empty header", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "", .ce_type = "t"},
         .expected = "event: t\n" ID "data: x\n\n"},
        {"LF", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "e\ndata: forged"},
         .expected = ID "data: x\n\n"},
        {"CR", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "e\rid: 9"}, .expected = ID "data: x\n\n"},
        {"LF at the end", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "e\n"},
         .expected = ID "data: x\n\n"},
        {"LF in both", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "\n", .ce_type = "t\r\n\r\n"},
         .expected = ID "data: x\n\n"},
        {"a bad one leaves it to ce-type", POLICY_EVENT_HEADER,
         .message = {.data = "x", .sse_event = "e\n\n", .ce_type = "t"}, .expected = "event: t\n" ID "data: x\n\n"},
        {"not UTF-8", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = "e\xff"},
         .expected = ID "data: x\n\n"},
        {"blanks stay", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = " e "},
         .expected = "event:  e \n" ID "data: x\n\n"},
        {"256 bytes", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = NAME_256},
         .expected = "event: " NAME_256 "\n" ID "data: x\n\n"},
        {"257 bytes", POLICY_EVENT_HEADER, .message = {.data = "x", .sse_event = NAME_256 "x"},
         .expected = ID "data: x\n\n"},
        {"LF in a subject", POLICY_EVENT_SUBJECT, .message = {.subject = "a\nid: 9", .data = "x"},
         .expected = ID "data: x\n\n"},
        {"NUL in a subject", POLICY_EVENT_SUBJECT, .message = {.subject = "a\0b", .subject_len = 3, .data = "x"},
         .expected = ID "data: x\n\n"},
        {"a subject that is not UTF-8", POLICY_EVENT_SUBJECT, .message = {.subject = "a.\xe9", .data = "x"},
         .expected = ID "data: x\n\n"},
    };
    EXPECT(rows);
}

Test(core_encode, retry)
{
    static const struct text_case rows[] = {
        {"1500", "retry: 1500\n"},
        {"0", "retry: 0\n"},
        {"86400000", "retry: 86400000\n"},
        {"86400001", ""},
        {"18446744073709551615", ""},
        {"18446744073709551616", ""},
        {"99999999999999999999999999999999", ""},
        {"", ""},
        {"-1", ""},
        {"+1", ""},
        {" 5", ""},
        {"5 ", ""},
        {"5s", ""},
        {"1e3", ""},
        {"1.5", ""},
        {"0x10", ""},
        {"5\r\ndata: forged", ""},
        {"5\n", ""},
        {"\xd9\xa5", ""},
    };
    struct encoding encoding;
    encode_init(&encoding);
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        char expected[64];
        snprintf(expected, sizeof(expected), ID "%sdata: x\n\n", rows[i].wanted);
        struct wire_case row = {"retry", .message = {.data = "x", .sse_retry = rows[i].given}};
        char *text = encode(&encoding, &row);
        cr_expect_str_eq(text, expected, "Sse-Retry \"%s\": wrote \"%s\"", rows[i].given, text);
        free(text);
    }
    encode_dispose(&encoding);
}

#define CE(...)                                                                                                        \
    {                                                                                                                  \
        .format = POLICY_FORMAT_CLOUDEVENTS, __VA_ARGS__                                                               \
    }
#define CE_TIME "\"time\":\"2026-01-02T03:04:05.678Z\""
#define CE_OWN "\"id\":\"abc-7\",\"source\":\"/nats\",\"type\":\"freshet.message\",\"subject\":\"a.b\"," CE_TIME
#define CE_BEGIN "data: {\"specversion\":\"1.0\","

Test(core_encode, cloudevents)
{
    static const struct wire_case rows[] = {
        CE(.what = "no header", .message = {.data = "x"}, .expected = ID CE_BEGIN CE_OWN ",\"data\":\"x\"}\n\n"),
        CE(.what = "JSON", .message = {.data = "{\"a\":\n1}"},
           .expected = ID CE_BEGIN CE_OWN ",\"data\":{\"a\": 1}}\n\n"),
        CE(.what = "binary", .message = {.data = "\xff"},
           .expected = ID CE_BEGIN CE_OWN ",\"data_base64\":\"/w==\"}\n\n"),
        CE(.what = "no payload", .message = {.data = ""}, .expected = ID CE_BEGIN CE_OWN "}\n\n"),
        CE(.what = "all headers",
           .message = {.data = "1",
                       .ce_id = "i",
                       .ce_source = "/s",
                       .ce_type = "t",
                       .ce_subject = "u",
                       .ce_time = "2020-02-29T00:00:00+01:00",
                       .content_type = "text/plain"},
           .expected = ID CE_BEGIN "\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\",\"subject\":\"u\","
                                   "\"time\":\"2020-02-28T23:00:00.000Z\",\"datacontenttype\":\"text/plain\","
                                   "\"data\":\"1\"}\n\n"),
        CE(.what = "headers that are not UTF-8",
           .message = {.data = "x",
                       .ce_id = "\xff",
                       .ce_source = "\xff",
                       .ce_type = "\xc3",
                       .ce_subject = "a\xff",
                       .ce_time = "\xff",
                       .content_type = "\xff"},
           .expected = ID CE_BEGIN CE_OWN ",\"data\":\"x\"}\n\n"),
        CE(.what = "line ends in headers are escaped",
           .message = {.data = "x", .ce_id = "1\n\ndata: forged", .ce_type = "t\r", .ce_source = "\"\\"},
           .expected = ID CE_BEGIN "\"id\":\"1\\n\\ndata: forged\",\"source\":\"\\\"\\\\\",\"type\":\"t\\r\","
                                   "\"subject\":\"a.b\"," CE_TIME ",\"data\":\"x\"}\n\n"),
        CE(.what = "a bad time is the time of arrival", .message = {.data = "x", .ce_time = "yesterday"},
           .expected = ID CE_BEGIN CE_OWN ",\"data\":\"x\"}\n\n"),
        CE(.what = "a subject that is not UTF-8 is left out", .message = {.subject = "a.\xe9", .data = "x"},
           .expected = ID CE_BEGIN "\"id\":\"abc-7\",\"source\":\"/nats\",\"type\":\"freshet.message\"," CE_TIME
                                   ",\"data\":\"x\"}\n\n"),
        CE(.what = "without history the time of arrival is the id", .message = {.data = "x"}, .without_id = true,
           .expected = CE_BEGIN "\"id\":\"1767323045678000000\",\"source\":\"/nats\",\"type\":\"freshet.message\","
                                "\"subject\":\"a.b\"," CE_TIME ",\"data\":\"x\"}\n\n"),
        CE(.what = "the name is ce-type", .event = POLICY_EVENT_HEADER, .message = {.data = "", .ce_type = "t"},
           .expected = "event: t\n" ID CE_BEGIN
                       "\"id\":\"abc-7\",\"source\":\"/nats\",\"type\":\"t\",\"subject\":\"a.b\"," CE_TIME "}\n\n"),
    };
    EXPECT(rows);
}

/* CloudEvents 1.0: id, source and type are non-empty strings, and so are the optional ones where they are there. */
Test(core_encode, an_empty_ce_header_is_a_missing_one)
{
    static const struct wire_case rows[] = {
        CE(.what = "empty headers",
           .message = {.data = "x",
                       .ce_id = "",
                       .ce_source = "",
                       .ce_type = "",
                       .ce_subject = "",
                       .ce_time = "",
                       .content_type = ""},
           .expected = ID CE_BEGIN CE_OWN ",\"data\":\"x\"}\n\n"),
    };
    EXPECT(rows);
}

/* ---- whatever a publisher sends, the client reads one event with the payload that was meant ---- */

struct seen {
    size_t events, data_len;
    char name[SSE_NAME_MAX + 1], id[64];
    char *data;
};

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct seen *seen = arg;
    ++seen->events;
    snprintf(seen->name, sizeof(seen->name), "%s", event->name);
    snprintf(seen->id, sizeof(seen->id), "%s", event->id);
    free(seen->data);
    seen->data = malloc(event->data_len + 1);
    memcpy(seen->data, event->data, event->data_len + 1);
    seen->data_len = event->data_len;
}

static const char *random_text(char *dst, size_t max)
{
    static const char *const pieces[] = {"\n",   "\r",       "\r\n", "id: 1", "data: x", "event: y", ": ", "retry: 1",
                                         "\xff", "\xc3\xa9", "{}",   "\"",    "a",       "0",        "\t", " "};
    size_t used = 0;
    for (int n = rand() % 8; n != 0; --n) {
        const char *piece = pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))];
        if (used + strlen(piece) + 1 > max)
            break;
        memcpy(dst + used, piece, strlen(piece));
        used += strlen(piece);
    }
    dst[used] = '\0';
    return rand() % 4 == 0 ? NULL : dst;
}

static void check_random(struct encoding *encoding)
{
    char texts[9][80];
    struct wire_case row = {
        .what = "random",
        .event = (enum policy_event)(rand() % 3),
        .format = (enum policy_format)(rand() % 3),
        .message = {.subject = "a.b",
                    .data = random_text(texts[0], 80),
                    .sse_event = random_text(texts[1], 80),
                    .sse_retry = random_text(texts[2], 80),
                    .ce_id = random_text(texts[3], 80),
                    .ce_type = random_text(texts[4], 80),
                    .ce_source = random_text(texts[5], 80),
                    .ce_subject = random_text(texts[6], 80),
                    .ce_time = random_text(texts[7], 80),
                    .content_type = random_text(texts[8], 80)},
    };
    struct seen seen = {.events = 0};
    struct sse_parser parser;
    char *text = encode(encoding, &row);
    sse_parser_init(&parser, on_event, &seen);
    sse_parser_feed(&parser, text, strlen(text));
    cr_assert_eq(seen.events, 1, "%zu events in \"%s\"", seen.events, text);
    cr_assert_str_eq(seen.id, "abc-7", "%s", text);
    cr_assert_eq(parser.comments, 0);
    cr_assert_eq(strlen(text) >= 2 ? strcmp(text + strlen(text) - 2, "\n\n") : 1, 0);
    if (row.format == POLICY_FORMAT_CLOUDEVENTS)
        cr_assert_eq(seen.data[0], '{');
    sse_parser_dispose(&parser);
    free(seen.data);
    free(text);
}

Test(core_encode, one_message_is_one_event_whatever_its_headers)
{
    const char *given = getenv("FRESHET_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct encoding encoding;
    fprintf(stderr, "core_encode: FRESHET_SEED=%u\n", seed);
    srand(seed);
    encode_init(&encoding);
    for (unsigned i = 0; i != 20000; ++i)
        check_random(&encoding);
    encode_dispose(&encoding);
}

Test(core_encode, its_scratch_memory_grows_with_the_payload)
{
    struct encoding encoding;
    encode_init(&encoding);
    for (size_t len = 1; len <= (size_t)1 << 21; len *= 4) {
        char *data = malloc(len);
        memset(data, 0xff, len);
        struct wire_case row = {.what = "large", .message = {.data = data, .data_len = len}};
        char *text = encode(&encoding, &row);
        cr_assert_eq(strlen(text), strlen("event: freshet.binary\n" ID "data: \n\n") + (len + 2) / 3 * 4);
        free(text);
        free(data);
    }
    encode_dispose(&encoding);
}
