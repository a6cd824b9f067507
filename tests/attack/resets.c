/* resets.c - streams opened only to be reset, by the client or by the gateway */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tests/attack/attack.h"
#include "tests/attack/honest.h"
#include "tests/support/sandbox.h"

#define PORTION 50

static uint32_t id_of(uint32_t round, uint32_t i)
{
    return 2 * (round * PORTION + i) + 1;
}

/* CVE-2023-44487: a request costs the gateway as much when it is reset. */
static void fill_rapid_reset(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    char path[64];

    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        /* a channel of its own each, and a subscription at the broker if the gateway got that far */
        snprintf(path, sizeof(path), "/quiet/r%u", id_of(round, i));
        h2_put_get(peer, id_of(round, i), path);
        h2_put_reset(peer, id_of(round, i));
    }
}

FLOOD_ATTACK(rapid_reset, fill_rapid_reset, 65535, false)
FLOOD_ATTACK(rapid_reset_unread, fill_rapid_reset, 0, true)

/* Below any rate that ends a connection, on many connections at once. */
#define POLITE_CONNECTIONS 20
#define POLITE_PER_SECOND 50
static void rapid_reset_polite(struct attack_run *run)
{
    struct attack_peer *peers[POLITE_CONNECTIONS];
    char path[64];

    for (size_t i = 0; i < POLITE_CONNECTIONS; i++)
        peers[i] = begin_h2(run, 65535);
    for (uint32_t round = 0; more(run); round++) {
        for (size_t i = 0; i < POLITE_CONNECTIONS; i++) {
            if (peers[i] == NULL || peers[i]->closed)
                continue;
            snprintf(path, sizeof(path), "/quiet/p%zu-%u", i, round);
            h2_put_get(peers[i], 2 * round + 1, path);
            h2_put_reset(peers[i], 2 * round + 1);
            attack_flush(peers[i], 500);
            attack_drain(peers[i]);
        }
        sleep_ms(1000 / POLITE_PER_SECOND);
    }
    for (size_t i = 0; i < POLITE_CONNECTIONS; i++)
        finish(run, peers[i], 0);
}

/* CVE-2025-8671: frames that oblige the gateway to reset the stream itself, each behind a request. */
static void open_portion(struct attack_peer *peer, uint32_t round, uint32_t i)
{
    h2_put_get(peer, id_of(round, i), QUIET_PATH);
}

static void fill_window_zero(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        open_portion(peer, round, i);
        h2_put_window(peer, id_of(round, i), 0);
    }
}

static void fill_window_overflow(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        open_portion(peer, round, i);
        h2_put_window(peer, id_of(round, i), H2_WINDOW_MAX);
    }
}

static void fill_data_half_closed(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        open_portion(peer, round, i);
        h2_put(peer, H2_DATA, 0, id_of(round, i), "x", 1);
    }
}

static void fill_priority_self(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        uint32_t id = id_of(round, i);
        uint8_t payload[5] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id, 16};
        open_portion(peer, round, i);
        h2_put(peer, H2_PRIORITY, 0, id, payload, sizeof(payload));
    }
}

static void fill_headers_half_closed(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) {
        open_portion(peer, round, i);
        open_portion(peer, round, i);
    }
}

static void fill_incomplete(struct attack_run *run, struct attack_peer *peer, uint32_t round)
{
    (void)run;
    for (uint32_t i = 0; i < PORTION; i++) /* a request without :path is reset */
        h2_put(peer, H2_HEADERS, H2_END_STREAM | H2_END_HEADERS, id_of(round, i), "\x82\x87", 2);
}

FLOOD_ATTACK(window_zero, fill_window_zero, 65535, false)
FLOOD_ATTACK(window_overflow, fill_window_overflow, 65535, false)
FLOOD_ATTACK(data_half_closed, fill_data_half_closed, 65535, false)
FLOOD_ATTACK(priority_self, fill_priority_self, 65535, false)
FLOOD_ATTACK(headers_half_closed, fill_headers_half_closed, 65535, false)
FLOOD_ATTACK(incomplete, fill_incomplete, 65535, false)

/* One frame of each type with a wrong length, each on a connection of its own with two open streams. */
static void wrong_lengths(struct attack_run *run)
{
    static const struct {
        uint8_t type;
        size_t len;
    } wrong[] = {{H2_WINDOW, 0},   {H2_WINDOW, 3},        {H2_WINDOW, 5}, {H2_PRIORITY, 4}, {H2_PRIORITY, 6},
                 {H2_RST, 0},      {H2_RST, 3},           {H2_RST, 5},    {H2_PING, 7},     {H2_PING, 9},
                 {H2_SETTINGS, 5}, {H2_SETTINGS, 7},      {H2_GOAWAY, 0}, {H2_GOAWAY, 7},   {H2_WINDOW, 16384},
                 {H2_DATA, 16385}, {H2_HEADERS, 0xffffff}};
    static uint8_t payload[16385];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bool on_connection = wrong[i].type == H2_PING || wrong[i].type == H2_SETTINGS || wrong[i].type == H2_GOAWAY;
        size_t there = wrong[i].len <= sizeof(payload) ? wrong[i].len : sizeof(payload);
        uint8_t head[9] = {(uint8_t)(wrong[i].len >> 16),
                           (uint8_t)(wrong[i].len >> 8),
                           (uint8_t)wrong[i].len,
                           wrong[i].type,
                           0,
                           0,
                           0,
                           0,
                           on_connection ? 0 : 3};
        struct attack_peer *peer = begin_h2(run, 65535);
        if (peer == NULL)
            continue;
        h2_put_get(peer, 1, QUIET_PATH);
        h2_put_get(peer, 3, QUIET_PATH);
        attack_put(peer, head, sizeof(head));
        attack_put(peer, payload, there);
        peer->frames++;
        attack_flush(peer, 500);
        finish(run, peer, 2000);
    }
}

const struct attack resets[] = {
    {"rapid-reset", "resets", ATTACK_BOTH, rapid_reset, ATTACK_KILLED, 700, 3000, false, ATTACK_ALWAYS},
    {"rapid-reset-unread", "resets", ATTACK_BOTH, rapid_reset_unread, ATTACK_KILLED, 700, 3000, false, ATTACK_ALWAYS},
    {"rapid-reset-polite", "resets", ATTACK_BOTH, rapid_reset_polite, ATTACK_SURVIVES, 1000, 3000, false,
     ATTACK_ALWAYS},
    {"made-reset-window-zero", "resets", ATTACK_BOTH, window_zero, ATTACK_KILLED, 500, 3000, false, ATTACK_ALWAYS},
    {"made-reset-window-overflow", "resets", ATTACK_BOTH, window_overflow, ATTACK_KILLED, 500, 3000, false,
     ATTACK_ALWAYS},
    {"made-reset-data", "resets", ATTACK_BOTH, data_half_closed, ATTACK_KILLED, 500, 3000, false, ATTACK_ALWAYS},
    {"made-reset-priority-self", "resets", ATTACK_BOTH, priority_self, ATTACK_KILLED, 500, 3000, false, ATTACK_ALWAYS},
    {"made-reset-headers", "resets", ATTACK_BOTH, headers_half_closed, ATTACK_KILLED, 500, 3000, false, ATTACK_ALWAYS},
    {"made-reset-incomplete", "resets", ATTACK_BOTH, incomplete, ATTACK_KILLED, 500, 3000, false, ATTACK_ALWAYS},
    {"made-reset-wrong-lengths", "resets", ATTACK_BOTH, wrong_lengths, ATTACK_KILLED, 4000, 3000, false, ATTACK_ALWAYS},
    {.name = NULL},
};
