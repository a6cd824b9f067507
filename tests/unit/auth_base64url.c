/* auth_base64url.c - each value has one text, and every other text is refused */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/base64url.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tokens.h"

/* The text is refused, or is what its bytes encode to. */
static bool is_canonical(const char *text, size_t len)
{
    unsigned char bytes[BASE64URL_DECODED_MAX(8)];
    char again[BASE64URL_ENCODED_SIZE(sizeof(bytes))];
    size_t n;
    if (!base64url_decode(text, len, bytes, &n))
        return false;
    base64url_encode(bytes, n, again);
    cr_assert(strlen(again) == len && memcmp(again, text, len) == 0, "'%.*s' is taken for '%s'", (int)len, text, again);
    return true;
}

Test(auth_base64url, each_byte_has_one_text_of_two_characters)
{
    unsigned good = 0;
    for (unsigned a = 0; a != 256; ++a) {
        for (unsigned b = 0; b != 256; ++b)
            good += is_canonical((char[]){(char)a, (char)b}, 2);
    }
    cr_assert_eq(good, 256);
}

Test(auth_base64url, each_pair_of_bytes_has_one_text_of_three_characters)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned good = 0;
    for (unsigned i = 0; i != 64 * 64 * 64; ++i)
        good += is_canonical((char[]){digits[i & 63], digits[i >> 6 & 63], digits[i >> 12]}, 3);
    cr_assert_eq(good, 65536);
}

Test(auth_base64url, agrees_with_another_encoder)
{
    unsigned char bytes[64], back[BASE64URL_DECODED_MAX(sizeof(bytes) * 2)];
    char text[BASE64URL_ENCODED_SIZE(sizeof(bytes))];
    for (size_t len = 0; len != sizeof(bytes); ++len) {
        for (size_t i = 0; i != len; ++i)
            bytes[i] = (unsigned char)(i * 151 + len * 7 + 3);
        char *expected = tokens_base64url(bytes, len);
        size_t n = 999;
        base64url_encode(bytes, len, text);
        cr_assert_str_eq(text, expected);
        cr_assert(base64url_decode(text, strlen(text), back, &n));
        cr_assert(n == len && memcmp(back, bytes, len) == 0);
        free(expected);
    }
}

Test(auth_base64url, takes_nothing_but_its_digits)
{
    static const char *const bad[] = {
        "A",     "AAAAA", "AA==", "AAA=",     "A===", "=",       "AAAA=", "AAAA====", "+AAA", "/AAA",
        "AA AA", "AAA\n", " AAA", "AAAA\r\n", "AA.A", "AAA\x80", "AAAA%", "AAAB\xff", "AAA,", "AAAA="};
    unsigned char bytes[16];
    size_t n;
    for (size_t i = 0; i != sizeof(bad) / sizeof(*bad); ++i)
        cr_expect(!base64url_decode(bad[i], strlen(bad[i]), bytes, &n), "'%s'", bad[i]);
    cr_expect(!base64url_decode("AA\0A", 4, bytes, &n));
}
