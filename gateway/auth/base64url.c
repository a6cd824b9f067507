/* base64url.c - strict base64url: each value has exactly one text */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/base64url.h"

#include <stdint.h>

_Static_assert(BASE64URL_DECODED_MAX(4) >= 3 && BASE64URL_DECODED_MAX(3) >= 2, "room for a last group cut short");
_Static_assert(BASE64URL_ENCODED_SIZE(3) == 5 && BASE64URL_ENCODED_SIZE(1) == 3,
               "four characters for three bytes, and NUL");

/* 64: not a digit of base64url. */
static unsigned digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : 64;
}

bool base64url_decode(const char *text, size_t len, unsigned char *dst, size_t *dst_len)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t n = 0;
    if (len % 4 == 1)
        return false;
    for (size_t i = 0; i != len; ++i) {
        unsigned digit = digit_of(text[i]);
        if (digit == 64)
            return false;
        bits = (bits << 6 | digit) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            dst[n++] = (unsigned char)(bits >> count & 0xff);
        }
    }
    *dst_len = n;
    return (bits & ((1U << count) - 1)) == 0;
}

void base64url_encode(const unsigned char *bytes, size_t len, char *dst)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i != len; ++i) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        for (count += 8; count >= 6; count -= 6)
            *dst++ = digits[bits >> (count - 6) & 63];
    }
    if (count != 0)
        *dst++ = digits[bits << (6 - count) & 63];
    *dst = '\0';
}
