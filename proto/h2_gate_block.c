/* h2_gate_block.c - walks over an HPACK header block without decoding it */
/* SPDX-License-Identifier: MIT */
#include "proto/h2_gate.h"

/* The table size that HPACK starts with, which we never change. */
#define TABLE_MAX 4096
/* A shrink and a growth: the most that one change of settings can ask for (RFC 7541, 4.2). */
#define UPDATES_MAX 2

struct cursor {
    const uint8_t *at, *end;
};

/* RFC 7541, 5.1. Values that need more than 28 bits beyond the prefix can't be of use in a frame. */
static bool read_integer(struct cursor *cursor, unsigned prefix_bits, uint32_t *value)
{
    uint32_t max = (1u << prefix_bits) - 1;
    unsigned shift = 0;

    if (cursor->at == cursor->end)
        return false;
    *value = *cursor->at++ & max;
    if (*value < max)
        return true;
    for (; shift != 28 && cursor->at != cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        *value += (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool skip_string(struct cursor *cursor)
{
    uint32_t len;

    if (!read_integer(cursor, 7, &len) || len > (size_t)(cursor->end - cursor->at))
        return false;
    cursor->at += len;
    return true;
}

static bool skip_literal(struct cursor *cursor, unsigned prefix_bits)
{
    uint32_t name;

    if (!read_integer(cursor, prefix_bits, &name) || (name == 0 && !skip_string(cursor)))
        return false;
    return skip_string(cursor);
}

static bool skip_field(struct cursor *cursor)
{
    uint8_t first = *cursor->at;
    uint32_t index;

    if ((first & 0x80) != 0)
        return read_integer(cursor, 7, &index) && index != 0;
    return skip_literal(cursor, (first & 0x40) != 0 ? 6 : 4);
}

enum h2_gate_reason h2_gate_check_block(const uint8_t *block, size_t len, uint32_t max_fields)
{
    struct cursor cursor = {block, block + len};
    uint32_t fields = 0, updates = 0, size;

    while (cursor.at != cursor.end) {
        if ((*cursor.at & 0xe0) == 0x20) {
            if (!read_integer(&cursor, 5, &size))
                return H2_GATE_HEADER_BLOCK;
            if (fields != 0 || ++updates > UPDATES_MAX || size > TABLE_MAX)
                return H2_GATE_HEADER_TABLE;
        } else {
            if (!skip_field(&cursor))
                return H2_GATE_HEADER_BLOCK;
            if (++fields > max_fields)
                return H2_GATE_HEADER_FIELDS;
        }
    }
    return H2_GATE_NONE;
}
