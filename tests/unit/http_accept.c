/* http_accept.c - which Accept headers let us answer */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/accept.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct accept_case {
    const char *fields[3]; /* header fields of one request, as they came */
    bool acceptable;
};

static const struct accept_case cases[] = {
    /* what browsers and clients send */
    {{"text/event-stream"}, true},
    {{"*/*"}, true},
    {{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}, true},
    {{"text/*"}, true},
    {{"text/event-stream, application/json"}, true},
    {{"application/json, text/event-stream"}, true},
    {{"TEXT/Event-Stream"}, true},
    {{"text/event-stream;charset=utf-8"}, true},
    {{"text/event-stream; charset=utf-8; q=0.5"}, true},
    /* what excludes us */
    {{"application/json"}, false},
    {{"text/html"}, false},
    {{"text/event-stream2"}, false},
    {{"xtext/event-stream"}, false},
    {{"text/event"}, false},
    {{"text"}, false},
    {{"*"}, false},
    {{"image/*"}, false},
    {{"*/event-stream"}, false},
    /* weights */
    {{"text/event-stream;q=0"}, false},
    {{"text/event-stream;Q=0"}, false},
    {{"text/event-stream;q=0."}, false},
    {{"text/event-stream;q=0.0"}, false},
    {{"text/event-stream;q=0.000"}, false},
    {{"text/event-stream;q=0.001"}, true},
    {{"text/event-stream;q=1"}, true},
    {{"text/event-stream;q=1.000"}, true},
    {{"text/event-stream;q="}, true},
    {{"text/event-stream;q"}, true},
    {{"text/event-stream;qq=0"}, true},
    {{"text/event-stream;x=q;q=0"}, false},
    {{"*/*;q=0"}, false},
    {{"text/*;q=0"}, false},
    /* the most specific range decides, in whatever order they come */
    {{"*/*, text/event-stream;q=0"}, false},
    {{"text/event-stream;q=0, */*"}, false},
    {{"text/*;q=0, text/event-stream"}, true},
    {{"text/event-stream, text/*;q=0"}, true},
    {{"*/*;q=0, text/*"}, true},
    {{"text/*, */*;q=0"}, true},
    {{"text/*;q=0, */*"}, false},
    {{"*/*, text/*;q=0, text/event-stream;q=0.1"}, true},
    /* of two that are equally specific one that lets us is enough */
    {{"text/event-stream;q=0, text/event-stream"}, true},
    {{"text/event-stream, text/event-stream;q=0"}, true},
    /* blanks, empty elements, trash */
    {{" \ttext/event-stream \t"}, true},
    {{"text/event-stream ; q=0"}, false},
    {{"text/event-stream;\tq=0 ;x"}, false},
    {{",,text/event-stream,,"}, true},
    {{","}, false},
    {{" "}, false},
    {{";"}, false},
    {{";q=1"}, false},
    {{"text/event-stream;"}, true},
    {{"text/event-stream;;;q=0"}, false},
    {{"text/event-stream,"}, true},
    {{"text / event-stream"}, false},
    {{"\"text/event-stream\""}, false},
    /* several fields are one list */
    {{"application/json", "text/event-stream"}, true},
    {{"text/event-stream;q=0", "*/*"}, false},
    {{"*/*", "text/event-stream;q=0"}, false},
    {{"", "text/event-stream"}, true},
    {{"image/png", "text/html"}, false},
};

/* In a block without a byte to spare, so that AddressSanitizer sees one read too many. */
static void read_field(struct accept_verdict *verdict, const char *field)
{
    size_t len = strlen(field);
    char *copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, field, len);
    accept_read(verdict, copy, len);
    free(copy);
}

Test(http_accept, the_table)
{
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        struct accept_verdict verdict = {0};
        for (size_t j = 0; j != 3 && cases[i].fields[j] != NULL; ++j)
            read_field(&verdict, cases[i].fields[j]);
        cr_expect_eq(verdict.is_acceptable, cases[i].acceptable, "%s", cases[i].fields[0]);
    }
}

Test(http_accept, any_bytes_are_read_within_their_bounds)
{
    static const char *const alphabet[] = {
        "text/event-stream", "text/*", "*/*", ";", ",", " ", "q=0", "q=", "\"", "=", "\xff", "0", ".", "\t", "/"};
    srand(1);
    for (unsigned i = 0; i != 20000; ++i) {
        struct accept_verdict verdict = {0};
        char field[256] = "";
        size_t used = 0;
        for (int pieces = rand() % 12; pieces != 0; --pieces) {
            const char *piece = alphabet[(size_t)rand() % (sizeof(alphabet) / sizeof(alphabet[0]))];
            memcpy(field + used, piece, strlen(piece) + 1);
            used += strlen(piece);
        }
        read_field(&verdict, field);
        cr_assert(!verdict.is_acceptable || strstr(field, "text/") != NULL || strstr(field, "*/*") != NULL);
    }
}
