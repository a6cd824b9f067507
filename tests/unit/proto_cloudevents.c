/* proto_cloudevents.c - CloudEvents as JSON, byte for byte and as another parser reads them */
/* SPDX-License-Identifier: MIT */
#include "proto/cloudevents.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STRING(literal) (literal), sizeof(literal) - 1

/* NUL terminated, for the caller to free; the event itself fills a block of exactly its size. */
static char *write_event(const struct cloudevent *event)
{
    size_t size = cloudevent_size(event);
    char *exact = malloc(size);

    cr_assert(cloudevent_write(exact, event) == size);
    char *text = calloc(1, size + 1);
    memcpy(text, exact, size);
    free(exact);
    cr_assert(strlen(text) == size && strpbrk(text, "\r\n") == NULL, "not one line: %s", text);
    return text;
}

static void expect_text(const struct cloudevent *event, const char *expected)
{
    char *text = write_event(event);

    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
}

static struct cloudevent minimal(const char *data, size_t len, const char *type)
{
    return (struct cloudevent){
        .id = "1", .source = "/s", .type = "t", .datacontenttype = type, .time_ms = -1, .data = data, .data_len = len};
}

Test(cloudevents, attributes)
{
    struct cloudevent full = {
        .id = "1f-7",
        .source = "nats://orders",
        .type = "order.created",
        .subject = "orders.7.created",
        .datacontenttype = "application/json",
        .time_ms = INT64_C(1795354886123),
        .data = "{\"total\":1}",
        .data_len = 11,
    };
    struct cloudevent least = minimal(NULL, 0, NULL);
    struct cloudevent epoch = minimal(NULL, 0, NULL);

    epoch.time_ms = 0;
    expect_text(&full,
                "{\"specversion\":\"1.0\",\"id\":\"1f-7\",\"source\":\"nats://orders\",\"type\":\"order.created\","
                "\"subject\":\"orders.7.created\",\"time\":\"2026-11-22T13:41:26.123Z\","
                "\"datacontenttype\":\"application/json\",\"data\":{\"total\":1}}");
    expect_text(&least, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}");
    expect_text(&epoch, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\","
                        "\"time\":\"1970-01-01T00:00:00.000Z\"}");
}

Test(cloudevents, attributes_are_escaped)
{
    struct cloudevent event = minimal(NULL, 0, "a/b;c=\"d\"");
    event.subject = "quote \" back \\ line \n \x01 é";
    char *text = write_event(&event);
    json_t *value = json_loads(text, 0, NULL);

    cr_assert(value != NULL, "%s", text);
    cr_expect_str_eq(json_string_value(json_object_get(value, "subject")), event.subject);
    cr_expect_str_eq(json_string_value(json_object_get(value, "datacontenttype")), event.datacontenttype);
    json_decref(value);
    free(text);
}

struct data_case {
    const char *type, *data;
    size_t len;
    const char *expected; /* what follows the type, up to the closing brace */
};

Test(cloudevents, data)
{
    static const struct data_case cases[] = {
        {NULL, STRING("true"), "\"data\":true"},
        {NULL, STRING("{\n  \"a\": [1,\r\n 2]\r}\n"), "\"data\":{   \"a\": [1,   2] } "},
        {NULL, STRING("hello"), "\"data\":\"hello\""},
        {NULL, STRING("two\nlines\r\n"), "\"data\":\"two\\nlines\\r\\n\""},
        {NULL, STRING("\"a\nb\""), "\"data\":\"\\\"a\\nb\\\"\""},
        {NULL, STRING(" "), "\"data\":\" \""},
        {NULL, STRING("{\"a\":1"), "\"data\":\"{\\\"a\\\":1\""},
        {NULL, STRING("\0"), "\"data\":\"\\u0000\""},
        {NULL,
         STRING("\xef\xbb\xbf"
                "1"),
         "\"data\":\"\xef\xbb\xbf"
         "1\""},
        {NULL, STRING("\xff\xfe"), "\"data_base64\":\"//4=\""},
        {NULL, STRING("\"\xff\""), "\"data_base64\":\"Iv8i\""},
        /* Only what is declared as JSON may lose its quotes and be taken for a number. */
        {"text/plain", STRING("42"), "\"data\":\"42\""},
        {"text/plain", STRING("\"q\""), "\"data\":\"\\\"q\\\"\""},
        {"text/plain", STRING("\xff"), "\"data_base64\":\"/w==\""},
        {"application/json", STRING("42"), "\"data\":42"},
        {"application/json", STRING("not json"), "\"data\":\"not json\""},
        {"Application/JSON; charset=utf-8", STRING("42"), "\"data\":42"},
        {"application/json;charset=utf-8", STRING("42"), "\"data\":42"},
        {"application/vnd.acme.v1+json", STRING("42"), "\"data\":42"},
        {"application/geo+JSON ; x=y", STRING("42"), "\"data\":42"},
        {"text/json", STRING("42"), "\"data\":42"},
        {"application/jsonp", STRING("42"), "\"data\":\"42\""},
        {"application/x-json", STRING("42"), "\"data\":\"42\""},
        {"application/json-seq", STRING("42"), "\"data\":\"42\""},
        {"json", STRING("42"), "\"data\":\"42\""},
        {"", STRING("42"), "\"data\":\"42\""},
        {"a/", STRING("42"), "\"data\":\"42\""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cloudevent event = minimal(cases[i].data, cases[i].len, cases[i].type);
        char expected[256];
        if (cases[i].type != NULL)
            snprintf(expected, sizeof(expected), "\"type\":\"t\",\"datacontenttype\":\"%s\",%s}", cases[i].type,
                     cases[i].expected);
        else
            snprintf(expected, sizeof(expected), "\"type\":\"t\",%s}", cases[i].expected);
        char *text = write_event(&event);
        const char *tail = strstr(text, "\"type\"");
        json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
        cr_expect_str_eq(tail, expected, "case %zu: %s", i, text);
        cr_expect(value != NULL, "case %zu is no JSON: %s", i, text);
        json_decref(value);
        free(text);
    }
}

Test(cloudevents, empty_payload_has_no_data)
{
    struct cloudevent event = minimal("", 0, "text/plain");

    expect_text(&event, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\","
                        "\"datacontenttype\":\"text/plain\"}");
}
