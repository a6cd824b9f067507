/* proto_text_json.c - JSON strings as they are written, JSON text as it is recognised */
/* SPDX-License-Identifier: MIT */
#include "proto/text.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/append_text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STRING(literal) (literal), sizeof(literal) - 1

struct bytes {
    const char *s;
    size_t len;
};

Test(json_string, escapes)
{
    static const struct {
        struct bytes input;
        const char *expected;
    } cases[] = {
        {{STRING("")}, ""},
        {{STRING("plain /'")}, "plain /'"},
        {{STRING("\"\\")}, "\\\"\\\\"},
        {{STRING("\b\f\n\r\t")}, "\\b\\f\\n\\r\\t"},
        {{STRING("\0\x01\x0b\x1f")}, "\\u0000\\u0001\\u000b\\u001f"},
        {{STRING("\x7f\xc3\xa9\xf0\x9f\x8c\x8a\xe2\x80\xa8")}, "\x7f\xc3\xa9\xf0\x9f\x8c\x8a\xe2\x80\xa8"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size = text_json_size(cases[i].input.s, cases[i].input.len);
        char *out = malloc(size + 1);
        cr_assert(text_json_write(out, cases[i].input.s, cases[i].input.len) == size, "case %zu", i);
        out[size] = '\0';
        cr_expect_str_eq(out, cases[i].expected, "case %zu: %s", i, out);
        free(out);
    }
}

Test(json_string, every_ascii_character_reads_back)
{
    for (int c = 0; c < 0x80; c++) {
        char in[3] = {'a', (char)c, 'z'}, out[16];
        out[0] = '"';
        size_t len = 1 + text_json_write(out + 1, in, 3);
        out[len++] = '"';
        json_t *value = json_loadb(out, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        cr_assert(value != NULL, "%02x: %.*s", (unsigned)c, (int)len, out);
        cr_expect(json_string_length(value) == 3 && memcmp(json_string_value(value), in, 3) == 0, "%02x", (unsigned)c);
        cr_expect(text_is_json(out, len), "%02x", (unsigned)c);
        json_decref(value);
    }
}

Test(json, valid)
{
    static const char *const cases[] = {
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.5",
        "0.0",
        "1e5",
        "1E+5",
        "1e-05",
        "0e0",
        "-0.1e1",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "\"\\u00e9\\n\\/\\\"\"",
        "\"\\ud800\"",
        "\"\\uABCDef\"",
        "\"é\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1]",
        "[1,2]",
        "[[],{}]",
        "{\"a\":1}",
        "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"e\"}",
        " 1 ",
        "\t\r\n[ 1 , 2 ]\n",
        "{ \"a\" : 1 , \"a\" : 2 }",
        "[\"]\",\"}\"]",
        "{\"\":\"\"}",
        "123456789012345678901234567890",
        "[1\n,\r\n2]",
        "{\n  \"a\": [\n    true\n  ]\n}\n",
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        cr_expect(text_is_json(cases[i], strlen(cases[i])), "%s", cases[i]);
}

Test(json, invalid)
{
    static const struct bytes cases[] = {
        {STRING("")},
        {STRING(" ")},
        {STRING("\n")},
        {STRING("-")},
        {STRING("+1")},
        {STRING("01")},
        {STRING("-01")},
        {STRING("00")},
        {STRING("1.")},
        {STRING(".5")},
        {STRING("1.e1")},
        {STRING("1e")},
        {STRING("1e+")},
        {STRING("0x1")},
        {STRING("1 2")},
        {STRING("NaN")},
        {STRING("Infinity")},
        {STRING("True")},
        {STRING("tru")},
        {STRING("truex")},
        {STRING("nul")},
        {STRING("undefined")},
        {STRING("hello")},
        {STRING("'a'")},
        {STRING("\"")},
        {STRING("\"a")},
        {STRING("\"a\"b")},
        {STRING("\"\\\"")},
        {STRING("\"\\x\"")},
        {STRING("\"\\u12\"")},
        {STRING("\"\\u12g4\"")},
        {STRING("\"\\")},
        {STRING("\"\\u")},
        {STRING("\"\\u123")},
        {STRING("\"a\nb\"")},
        {STRING("\"\t\"")},
        {STRING("\"\x1f\"")},
        {STRING("\"\0\"")},
        {STRING("\"\\\0\"")},
        {STRING("\"\\u\0000\"")},
        {STRING("1\0")},
        {STRING("\0")},
        {STRING("\"\xff\"")},
        {STRING("\"\xed\xa0\x80\"")},
        {STRING("[")},
        {STRING("]")},
        {STRING("{")},
        {STRING("}")},
        {STRING("[1")},
        {STRING("[1,")},
        {STRING("[1,]")},
        {STRING("[,1]")},
        {STRING("[1 2]")},
        {STRING("[1}")},
        {STRING("{1}")},
        {STRING("{\"a\"}")},
        {STRING("{\"a\":}")},
        {STRING("{\"a\":1,}")},
        {STRING("{,}")},
        {STRING("{\"a\":1]")},
        {STRING("{a:1}")},
        {STRING("{\"a\" 1}")},
        {STRING("{\"a\":1 \"b\":2}")},
        {STRING("{\"a\":1,2}")},
        {STRING("[\"a\":1]")},
        {STRING("[]]")},
        {STRING("[][]")},
        {STRING("{}{}")},
        {STRING("{}\n{}")},
        {STRING("[1]//")},
        {STRING("\xef\xbb\xbf"
                "1")},
        {STRING("\v1")},
        {STRING("\xc2\xa0"
                "1")},
        {STRING("[1,,2]")},
        {STRING("--1")},
        {STRING("1-")},
        {STRING("[{]}")},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        /* In a block of its own, so that AddressSanitizer sees a look beyond the end. */
        char *s = memcpy(malloc(cases[i].len + (cases[i].len == 0)), cases[i].s, cases[i].len);
        cr_expect(!text_is_json(s, cases[i].len), "case %zu: %.*s", i, (int)cases[i].len, s);
        free(s);
    }
    cr_expect(!text_is_json(NULL, 0));
}

Test(json, depth)
{
    char text[4 * 70];

    for (size_t depth = 1; depth <= 70; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        cr_expect(text_is_json(text, 2 * depth) == (depth <= 64), "%zu arrays", depth);
    }
    /* Objects and arrays by turns: each closing bracket must be the one its level was opened with. */
    char nested[512] = "";
    for (int i = 0; i < 32; i++)
        append_text(nested, sizeof(nested), "[{\"a\":");
    append_text(nested, sizeof(nested), "1");
    for (int i = 0; i < 32; i++)
        append_text(nested, sizeof(nested), "}]");
    cr_expect(text_is_json(nested, strlen(nested)));
    char *first_close = strchr(nested, '}');
    memcpy(first_close, "]}", 2);
    cr_expect(!text_is_json(nested, strlen(nested)));
}

/* Every text of up to five of these tokens, judged by another implementation. */
Test(json, agrees_with_another_parser)
{
    static const char *const tokens[] = {"{", "}", "[", "]", ":", ",", "\"a\"", "1", "true", " "};
    size_t agreed = 0;

    for (unsigned n = 0; n < 100000; n++) {
        char text[64] = "";
        unsigned digits = n;
        for (int i = 0; i < 5; i++, digits /= 10)
            append_text(text, sizeof(text), "%s", tokens[digits % 10]);
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
        cr_assert(text_is_json(text, strlen(text)) == (value != NULL), "%s", text);
        agreed += value != NULL;
        json_decref(value);
    }
    cr_expect(agreed > 100, "only %zu valid texts among them", agreed);
}
