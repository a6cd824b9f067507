/* floods.c - frames by the thousand that cost their sender nothing */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "tests/attack/attack.h"

#define PORTION 100
#define CHUNK 1024

/* A header block that never ends: until it does, no other frame may come on the connection. */
static void begin_block(struct attack_peer *peer)
{
    uint8_t block[256];

    h2_put(peer, H2_HEADERS, H2_END_STREAM, 1, block, hpack_put_request(block, QUIET_PATH));
}

static void fill_continuation(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    static const uint8_t chunk[CHUNK];

    (void)run;
    if (round == 0)
        begin_block(peer);
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_CONTINUATION, 0, 1, chunk, sizeof(chunk));
}

static void fill_continuation_empty(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    if (round == 0)
        begin_block(peer);
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_CONTINUATION, 0, 1, NULL, 0);
}

/* A request whose body is yet to come. */
static void begin_post(struct attack_peer *peer)
{
    uint8_t block[256];
    size_t len = hpack_put_request(block, "/post");

    block[0] = 0x83; /* :method: POST */
    h2_put(peer, H2_HEADERS, H2_END_HEADERS, 1, block, len);
}

/* CVE-2019-9518: DATA without data, of a body that never ends. */
static void fill_data_empty(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    if (round == 0)
        begin_post(peer);
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_DATA, 0, 1, NULL, 0);
}

/* Nothing but padding, which uses up the window. */
static void fill_data_padding(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    static const uint8_t padding[256] = {255};

    (void)run;
    if (round == 0)
        begin_post(peer);
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_DATA, H2_PADDED, 1, padding, sizeof(padding));
}

/* CVE-2019-9515 */
static void fill_settings(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    (void)round;
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_SETTINGS, 0, 0, NULL, 0);
}

/* Each changes the window of all streams. */
static void fill_settings_window(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    if (round == 0)
        for (uint32_t i = 0; i < 90; i++)
            h2_put_get(peer, 2 * i + 1, QUIET_PATH);
    for (int i = 0; i < PORTION; i++)
        h2_put_setting(peer, H2_SET_INITIAL_WINDOW, i % 2 ? 0 : H2_WINDOW_MAX);
}

/* As many entries as a frame takes. */
static void fill_settings_long(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    static uint8_t entries[2730 * 6];

    (void)run;
    (void)round;
    for (size_t i = 0; i < sizeof(entries); i += 6)
        entries[i + 1] = 3;
    for (int i = 0; i < 5; i++)
        h2_put(peer, H2_SETTINGS, 0, 0, entries, sizeof(entries));
}

/* CVE-2019-9512 */
static void fill_ping(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    (void)round;
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_PING, 0, 0, "attacked", 8);
}

static void fill_ping_ack(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    (void)round;
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_PING, H2_ACK, 0, "attacked", 8);
}

static void put_priority(struct attack_peer *peer, uint32_t stream, uint32_t parent, bool exclusive)
{
    uint8_t payload[5] = {(uint8_t)(parent >> 24 | (exclusive ? 0x80 : 0)), (uint8_t)(parent >> 16),
                          (uint8_t)(parent >> 8), (uint8_t)parent, 255};

    h2_put(peer, H2_PRIORITY, 0, stream, payload, sizeof(payload));
}

/* CVE-2019-9513: the tree of streams is rearranged without end. */
static void fill_priority_shuffle(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    if (round == 0)
        for (uint32_t i = 0; i < 90; i++)
            h2_put_get(peer, 2 * i + 1, QUIET_PATH);
    for (int i = 0; i < PORTION; i++) {
        uint32_t stream = 2 * ((uint32_t)rand_r(&run->seed) % 90) + 1,
                 parent = 2 * ((uint32_t)rand_r(&run->seed) % 90) + 1;
        put_priority(peer, stream, parent == stream ? 0 : parent, i % 3 == 0);
    }
}

/* Streams that exist by their priority alone. */
static void fill_priority_idle(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        uint32_t stream = 2 * (round * PORTION + i) + 1;
        put_priority(peer, stream, stream > 1 ? stream - 2 : 0, true);
    }
}

static void fill_unknown(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)round;
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, (uint8_t)(10 + rand_r(&run->seed) % 246), (uint8_t)rand_r(&run->seed),
               (uint32_t)rand_r(&run->seed), "unknown", 7);
}

static void fill_unknown_long(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    static const uint8_t payload[16384];

    (void)run;
    (void)round;
    for (int i = 0; i < 4; i++)
        h2_put(peer, 0xbe, 0, 0, payload, sizeof(payload));
}

static void fill_window(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    if (round == 0)
        h2_put_get(peer, 1, QUIET_PATH);
    for (int i = 0; i < PORTION; i++)
        h2_put_window(peer, 1, 1);
}

static void fill_goaway(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    static const uint8_t payload[1024];

    (void)run;
    (void)round;
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_GOAWAY, 0, 0, payload, sizeof(payload));
}

static void fill_push(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    static const uint8_t payload[64] = {0, 0, 0, 2, 0x82, 0x87};

    (void)run;
    if (round == 0)
        h2_put_get(peer, 1, QUIET_PATH);
    for (int i = 0; i < PORTION; i++)
        h2_put(peer, H2_PUSH, H2_END_HEADERS, 1, payload, 6);
}

/* Valid requests, as many as possible: more streams than a connection may have, so all are refused. */
static void fill_requests(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++)
        h2_put_get(peer, 2 * (round * PORTION + i) + 1, QUIET_PATH);
}

static void fill_not_found(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++)
        h2_put_get(peer, 2 * (round * PORTION + i) + 1, NOWHERE_PATH);
}

FLOOD_ATTACK(continuation, fill_continuation, 65535, false)
FLOOD_ATTACK(continuation_empty, fill_continuation_empty, 65535, false)
FLOOD_ATTACK(data_empty, fill_data_empty, 65535, false)
FLOOD_ATTACK(data_padding, fill_data_padding, 65535, false)
FLOOD_ATTACK(settings, fill_settings, 65535, false)
FLOOD_ATTACK(settings_window, fill_settings_window, 65535, false)
FLOOD_ATTACK(settings_long, fill_settings_long, 65535, false)
FLOOD_ATTACK(ping, fill_ping, 65535, false)
FLOOD_ATTACK(ping_ack, fill_ping_ack, 65535, false)
FLOOD_ATTACK(priority_shuffle, fill_priority_shuffle, 65535, false)
FLOOD_ATTACK(priority_idle, fill_priority_idle, 65535, false)
FLOOD_ATTACK(unknown, fill_unknown, 65535, false)
FLOOD_ATTACK(unknown_long, fill_unknown_long, 65535, false)
FLOOD_ATTACK(window, fill_window, 65535, false)
FLOOD_ATTACK(goaway, fill_goaway, 65535, false)
FLOOD_ATTACK(push, fill_push, 65535, false)
FLOOD_ATTACK(requests, fill_requests, 65535, false)
FLOOD_ATTACK(not_found, fill_not_found, 65535, false)
FLOOD_ATTACK(settings_unread, fill_settings, 65535, true)
FLOOD_ATTACK(ping_unread, fill_ping, 65535, true)
FLOOD_ATTACK(not_found_unread, fill_not_found, 0, true)

#define ROW(name, run)                                                                                                 \
    {                                                                                                                  \
        name, "floods", ATTACK_BOTH, run, ATTACK_KILLED, 400, 3000, false, ATTACK_ALWAYS                               \
    }
const struct attack floods[] = {
    ROW("continuation-flood", continuation),
    ROW("continuation-empty", continuation_empty),
    ROW("data-empty", data_empty),
    ROW("data-padding", data_padding),
    ROW("settings-flood", settings),
    ROW("settings-unread", settings_unread),
    ROW("settings-window", settings_window),
    ROW("settings-long", settings_long),
    ROW("ping-flood", ping),
    ROW("ping-unread", ping_unread),
    ROW("ping-ack-flood", ping_ack),
    ROW("priority-shuffle", priority_shuffle),
    ROW("priority-idle-streams", priority_idle),
    ROW("unknown-frames", unknown),
    ROW("unknown-frames-long", unknown_long),
    ROW("window-update-flood", window),
    ROW("goaway-flood", goaway),
    ROW("push-promise", push),
    ROW("request-flood", requests),
    ROW("not-found-flood", not_found),
    ROW("not-found-unread", not_found_unread),
    {.name = NULL},
};
