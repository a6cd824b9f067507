/* payloads.c - every payload arrives as it was published */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"

RIG_SUITE(payloads, 60, 1,
          "routes:\n"
          "  - {path: /text, subjects: [\"t\"]}\n"
          "  - {path: /base64, subjects: [\"t\"], format: base64}\n"
          "  - {path: /cloudevents, subjects: [\"t\"], format: cloudevents}\n"
          "  - {path: /by-subject, subjects: [\"t\"], event: subject}\n"
          "  - {path: /by-header, subjects: [\"t\"], event: header}\n");

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
    const char *payload;
    size_t len;
    const char *data;
    size_t data_len;
} texts[] = {
    {BYTES("hello"), BYTES("hello")},
    {BYTES(""), BYTES("")},
    {BYTES(" "), BYTES(" ")},
    {BYTES("  leading blanks"), BYTES("  leading blanks")},
    {BYTES("trailing blanks  "), BYTES("trailing blanks  ")},
    {BYTES(":not a comment"), BYTES(":not a comment")},
    {BYTES("data: x\nid: 5\nevent: y\nretry: 1"), BYTES("data: x\nid: 5\nevent: y\nretry: 1")},
    {BYTES("a\nb"), BYTES("a\nb")},
    {BYTES("a\r\nb"), BYTES("a\nb")},
    {BYTES("a\rb"), BYTES("a\nb")},
    {BYTES("a\n\rb"), BYTES("a\n\nb")},
    {BYTES("a\r\n\nb\r\rc"), BYTES("a\n\nb\n\nc")},
    {BYTES("\n"), BYTES("\n")},
    {BYTES("\r\n"), BYTES("\n")},
    {BYTES("\n\n\n"), BYTES("\n\n\n")},
    {BYTES("a\n"), BYTES("a\n")},
    {BYTES("a\r"), BYTES("a\n")},
    {BYTES("\nid: 7\n\ndata: second event\n\n"), BYTES("\nid: 7\n\ndata: second event\n\n")},
    {BYTES("\xef\xbb\xbf"
           "after a byte order mark"),
     BYTES("\xef\xbb\xbf"
           "after a byte order mark")},
    {BYTES("nul \0 inside"), BYTES("nul \0 inside")},
    {BYTES("tab\tand \x01 and \x7f"), BYTES("tab\tand \x01 and \x7f")},
    {BYTES("Grüße, 世界, 🌊"), BYTES("Grüße, 世界, 🌊")},
    {BYTES("\xe2\x80\xa8 and \xc2\x85 end no line"), BYTES("\xe2\x80\xa8 and \xc2\x85 end no line")},
};

Test(payloads, text_arrives_as_it_is)
{
    size_t count = sizeof(texts) / sizeof(texts[0]), i;
    struct http_stream *stream = http_open_ready(rig.client, "/text", NULL);

    REQUIRE(stream != NULL);
    for (i = 0; i < count; i++)
        publish_bytes(rig.publisher, "t", texts[i].payload, texts[i].len);
    REQUIRE(http_wait_events(stream, count), "%zu of %zu", stream->log.count, count);
    for (i = 0; i < count; i++) {
        const struct event *event = http_event(stream, i);
        REQUIRE(event->data_len == texts[i].data_len && memcmp(event->data, texts[i].data, event->data_len) == 0,
                "case %zu: \"%s\"", i, event->data);
        REQUIRE_STR(event->name, "message");
    }
    REQUIRE(strchr(stream->body, '\r') == NULL, "lines end in LF alone");
}

Test(payloads, a_byte_order_mark_survives_as_the_first_event)
{
    struct http_stream *stream;

    stream = http_open_ready(rig.client, "/text", NULL);
    REQUIRE(stream != NULL);
    publish(rig.publisher, "t", "\xef\xbb\xbfx");
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->data, "\xef\xbb\xbfx");
    REQUIRE(strncmp(stream->body, "\xef\xbb\xbf", 3) != 0);
}

static const struct {
    const char *payload;
    size_t len;
    const char *base64;
} binaries[] = {
    {BYTES("\xff"), "/w=="},
    {BYTES("\x00\x80"), "AIA="},
    {BYTES("\xc3\x28\x0a"), "wygK"},
    {BYTES("\xed\xa0\x80"), "7aCA"},         /* a surrogate */
    {BYTES("\xc0\xaf"), "wK8="},             /* overlong */
    {BYTES("\xf4\x90\x80\x80"), "9JCAgA=="}, /* beyond U+10FFFF */
    {BYTES("cut \xe4\xb8"), "Y3V0IOS4"},
};

Test(payloads, what_is_no_text_arrives_as_base64_under_a_name)
{
    size_t count = sizeof(binaries) / sizeof(binaries[0]), i;
    struct http_stream *stream = http_open_ready(rig.client, "/text", NULL);
    struct http_stream *named = http_open_ready(rig.client, "/by-subject", NULL);

    REQUIRE(stream != NULL && named != NULL);
    for (i = 0; i < count; i++)
        publish_bytes(rig.publisher, "t", binaries[i].payload, binaries[i].len);
    publish(rig.publisher, "t", "text again");
    REQUIRE(http_wait_events(stream, count + 1) && http_wait_events(named, count + 1));
    for (i = 0; i < count; i++) {
        REQUIRE_STR(http_event(stream, i)->name, "freshet.binary");
        REQUIRE_STR(http_event(stream, i)->data, binaries[i].base64);
        REQUIRE_STR(http_event(named, i)->name, "freshet.binary");
    }
    REQUIRE_STR(http_event(stream, count)->name, "message");
    REQUIRE_STR(http_event(stream, count)->data, "text again");
}

Test(payloads, format_base64_encodes_all)
{
    struct http_stream *stream = http_open_ready(rig.client, "/base64", NULL);

    REQUIRE(stream != NULL);
    publish(rig.publisher, "t", "hello");
    publish(rig.publisher, "t", "");
    publish_bytes(rig.publisher, "t", "\xff\xfe\n", 3);
    REQUIRE(http_wait_events(stream, 3));
    REQUIRE_STR(http_event(stream, 0)->data, "aGVsbG8=");
    REQUIRE_STR(http_event(stream, 1)->data, "");
    REQUIRE_STR(http_event(stream, 2)->data, "//4K");
    REQUIRE_STR(http_event(stream, 2)->name, "message");
}

Test(payloads, format_cloudevents_is_one_line_of_json)
{
    struct http_stream *stream = http_open_ready(rig.client, "/cloudevents", NULL);
    const char *first;
    size_t i;

    REQUIRE(stream != NULL);
    publish(rig.publisher, "t", "{\"a\":\n [1,\r\n 2]}");
    publish(rig.publisher, "t", "two\nlines \"quoted\"");
    publish_bytes(rig.publisher, "t", "\xff\x00", 2);
    publish(rig.publisher, "t", "");
    publish_with_headers(rig.publisher, "t", "{}",
                         (const char *const[]){"ce-id", "id-7", "ce-type", "order.paid", "ce-source", "/shop",
                                               "ce-subject", "order 7", "ce-time", "2026-01-02T03:04:05Z",
                                               "ce-datacontenttype", "application/json", NULL});
    REQUIRE(http_wait_events(stream, 5));
    for (i = 0; i < 5; i++) {
        const char *data = http_event(stream, i)->data;
        REQUIRE(strchr(data, '\n') == NULL, "one line: %s", data);
        REQUIRE_STR(json_field(data, "specversion"), "1.0");
        REQUIRE(json_field(data, "id") != NULL && json_field(data, "source") != NULL &&
                    json_field(data, "type") != NULL,
                "%s", data);
    }
    REQUIRE_STR(json_field(http_event(stream, 0)->data, "data"), "{\"a\":[1,2]}");
    REQUIRE_STR(json_field(http_event(stream, 1)->data, "data"), "two\nlines \"quoted\"");
    REQUIRE_STR(json_field(http_event(stream, 2)->data, "data_base64"), "/wA=");
    REQUIRE(json_field(http_event(stream, 3)->data, "data") == NULL);
    first = http_event(stream, 4)->data;
    REQUIRE_STR(json_field(first, "id"), "id-7");
    REQUIRE_STR(json_field(first, "type"), "order.paid");
    REQUIRE_STR(json_field(first, "source"), "/shop");
    REQUIRE_STR(json_field(first, "subject"), "order 7");
    REQUIRE_STR(json_field(first, "datacontenttype"), "application/json");
    REQUIRE(strcmp(json_field(http_event(stream, 0)->data, "id"), json_field(http_event(stream, 1)->data, "id")) != 0,
            "ids differ");
}

static void check_large(char fill, size_t len, const char *every)
{
    char *payload = malloc(len + 1);
    struct http_stream *stream = http_open_ready(rig.client, "/text", NULL);
    size_t i, step = every != NULL ? strlen(every) : 0;

    REQUIRE(stream != NULL && payload != NULL);
    memset(payload, fill, len);
    for (i = 0; step != 0 && i + step <= len; i += step)
        memcpy(payload + i, every, step);
    payload[len] = '\0';
    publish_bytes(rig.publisher, "t", payload, len);
    publish(rig.publisher, "t", "after");
    REQUIRE(http_wait_events(stream, 2), "%zu bytes of the large event", (size_t)stream->body_len);
    REQUIRE(http_event(stream, 0)->data_len == len, "%zu", http_event(stream, 0)->data_len);
    REQUIRE(memcmp(http_event(stream, 0)->data, payload, len) == 0);
    REQUIRE_STR(http_event(stream, 1)->data, "after");
    free(payload);
    http_close(stream);
}

Test(payloads, a_megabyte_arrives_whole)
{
    check_large('x', 1024 * 1024, NULL);
    check_large('x', 1000 * 1000, "0123456789abcdef\n");
}

/* Each LF costs a line of seven bytes: the largest growth there is. */
Test(payloads, many_empty_lines_arrive_whole)
{
    check_large('\n', 500 * 1000, NULL);
}
