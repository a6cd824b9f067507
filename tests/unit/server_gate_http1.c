/* server_gate_http1.c - which heads of HTTP/1.1 requests libh2o may be shown */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/gate/gate_http1.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX 1000
#define GET "GET / HTTP/1.1\r\n"

static enum gate_http1_verdict examine(struct gate_http1_head *head, const char *text, size_t len)
{
    *head = (struct gate_http1_head){0};
    return gate_http1_examine(head, text, len, MAX);
}

Test(gate_http1, what_is_shown)
{
    static const struct {
        const char *head, *rest;
        bool body, expects;
    } cases[] = {
        {GET "\r\n", "", false, false},
        {GET "Host: a\r\n\r\n", "GET /next", false, false},
        {"\r\n" GET "\r\n", "", false, false},
        {GET "Host: a\r\nContent-Length: 0\r\n\r\n", "", true, false},
        {GET "content-length:\t12 \r\n\r\n", "hello", true, false},
        {GET "Transfer-Encoding: Chunked\r\n\r\n", "0\r\n\r\n", true, false},
        {GET "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", "", true, true},
        {"GET\r\n\r\n", "", false, false}, /* libh2o says what is wrong with this */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gate_http1_head head = {0};
        char text[256];
        size_t len = strlen(cases[i].head);
        snprintf(text, sizeof(text), "%s%s", cases[i].head, cases[i].rest);
        /* byte by byte, as slowly as it may come */
        for (size_t part = 0; part < len; part++)
            cr_assert(gate_http1_examine(&head, text, part, MAX) == GATE_HTTP1_WAIT, "%zu: at %zu", i, part);
        cr_assert(gate_http1_examine(&head, text, len, MAX) == GATE_HTTP1_SHOW, "%zu", i);
        cr_assert(examine(&head, text, strlen(text)) == GATE_HTTP1_SHOW, "%zu", i);
        cr_assert(head.len == len && head.body == cases[i].body && head.expects == cases[i].expects, "%zu", i);
    }
}

Test(gate_http1, what_is_refused)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
#define TEXT(literal) {literal, sizeof(literal) - 1}
        TEXT("\x16\x03\x01"),
        TEXT("\r\n\r\n"),
        TEXT("GET / HTTP/1.1\nHost: a\n\n"),
        TEXT(GET "Host: a\n\r\n"),
        TEXT(GET "A: b\rc: d\r\n\r\n"),
        TEXT(GET "A: b\0c\r\n\r\n"),
        TEXT(GET " A: b\r\n\r\n"),
        TEXT(GET "A: b\r\n\tc\r\n\r\n"),
        TEXT(GET "A b\r\n\r\n"),
        TEXT(GET ": b\r\n\r\n"),
        TEXT(GET "Content-Length : 1\r\n\r\n"),
        TEXT(GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
        TEXT(GET "Content-Length: 1, 1\r\n\r\n"),
        TEXT(GET "Content-Length: -1\r\n\r\n"),
        TEXT(GET "Content-Length: 0x1\r\n\r\n"),
        TEXT(GET "Content-Length:\r\n\r\n"),
        TEXT(GET "Content-Length: 99999999999999999999\r\n\r\n"),
        TEXT(GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        TEXT(GET "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
        TEXT(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        TEXT(GET "Transfer-Encoding: identity\r\n\r\n"),
        TEXT(GET "Transfer-Encoding: xchunked\r\n\r\n"),
        TEXT(GET "Host: a\r\nhOST: a\r\n\r\n"),
#undef TEXT
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gate_http1_head head;
        cr_assert(examine(&head, cases[i].text, cases[i].len) == GATE_HTTP1_REFUSE, "%zu: %s", i, cases[i].text);
        cr_assert(head.reason != NULL && strlen(head.reason) > 3);
    }
}

/* Whether it ends or not. */
Test(gate_http1, what_is_too_long)
{
    struct gate_http1_head head;
    char text[MAX + 8];

    memset(text, 'x', sizeof(text));
    memcpy(text, GET "A: ", sizeof(GET "A: ") - 1);
    cr_assert(examine(&head, text, MAX) == GATE_HTTP1_WAIT);
    cr_assert(examine(&head, text, MAX + 1) == GATE_HTTP1_REFUSE);
    memcpy(text + MAX - 4, "\r\n\r\n", 4);
    cr_assert(examine(&head, text, MAX) == GATE_HTTP1_SHOW);
    memset(text + MAX - 4, 'x', 4);
    memcpy(text + MAX - 3, "\r\n\r\n", 4);
    cr_assert(examine(&head, text, MAX + 1) == GATE_HTTP1_REFUSE);
}
