/* proto_text.c - UTF-8, base64, percent-encoding and query strings */
/* SPDX-License-Identifier: MIT */
#include "proto/text.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/append_text.h"
#include "tests/support/text_case.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STRING(literal) (literal), sizeof(literal) - 1

struct bytes {
    const char *s;
    size_t len;
};

Test(utf8, well_formed)
{
    static const struct bytes cases[] = {
        {STRING("")},
        {STRING("a")},
        {STRING("\0")},
        {STRING("\x7f")},
        {STRING("\xc2\x80")},
        {STRING("\xdf\xbf")},
        {STRING("\xe0\xa0\x80")},
        {STRING("\xed\x9f\xbf")},
        {STRING("\xee\x80\x80")},
        {STRING("\xef\xbf\xbf")},
        {STRING("\xf0\x90\x80\x80")},
        {STRING("\xf4\x8f\xbf\xbf")},
        {STRING("\xef\xbb\xbf")},
        {STRING("plain text, longer than one step of the fast path")},
        {STRING("1234567\xc3\xa9 12345678\xe2\x82\xac"
                "1234567890\xf0\x9f\x8c\x8a")},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        cr_expect(text_is_utf8(cases[i].s, cases[i].len), "case %zu", i);
    cr_expect(text_is_utf8(NULL, 0));
}

Test(utf8, ill_formed)
{
    static const struct bytes cases[] = {
        {STRING("\x80")},
        {STRING("\xbf")},
        {STRING("\xc0\x80")},
        {STRING("\xc1\xbf")},
        {STRING("\xc2")},
        {STRING("\xc2\x7f")},
        {STRING("\xc2\xc0")},
        {STRING("\xe0\x80\x80")},
        {STRING("\xe0\x9f\xbf")},
        {STRING("\xe2\x82")},
        {STRING("\xe2\x82z")},
        {STRING("\xed\xa0\x80")},
        {STRING("\xed\xbf\xbf")},
        {STRING("\xed\xa0\xbd\xed\xb8\x80")},
        {STRING("\xf0\x80\x80\x80")},
        {STRING("\xf0\x8f\xbf\xbf")},
        {STRING("\xf0\x9f\x8c")},
        {STRING("\xf4\x90\x80\x80")},
        {STRING("\xf5\x80\x80\x80")},
        {STRING("\xfe")},
        {STRING("\xff")},
        {STRING("12345678\xff")},
        {STRING("1234567\xc3")},
        {STRING("123456789012345\xe2\x82")},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        cr_expect(!text_is_utf8(cases[i].s, cases[i].len), "case %zu", i);
}

/* The definition from the other side: one character is well formed if encoding what it decodes to gives it back. */
static bool is_one_character(const unsigned char *p, size_t len)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_mask[] = {0, 0x80, 0xe0, 0xf0, 0xf8}, lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    uint32_t code = p[0] & (unsigned char)~lead_mask[len];

    if ((p[0] & lead_mask[len]) != lead[len])
        return false;
    for (size_t i = 1; i < len; i++) {
        if (p[i] >> 6 != 2)
            return false;
        code = code << 6 | (p[i] & 63);
    }
    return code >= lowest[len] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

/* A blank behind keeps a truncated character from being mistaken for the one under test. */
static void check_sequence(const unsigned char *p, size_t len)
{
    bool expected = false;

    for (size_t n = 1; n <= len; n++) {
        bool rest_ascii = true;
        for (size_t i = n; i < len; i++)
            rest_ascii = rest_ascii && p[i] < 0x80;
        expected = expected || (is_one_character(p, n) && rest_ascii);
    }
    cr_assert(text_is_utf8((const char *)p, len) == expected, "%02x %02x %02x %02x, length %zu", p[0],
              len > 1 ? p[1] : 0, len > 2 ? p[2] : 0, len > 3 ? p[3] : 0, len);
}

Test(utf8, every_first_and_second_byte)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};

    for (unsigned first = 0x80; first <= 0xff; first++) {
        for (unsigned second = 0; second <= 0xff; second++) {
            unsigned char p[4] = {(unsigned char)first, (unsigned char)second, 0, 0};
            check_sequence(p, 1);
            /* Two or three good characters in a row are not what is_one_character is about. */
            if (second >= 0xc0)
                continue;
            check_sequence(p, 2);
            for (size_t i = 0; i < 8; i++) {
                p[2] = edges[i];
                check_sequence(p, 3);
                for (size_t k = 0; k < COUNT(edges); k++) {
                    p[3] = edges[k];
                    check_sequence(p, 4);
                }
            }
        }
    }
}

Test(utf8, one_bad_byte_at_every_offset)
{
    for (size_t len = 1; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            char *s = malloc(len);
            memset(s, 'x', len);
            cr_assert(text_is_utf8(s, len));
            s[at] = (char)0x80;
            cr_assert(!text_is_utf8(s, len), "length %zu, at %zu", len, at);
            free(s);
        }
    }
}

Test(base64, vectors)
{
    static const struct {
        struct bytes input;
        const char *expected;
    } cases[] = {
        {{STRING("")}, ""},
        {{STRING("f")}, "Zg=="},
        {{STRING("fo")}, "Zm8="},
        {{STRING("foo")}, "Zm9v"},
        {{STRING("foob")}, "Zm9vYg=="},
        {{STRING("fooba")}, "Zm9vYmE="},
        {{STRING("foobar")}, "Zm9vYmFy"},
        {{STRING("\xff")}, "/w=="},
        {{STRING("\xff\xff")}, "//8="},
        {{STRING("\xff\xff\xff")}, "////"},
        {{STRING("\xfb\xef\xbe")}, "++++"},
        {{STRING("\0\0\0\0")}, "AAAAAA=="},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size = text_base64_size(cases[i].input.len);
        char *out = malloc(size + 1);
        cr_assert(text_base64_write(out, cases[i].input.s, cases[i].input.len) == size);
        out[size] = '\0';
        cr_expect_str_eq(out, cases[i].expected);
        free(out);
    }
    char none;
    cr_expect(text_base64_write(&none, NULL, 0) == 0);
}

Test(base64, every_digit)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (unsigned v = 0; v < 64; v++) {
        uint32_t group = v << 18 | (63 - v) << 12 | v << 6 | (63 - v);
        unsigned char in[3] = {(unsigned char)(group >> 16), (unsigned char)(group >> 8), (unsigned char)group};
        char out[4], expected[4] = {digits[v], digits[63 - v], digits[v], digits[63 - v]};
        text_base64_write(out, in, 3);
        cr_expect(memcmp(out, expected, 4) == 0, "digit %u", v);
    }
}

Test(percent, decoded)
{
    static const struct {
        struct bytes input;
        bool plus_is_space;
        struct bytes expected;
    } cases[] = {
        {{STRING("")}, false, {STRING("")}},
        {{STRING("abc")}, false, {STRING("abc")}},
        {{STRING("%41%6a%6A")}, false, {STRING("Ajj")}},
        {{STRING("%00")}, false, {STRING("\0")}},
        {{STRING("%2F%2e%25")}, false, {STRING("/.%")}},
        {{STRING("%2541")}, false, {STRING("%41")}},
        {{STRING("%ff%C3%A9")}, false, {STRING("\xff\xc3\xa9")}},
        {{STRING("a+b%2Bc")}, false, {STRING("a+b+c")}},
        {{STRING("a+b%2Bc+")}, true, {STRING("a b+c ")}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = cases[i].input.len, out_len = 0;
        char *out = malloc(len + 1);
        cr_assert(text_percent_decode(out, &out_len, cases[i].input.s, len, cases[i].plus_is_space), "case %zu", i);
        cr_expect(out_len == cases[i].expected.len && memcmp(out, cases[i].expected.s, out_len) == 0, "case %zu", i);
        memcpy(out, cases[i].input.s, len);
        cr_assert(text_percent_decode(out, &out_len, out, len, cases[i].plus_is_space), "in place, case %zu", i);
        cr_expect(out_len == cases[i].expected.len && memcmp(out, cases[i].expected.s, out_len) == 0,
                  "in place, case %zu", i);
        free(out);
    }
}

Test(percent, refused)
{
    static const char *const cases[] = {"%",   "%4",  "a%",  "a%4", "%zz",    "%4z",  "%z4", "%%41",
                                        "%-1", "%+1", "% 1", "%0x", "%u0041", "41%4", "%41%"};

    for (size_t i = 0; i < COUNT(cases); i++) {
        /* Exactly as long as the text: reading past a cut-off escape is an error too. */
        size_t len = strlen(cases[i]), out_len;
        char *in = memcpy(malloc(len), cases[i], len), *out = malloc(len);
        cr_expect(!text_percent_decode(out, &out_len, in, len, true), "%s", cases[i]);
        free(in);
        free(out);
    }
}

Test(query, pairs)
{
    static const struct text_case cases[] = {
        {"", ""},
        {"a=1", "a:1;"},
        {"a=1&b=2&a=3", "a:1;b:2;a:3;"},
        {"a", "a:;"},
        {"a=", "a:;"},
        {"=", ":;"},
        {"=v", ":v;"},
        {"a=b=c", "a:b=c;"},
        {"&&a=1&&b&", "a:1;b:;"},
        {"&", ""},
        {"a=1&=&b", "a:1;:;b:;"},
        {"subject=a.b&subject=c.%2A", "subject:a.b;subject:c.%2A;"},
        {"a;b=1", "a;b:1;"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = strlen(cases[i].given), pos = 0;
        char text[128] = "";
        struct text_query_pair pair;
        while (text_query_next(cases[i].given, len, &pos, &pair)) {
            append_text(text, sizeof(text), "%.*s:%.*s;", (int)pair.key_len, pair.key, (int)pair.value_len, pair.value);
        }
        cr_expect_str_eq(text, cases[i].wanted, "%s: %s", cases[i].given, text);
        cr_expect(pos == len && !text_query_next(cases[i].given, len, &pos, &pair), "%s", cases[i].given);
    }
    size_t pos = 0;
    struct text_query_pair pair;
    cr_expect(!text_query_next(NULL, 0, &pos, &pair));
}
