/* stamp.h - the first 16 bytes of every benchmark payload: sequence, subject and time */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COMMON_STAMP_H
#define BENCH_COMMON_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * Sixteen printable characters, each worth six bits, least significant first,
 * character = '0' + value:
 *
 *   5 characters  sequence of the subject, counted from 1 (30 bits)
 *   3 characters  number of the subject in its pattern (18 bits)
 *   8 characters  CLOCK_MONOTONIC nanoseconds at sending (48 bits, wraps after 78 hours)
 *
 * Plain text, so that no peer has to encode it; fixed, so that even the
 * smallest payload carries it and reading it costs a few shifts and not a
 * number parser, which would be a large part of what a client spends per event.
 */
#define STAMP_SIZE 16
#define STAMP_SEQUENCE_BITS 30
#define STAMP_SEQUENCE_MAX ((1u << STAMP_SEQUENCE_BITS) - 1)
#define STAMP_SUBJECTS_MAX (1u << 18)
#define STAMP_TIME_MASK ((1ull << 48) - 1)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the eight characters are read as one word");

struct stamp {
    uint32_t sequence;
    uint32_t subject;
    uint64_t sent_ns; /* modulo 2^48 */
};

/* Eight characters to 48 bits: neighbours are merged three times. False: not our alphabet. */
static inline bool stamp_read8(const char *s, uint64_t *out)
{
    uint64_t v;
    memcpy(&v, s, sizeof(v));
    v -= 0x3030303030303030ull;
    bool valid = (v & 0xc0c0c0c0c0c0c0c0ull) == 0;
    v = (v & 0x003f003f003f003full) | ((v & 0x3f003f003f003f00ull) >> 2);
    v = (v & 0x00000fff00000fffull) | ((v & 0x0fff00000fff0000ull) >> 4);
    *out = (v & 0xffffffull) | (v >> 32 << 24);
    return valid;
}

static inline bool stamp_read(const char *s, struct stamp *stamp)
{
    uint64_t id, time;
    bool valid = stamp_read8(s, &id) & stamp_read8(s + 8, &time);
    stamp->sequence = (uint32_t)(id & STAMP_SEQUENCE_MAX);
    stamp->subject = (uint32_t)(id >> STAMP_SEQUENCE_BITS);
    stamp->sent_ns = time;
    return valid;
}

static inline void stamp_write(char *dst, const struct stamp *stamp)
{
    uint64_t id = (uint64_t)stamp->subject << STAMP_SEQUENCE_BITS | stamp->sequence;
    for (int i = 0; i < 8; ++i) {
        dst[i] = (char)('0' + (id >> 6 * i & 63));
        dst[8 + i] = (char)('0' + (stamp->sent_ns >> 6 * i & 63));
    }
}

#endif
