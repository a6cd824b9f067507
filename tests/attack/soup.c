/* soup.c - frames, records and bytes at random: the seed is the program's, printed at its start */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "tests/attack/attack.h"
#include "tests/attack/honest.h"
#include "tests/support/sandbox.h"

#define FRAMES_PER_CONNECTION 200

static unsigned pick(struct attack_run *run, unsigned limit)
{
    return (unsigned)rand_r(&run->seed) % limit;
}

static size_t random_bytes(struct attack_run *run, uint8_t *dst, size_t len)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)pick(run, 256);
    return len;
}

/* A block that is mostly valid: otherwise nothing behind the header decoder would be reached. */
static size_t random_block(struct attack_run *run, uint8_t *dst)
{
    static const char *const paths[] = {QUIET_PATH, HONEST_PATH, NOWHERE_PATH, BULK_PATH, "/post", "*", ""};
    size_t len = hpack_put_request(dst, paths[pick(run, 7)]);

    if (pick(run, 4) == 0)
        len += hpack_put_literal(dst + len, pick(run, 2) ? 0x40 : 0, "x-soup", "value", pick(run, 6));
    if (pick(run, 10) == 0)
        dst[pick(run, (unsigned)len)] = (uint8_t)pick(run, 256);
    if (pick(run, 10) == 0)
        dst[0] = 0x83; /* POST */
    return len;
}

static uint32_t random_stream(struct attack_run *run, uint32_t newest)
{
    unsigned kind = pick(run, 10);

    if (kind == 0)
        return 0;
    if (kind == 1)
        return (uint32_t)rand_r(&run->seed);
    if (kind == 2)
        return newest + 2;
    return newest == 0 ? 1 : 2 * pick(run, newest / 2 + 1) + 1;
}

/* Mostly frames that a peer may send at any time: with these a state machine is led astray. */
static void put_random(struct attack_run *run, struct attack_peer *peer, uint32_t *newest)
{
    static uint8_t payload[20000];
    static const uint8_t types[] = {H2_HEADERS,  H2_HEADERS,  H2_HEADERS, H2_RST,  H2_WINDOW,       H2_WINDOW,
                                    H2_SETTINGS, H2_PRIORITY, H2_PING,    H2_DATA, H2_CONTINUATION, H2_GOAWAY};
    uint8_t type = pick(run, 30) == 0 ? (uint8_t)pick(run, 256) : types[pick(run, pick(run, 8) == 0 ? 12 : 9)];
    uint8_t flags = pick(run, 10) == 0 ? (uint8_t)pick(run, 256) : H2_END_HEADERS | H2_END_STREAM;
    uint32_t stream = random_stream(run, *newest);
    size_t len = pick(run, 40) == 0 ? pick(run, sizeof(payload)) : pick(run, 12);

    random_bytes(run, payload, len);
    if (type == H2_HEADERS) {
        if (pick(run, 10) != 0)
            stream = *newest == 0 ? 1 : *newest + 2;
        if (stream % 2 == 1 && stream > *newest && stream < 1u << 24)
            *newest = stream;
        len = random_block(run, payload);
    } else if (type == H2_RST || type == H2_WINDOW) {
        len = pick(run, 20) == 0 ? len : 4;
        if (pick(run, 3) != 0)
            memset(payload, 0, 3);
    } else if (type == H2_PRIORITY) {
        len = pick(run, 20) == 0 ? len : 5;
        memset(payload, 0, 3);
    } else if (type == H2_SETTINGS) {
        stream = pick(run, 10) == 0 ? stream : 0;
        flags = pick(run, 10) == 0 ? flags : 0;
        len = pick(run, 10) == 0 ? len : 6;
        payload[0] = 0;
        payload[1] = (uint8_t)pick(run, 8);
        if (pick(run, 2) == 0)
            memset(payload + 2, 0, 3);
    } else if (type == H2_PING) {
        stream = 0;
        len = 8;
    }
    h2_put(peer, type, flags, stream, payload, len);
}

static void frames(struct attack_run *run)
{
    while (more(run)) {
        struct attack_target target = target_of(run, "h2");
        struct attack_peer *peer;
        uint32_t newest = 0;
        if (pick(run, 4) == 0) {
            target.receive_buffer = 4096;
            target.segment = 536;
        }
        if ((peer = begin(run, &target)) == NULL)
            continue;
        h2_put_hello(peer, pick(run, 3) == 0 ? pick(run, 200) : 65535);
        unsigned portion = 1 + pick(run, 30);
        for (unsigned i = 0; i < FRAMES_PER_CONNECTION && !peer->closed && more(run); i++) {
            put_random(run, peer, &newest);
            if (i % portion != 0)
                continue;
            if (!attack_flush(peer, 100))
                break;
            if (pick(run, 3) != 0)
                attack_drain(peer);
        }
        finish(run, peer, 0);
    }
}

/* The same without frames: random bytes after a valid beginning. */
static void bytes(struct attack_run *run)
{
    static uint8_t noise[4096];

    while (more(run)) {
        struct attack_target target = target_of(run, pick(run, 3) == 0 ? "http/1.1" : "h2");
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        if (pick(run, 2) == 0)
            h2_put_hello(peer, 65535);
        attack_put(peer, noise, random_bytes(run, noise, 1 + pick(run, sizeof(noise) - 1)));
        attack_flush(peer, 100);
        finish(run, peer, 5);
    }
}

const struct attack soup_attacks[] = {
    {"soup-of-frames", "soup", ATTACK_BOTH, frames, ATTACK_EITHER, 5000, 60000, false, ATTACK_ALWAYS},
    {"soup-of-bytes", "soup", ATTACK_BOTH, bytes, ATTACK_EITHER, 1000, 20000, false, ATTACK_ALWAYS},
    {.name = NULL},
};
