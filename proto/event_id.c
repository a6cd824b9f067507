/* event_id.c - the event id "<incarnation>-<sequence>" */
/* SPDX-License-Identifier: MIT */
#include "proto/event_id.h"

#include <string.h>

#include "proto/units.h"

#define HEX_DIGITS_MAX 16

static const char hex_digits[] = "0123456789abcdef";
_Static_assert(sizeof(hex_digits) - 1 == 16, "one for each value of four bits");
_Static_assert(HEX_DIGITS_MAX * 4 == 64, "any incarnation can be written");
_Static_assert(EVENT_ID_MAX == HEX_DIGITS_MAX + 1 + sizeof("18446744073709551615") - 1, "the longest id");

static size_t hex_size(uint64_t v)
{
    /* | 1: the number of leading zeros of 0 is undefined, and 0 has one digit. */
    return (size_t)(64 - __builtin_clzll(v | 1) + 3) / 4;
}

size_t event_id_size(struct event_id id)
{
    return hex_size(id.incarnation) + 1 + units_u64_size(id.sequence);
}

size_t event_id_write(char *dst, struct event_id id)
{
    size_t hex_len = hex_size(id.incarnation);

    for (size_t i = hex_len; i-- > 0; id.incarnation >>= 4)
        dst[i] = hex_digits[id.incarnation & 15];
    dst[hex_len] = '-';
    return hex_len + 1 + units_write_u64(dst + hex_len + 1, id.sequence);
}

static bool parse_hex(const char *s, size_t len, uint64_t *out)
{
    uint64_t value = 0;

    /* Only one spelling of an id is valid: clients and caches compare ids as strings. */
    if (len < 1 || len > HEX_DIGITS_MAX || s[0] == '0')
        return false;
    for (size_t i = 0; i < len; i++) {
        const char *digit = memchr(hex_digits, s[i], HEX_DIGITS_MAX);
        if (digit == NULL)
            return false;
        value = value << 4 | (uint64_t)(digit - hex_digits);
    }
    *out = value;
    return true;
}

bool event_id_parse(const char *s, size_t len, struct event_id *id)
{
    struct event_id parsed;
    const char *dash = len != 0 && len <= EVENT_ID_MAX ? memchr(s, '-', len) : NULL;

    if (dash == NULL)
        return false;
    const char *sequence = dash + 1;
    size_t sequence_len = (size_t)(s + len - sequence);
    if (!parse_hex(s, (size_t)(dash - s), &parsed.incarnation) ||
        !units_parse_u64(sequence, sequence_len, &parsed.sequence))
        return false;
    if (sequence[0] == '0' && sequence_len > 1)
        return false;
    *id = parsed;
    return true;
}
