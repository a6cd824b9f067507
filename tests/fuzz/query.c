/* query.c - fuzzes query strings and percent-encoding */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/text.h"

static char *room_for(size_t len)
{
    char *room = malloc(len != 0 ? len : 1);

    if (room == NULL)
        abort();
    return room;
}

/* The two characters as scanf reads a number, which also takes blanks and signs: those are sorted out first. */
static bool hex_pair(const char *s, size_t left, char *c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    char pair[3];
    unsigned value;

    if (left < 2 || memchr(digits, s[0], sizeof(digits) - 1) == NULL ||
        memchr(digits, s[1], sizeof(digits) - 1) == NULL)
        return false;
    memcpy(pair, s, 2);
    pair[2] = '\0';
    value = (unsigned)strtoul(pair, NULL, 16);
    *c = (char)value;
    return true;
}

static bool decode(char *dst, size_t *dst_len, const char *s, size_t len, bool plus)
{
    *dst_len = 0;
    while (len != 0) {
        size_t step = 1;
        char c = *s;
        if (c == '%') {
            if (!hex_pair(s + 1, len - 1, &c))
                return false;
            step = 3;
        } else if (plus && c == '+') {
            c = ' ';
        }
        dst[(*dst_len)++] = c;
        s += step;
        len -= step;
    }
    return true;
}

static void check_decoding(const char *s, size_t len, bool plus)
{
    char *wanted = room_for(len), *apart = room_for(len), *in_place = room_for(len);
    size_t wanted_len, apart_len = 0, in_place_len = 0;
    bool valid = decode(wanted, &wanted_len, s, len, plus);

    FUZZ_CHECK(text_percent_decode(apart, &apart_len, s, len, plus) == valid);
    if (len != 0)
        memcpy(in_place, s, len);
    FUZZ_CHECK(text_percent_decode(in_place, &in_place_len, in_place, len, plus) == valid);
    if (valid) {
        FUZZ_CHECK(apart_len == wanted_len && memcmp(apart, wanted, wanted_len) == 0);
        FUZZ_CHECK(in_place_len == wanted_len && memcmp(in_place, wanted, wanted_len) == 0);
    }
    free(wanted);
    free(apart);
    free(in_place);
}

/* Everything there is, cut at each '&': pieces that are not empty come out as pairs, in order, and nothing else does. */
static void check_pairs(const struct fuzz_text *query)
{
    struct text_query_pair pair;
    size_t position = 0, start = 0;

    for (size_t i = 0; i <= query->len; ++i) {
        if (i != query->len && query->s[i] != '&')
            continue;
        size_t len = i - start, key_len = 0;
        const char *piece = query->s + start;
        start = i + 1;
        if (len == 0)
            continue;
        while (key_len != len && piece[key_len] != '=')
            ++key_len;
        FUZZ_CHECK(text_query_next(query->s, query->len, &position, &pair));
        FUZZ_CHECK(pair.key == piece && pair.key_len == key_len);
        FUZZ_CHECK(pair.value_len == len - key_len - (key_len != len));
        FUZZ_CHECK(pair.value == piece + len - pair.value_len);
        check_decoding(pair.key, pair.key_len, true);
        check_decoding(pair.value, pair.value_len, true);
    }
    FUZZ_CHECK(!text_query_next(query->s, query->len, &position, &pair));
    FUZZ_CHECK(!text_query_next(query->s, query->len, &position, &pair));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text query = fuzz_rest(&input);

    check_pairs(&query);
    check_decoding(query.s, query.len, true);
    check_decoding(query.s, query.len, false);
    free(query.s);
    return 0;
}
