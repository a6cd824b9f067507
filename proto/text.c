/* text.c - UTF-8, base64, percent-encoding and query strings */
/* SPDX-License-Identifier: MIT */
#include "proto/text.h"

#include <stdint.h>
#include <string.h>

/*
 * Length of the multi-byte character at p, 0 if it is none. RFC 3629 section 4:
 * what is special about a first byte is only the range of the second, which
 * keeps out overlong forms (E0, F0), surrogates (ED) and what lies above
 * U+10FFFF (F4).
 */
static size_t utf8_multibyte_len(const unsigned char *p, size_t left)
{
    unsigned char first = p[0], low = 0x80, high = 0xbf;
    size_t len;

    if (first >= 0xc2 && first <= 0xdf)
        len = 2;
    else if (first >= 0xe0 && first <= 0xef)
        len = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        len = 4;
    else
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool text_is_utf8(const char *s, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)s;
    size_t at = 0;

    while (at < len) {
        uint64_t word;
        if (len - at >= sizeof(word)) {
            memcpy(&word, bytes + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        /* Through the rest of the word and of any run of other characters, then back to whole words. */
        while (at < len && bytes[at] < 0x80)
            at++;
        while (at < len && bytes[at] >= 0x80) {
            size_t step = utf8_multibyte_len(bytes + at, len - at);
            if (step == 0)
                return false;
            at += step;
        }
    }
    return true;
}

size_t text_base64_size(size_t len)
{
    return (len + 2) / 3 * 4;
}

size_t text_base64_write(char *dst, const void *src, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = src;
    char *p = dst;
    size_t at = 0;

    for (; len - at >= 3; at += 3) {
        uint32_t group = (uint32_t)bytes[at] << 16 | (uint32_t)bytes[at + 1] << 8 | bytes[at + 2];
        *p++ = digits[group >> 18];
        *p++ = digits[group >> 12 & 63];
        *p++ = digits[group >> 6 & 63];
        *p++ = digits[group & 63];
    }
    if (at < len) {
        bool two = len - at == 2;
        uint32_t group = (uint32_t)bytes[at] << 16 | (two ? (uint32_t)bytes[at + 1] << 8 : 0);
        *p++ = digits[group >> 18];
        *p++ = digits[group >> 12 & 63];
        *p++ = two ? digits[group >> 6 & 63] : '=';
        *p++ = '=';
    }
    return (size_t)(p - dst);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_percent_decode(char *dst, size_t *dst_len, const char *src, size_t len, bool plus_is_space)
{
    size_t out = 0;

    /* dst may be src: out never overtakes at. */
    for (size_t at = 0; at < len; at++) {
        char c = src[at];
        if (c == '%') {
            int high = len - at > 2 ? hex_value(src[at + 1]) : -1;
            int low = len - at > 2 ? hex_value(src[at + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            at += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        dst[out++] = c;
    }
    *dst_len = out;
    return true;
}

bool text_query_next(const char *query, size_t len, size_t *pos, struct text_query_pair *pair)
{
    while (*pos < len && query[*pos] == '&')
        ++*pos;
    if (*pos >= len)
        return false;

    const char *piece = query + *pos;
    const char *amp = memchr(piece, '&', len - *pos);
    size_t piece_len = amp != NULL ? (size_t)(amp - piece) : len - *pos;
    const char *equals = memchr(piece, '=', piece_len);

    pair->key = piece;
    pair->key_len = equals != NULL ? (size_t)(equals - piece) : piece_len;
    pair->value = equals != NULL ? equals + 1 : piece + piece_len;
    pair->value_len = (size_t)(piece + piece_len - pair->value);
    *pos += piece_len;
    return true;
}
