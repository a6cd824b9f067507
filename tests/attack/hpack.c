/* hpack.c - header blocks that are larger than they look, or aren't header blocks */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/attack/attack.h"
#include "tests/support/sandbox.h"

#define FRAME_MAX 16384
#define END (H2_END_STREAM | H2_END_HEADERS)
#define KILL_MS 2000

static uint8_t block[1 << 18];

/* One connection: as many requests as given, each from the same function. */
static void send_blocks(struct attack_run *run, size_t (*make)(uint8_t *dst, uint32_t number), uint32_t requests,
                        int wait_ms)
{
    for (unsigned i = 0; i < (run->full ? 50u : 3u) && more(run); i++) {
        struct attack_peer *peer = begin_h2(run, 65535);
        if (peer == NULL)
            return;
        for (uint32_t n = 0; n < requests && !peer->closed; n++) {
            h2_put(peer, H2_HEADERS, END, 2 * n + 1, block, make(block, n));
            attack_flush(peer, 500);
        }
        finish(run, peer, wait_ms);
    }
}

/* A 4 KB entry once, then a byte for each of its repetitions: 50 MB of headers in 16 KB. */
static size_t make_repetition(uint8_t *dst, uint32_t number)
{
    static char value[3900];
    size_t at = hpack_put_request(dst, QUIET_PATH);

    (void)number;
    memset(value, 'v', sizeof(value));
    at += hpack_put_literal(dst + at, 0x40, "x", value, sizeof(value));
    memset(dst + at, 0xbe, FRAME_MAX - at);
    return FRAME_MAX;
}

static void repetition(struct attack_run *run)
{
    send_blocks(run, make_repetition, 90, KILL_MS);
}

/* The same within the limit of header bytes on the wire: what counts is what it decodes to. */
static size_t make_repetition_small(uint8_t *dst, uint32_t number)
{
    static char value[3900];
    size_t at = hpack_put_request(dst, QUIET_PATH);

    memset(value, 'v', sizeof(value));
    if (number == 0)
        return at + hpack_put_literal(dst + at, 0x40, "x", value, sizeof(value));
    memset(dst + at, 0xbe, 1000);
    return at + 1000;
}

static void repetition_small(struct attack_run *run)
{
    send_blocks(run, make_repetition_small, 90, 3 * KILL_MS);
}

/* Static table entries by the thousand: a header field each. */
static size_t make_fields(uint8_t *dst, uint32_t number)
{
    size_t at = hpack_put_request(dst, QUIET_PATH);

    (void)number;
    memset(dst + at, 0x90, 6000); /* accept-encoding: gzip, deflate */
    return at + 6000;
}

static void fields(struct attack_run *run)
{
    send_blocks(run, make_fields, 90, KILL_MS);
}

/* 400 KB of them by CONTINUATION. */
static void fields_continued(struct attack_run *run)
{
    for (unsigned i = 0; i < (run->full ? 50u : 5u) && more(run); i++) {
        struct attack_peer *peer = begin_h2(run, 65535);
        if (peer == NULL)
            return;
        h2_put(peer, H2_HEADERS, H2_END_STREAM, 1, block, hpack_put_request(block, QUIET_PATH));
        memset(block, 0x90, FRAME_MAX);
        for (int n = 0; n < 25; n++)
            h2_put(peer, H2_CONTINUATION, n == 24 ? H2_END_HEADERS : 0, 1, block, FRAME_MAX);
        attack_flush(peer, 500);
        finish(run, peer, KILL_MS);
    }
}

/* The table is emptied and filled and emptied. */
static size_t make_table_size(uint8_t *dst, uint32_t number)
{
    static const char value[200];
    size_t at = 0;

    (void)number;
    for (int i = 0; i < 1500; i++)
        at += hpack_put_integer(dst + at, 0x20, 5, i % 2 ? 4096 : 0);
    at += hpack_put_request(dst + at, QUIET_PATH);
    for (int i = 0; i < 10; i++) {
        at += hpack_put_integer(dst + at, 0x20, 5, i % 2 ? 4096 : 0);
        at += hpack_put_literal(dst + at, 0x40, "x", value, sizeof(value));
    }
    return at;
}

static void table_size(struct attack_run *run)
{
    send_blocks(run, make_table_size, 90, KILL_MS);
}

static size_t make_table_too_large(uint8_t *dst, uint32_t number)
{
    size_t at = hpack_put_integer(dst, 0x20, 5, 0xffffffff);

    (void)number;
    return at + hpack_put_request(dst + at, QUIET_PATH);
}

static void table_too_large(struct attack_run *run)
{
    send_blocks(run, make_table_too_large, 1, KILL_MS);
}

/* A peer whose own table has no room, and one that changes its table's size with each request. */
static void peer_table(struct attack_run *run)
{
    for (unsigned i = 0; i < 5; i++) {
        struct attack_peer *peer = begin_h2(run, 65535);
        if (peer == NULL)
            return;
        for (uint32_t n = 0; n < 20; n++) {
            h2_put_setting(peer, H2_SET_TABLE_SIZE, n % 3 == 0 ? 0 : n % 3 == 1 ? 0xffffffff : 1);
            h2_put_get(peer, 2 * n + 1, QUIET_PATH);
        }
        attack_flush(peer, 500);
        attack_drain(peer);
        finish(run, peer, 0);
    }
}

/* Malformed blocks, each on its own connection, which it must end. */
static void malformed(struct attack_run *run)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x80", 1},                                                  /* index 0 */
        {"\xbe", 1},                                                  /* an entry that isn't there */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11},         /* an index without end */
        {"\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11},         /* a table size without end */
        {"\x40\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11},         /* a name without end */
        {"\x40\x81\xff\x00", 4},                                      /* Huffman: padding longer than 7 bits */
        {"\x40\x84\xff\xff\xff\xff\x00", 7},                          /* Huffman: EOS */
        {"\x40\x05x", 3},                                             /* a name that ends early */
        {"\x82", 1},                                                  /* nothing but a method … */
        {"\x40", 1},                                                  /* … half a field */
        {"\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 13}, /* zeros without end */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct attack_peer *peer = begin_h2(run, 65535);
        if (peer == NULL)
            continue;
        for (uint32_t n = 0; n < 3; n++)
            h2_put(peer, H2_HEADERS, END, 2 * n + 1, bad[i].bytes, bad[i].len);
        attack_flush(peer, 500);
        finish(run, peer, bad[i].len == 1 && bad[i].bytes[0] == '\x82' ? LIMIT_IDLE_MS + KILL_MS : KILL_MS);
    }
}

/* One header value as long as a frame, and one name. */
static size_t make_huge(uint8_t *dst, uint32_t number)
{
    static char huge[16000];
    size_t at = hpack_put_request(dst, QUIET_PATH);

    memset(huge, 'h', sizeof(huge));
    return at + hpack_put_literal(dst + at, number % 2 ? 0x40 : 0, "x", huge, sizeof(huge));
}

static void huge(struct attack_run *run)
{
    send_blocks(run, make_huge, 90, LIMIT_IDLE_MS + KILL_MS);
}

const struct attack hpack_attacks[] = {
    {"hpack-repetition", "hpack", ATTACK_BOTH, repetition, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"hpack-repetition-small", "hpack", ATTACK_BOTH, repetition_small, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"hpack-many-fields", "hpack", ATTACK_BOTH, fields, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"hpack-fields-continued", "hpack", ATTACK_BOTH, fields_continued, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"hpack-table-size", "hpack", ATTACK_BOTH, table_size, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"hpack-table-too-large", "hpack", ATTACK_BOTH, table_too_large, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"hpack-peer-table", "hpack", ATTACK_BOTH, peer_table, ATTACK_EITHER, 1000, 5000, false, ATTACK_ALWAYS},
    {"hpack-malformed", "hpack", ATTACK_BOTH, malformed, ATTACK_KILLED, 2000, 3000, false, ATTACK_ALWAYS},
    {"headers-huge", "hpack", ATTACK_BOTH, huge, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {.name = NULL},
};
