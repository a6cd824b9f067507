/* slow.c - connections that never become one, and requests that never end */
/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/attack/attack.h"
#include "tests/attack/honest.h"
#include "tests/support/sandbox.h"

#define SWEEP_MS 3000
#define CROWD 50
/* The longest that libh2o waits for an HTTP/1.1 request's end. */
#define REQUEST_MS 12000

/* Plain sockets, before or without TLS. */
static void count_ends(struct attack_run *run, int *fds, int ms)
{
    int64_t began = now_ms(), deadline = began + ms;
    size_t left = 0;

    for (size_t i = 0; i < CROWD; i++)
        left += fds[i] >= 0;
    while (left != 0 && now_ms() < deadline) {
        for (size_t i = 0; i < CROWD; i++) {
            char byte[256];
            ssize_t n = fds[i] >= 0 ? recv(fds[i], byte, sizeof(byte), MSG_DONTWAIT) : 1;
            struct pollfd p = {.fd = fds[i], .events = 0};
            if (fds[i] < 0 || n > 0 || (n < 0 && (poll(&p, 1, 0) != 1 || (p.revents & (POLLHUP | POLLERR)) == 0)))
                continue;
            close(fds[i]);
            fds[i] = -1;
            left--;
            run->tally->killed++;
            run->tally->killed_after_ms = now_ms() - began;
        }
        sleep_ms(20);
    }
    for (size_t i = 0; i < CROWD; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void connect_all(struct attack_run *run, int *fds)
{
    struct attack_target target = target_of(run, NULL);

    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = attack_connect(&target, 1000);
        run->tally->connections += fds[i] >= 0;
        run->tally->refused += fds[i] < 0;
    }
}

/* Connected, and not a byte. */
static void silent(struct attack_run *run)
{
    int fds[CROWD];

    connect_all(run, fds);
    count_ends(run, fds, LIMIT_HANDSHAKE_MS + SWEEP_MS);
}

/* Connected, and the sending direction closed at once. */
static void half_open(struct attack_run *run)
{
    int fds[CROWD];

    connect_all(run, fds);
    for (size_t i = 0; i < CROWD; i++)
        shutdown(fds[i], SHUT_WR);
    count_ends(run, fds, LIMIT_HANDSHAKE_MS + SWEEP_MS);
}

/* The head of a ClientHello that announces more, then a byte at a time. */
static void slow_handshake(struct attack_run *run)
{
    static const uint8_t head[] = {0x16, 3, 1, 0x02, 0, 1, 0, 0x01, 0xfc, 3, 3};
    int fds[CROWD];
    int64_t until = now_ms() + LIMIT_HANDSHAKE_MS / 2;

    connect_all(run, fds);
    for (size_t i = 0; i < CROWD; i++)
        if (fds[i] >= 0)
            send(fds[i], head, sizeof(head), MSG_NOSIGNAL);
    while (now_ms() < until) {
        for (size_t i = 0; i < CROWD; i++)
            if (fds[i] >= 0)
                send(fds[i], "r", 1, MSG_NOSIGNAL);
        sleep_ms(100);
    }
    count_ends(run, fds, LIMIT_HANDSHAKE_MS);
}

/* Bytes that aren't TLS, different ones on each connection. */
static void no_handshake(struct attack_run *run)
{
    uint8_t noise[512];
    int fds[CROWD];

    connect_all(run, fds);
    for (size_t i = 0; i < CROWD; i++) {
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (uint8_t)(k * (i + 3) >> (i % 4));
        if (i % 2)
            memcpy(noise, "\x16\x03\x01\x01\x00", 5);
        if (fds[i] >= 0)
            send(fds[i], noise, sizeof(noise), MSG_NOSIGNAL);
    }
    count_ends(run, fds, LIMIT_HANDSHAKE_MS + SWEEP_MS);
}

/* Sends a text to the end a byte at a time on CROWD connections, then waits. */
static void drip(struct attack_run *run, const char *alpn, const char *text, size_t len, int wait_ms)
{
    struct attack_target target = target_of(run, alpn);
    struct attack_peer *peers[CROWD];

    for (size_t i = 0; i < CROWD; i++)
        peers[i] = begin(run, &target);
    for (size_t at = 0; at < len && more(run); at++) {
        for (size_t i = 0; i < CROWD; i++) {
            if (peers[i] == NULL || peers[i]->closed)
                continue;
            attack_put(peers[i], text + at, 1);
            attack_flush(peers[i], 100);
            attack_drain(peers[i]);
        }
        sleep_ms(100);
    }
    int64_t deadline = now_ms() + wait_ms;
    for (size_t i = 0; i < CROWD; i++) {
        int64_t left = deadline - now_ms();
        finish(run, peers[i], left > 0 ? (int)left : 0);
    }
}

static void slow_preface(struct attack_run *run)
{
    drip(run, "h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n", 23, LIMIT_HANDSHAKE_MS + SWEEP_MS);
}

/* A header that grows for ever: slowloris. */
static void slow_headers(struct attack_run *run)
{
    static const char text[] =
        "GET /h HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    drip(run, "http/1.1", text, sizeof(text) - 1, REQUEST_MS);
}

/* A frame that announces 16 KB and arrives a byte at a time. */
static void slow_frame(struct attack_run *run)
{
    static const char text[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\x10\0\1\5\0\0\0\1xxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct attack_target target = target_of(run, "h2");
    struct attack_peer *peers[CROWD];

    for (size_t i = 0; i < CROWD; i++) {
        if ((peers[i] = begin(run, &target)) == NULL)
            continue;
        attack_put(peers[i], text, 42);
        attack_flush(peers[i], 500);
    }
    for (size_t at = 42; at < sizeof(text) - 1; at++) {
        for (size_t i = 0; i < CROWD; i++) {
            if (peers[i] == NULL || peers[i]->closed)
                continue;
            attack_put(peers[i], text + at, 1);
            attack_flush(peers[i], 100);
        }
        sleep_ms(100);
    }
    int64_t deadline = now_ms() + LIMIT_IDLE_MS + SWEEP_MS;
    for (size_t i = 0; i < CROWD; i++) {
        int64_t left = deadline - now_ms();
        finish(run, peers[i], left > 0 ? (int)left : 0);
    }
}

/* A body that is announced and never arrives. */
static void slow_body(struct attack_run *run)
{
    static const char text[] = "POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    struct attack_target target = target_of(run, "http/1.1");
    struct attack_peer *peers[CROWD];

    for (size_t i = 0; i < CROWD; i++) {
        if ((peers[i] = begin(run, &target)) == NULL)
            continue;
        attack_put(peers[i], text, sizeof(text) - 1);
        attack_flush(peers[i], 500);
    }
    int64_t deadline = now_ms() + REQUEST_MS;
    for (size_t i = 0; i < CROWD; i++) {
        int64_t left = deadline - now_ms();
        finish(run, peers[i], left > 0 ? (int)left : 0);
    }
}

/* A quick run has no time to wait for one timeout after the other. */
static void all_together(struct attack_run *run)
{
    struct attack all[32] = {{.name = NULL}};
    size_t count = 0;

    for (const struct attack *attack = slow_attacks; attack->name != NULL; attack++)
        if (attack->when == ATTACK_IN_FULL)
            all[count++] = *attack;
    for (const struct attack *attack = window_attacks; attack->name != NULL; attack++)
        all[count++] = *attack;
    run_together(run, all);
}

#define ROW(name, transports, run, ms)                                                                                 \
    {                                                                                                                  \
        name, "slow", transports, run, ATTACK_KILLED, ms, ms, false, ATTACK_IN_FULL                                    \
    }
const struct attack slow_attacks[] = {
    {"slow-and-stuck-together", "together", ATTACK_BOTH, all_together, ATTACK_EITHER, 15000, 0, false, ATTACK_IN_QUICK},
    ROW("silent-connections", ATTACK_BOTH, silent, 5000),
    ROW("half-open", ATTACK_BOTH, half_open, 5000),
    ROW("slow-handshake", ATTACK_TLS, slow_handshake, 5000),
    ROW("no-handshake", ATTACK_TLS, no_handshake, 5000),
    ROW("slow-preface", ATTACK_BOTH, slow_preface, 5000),
    ROW("slow-headers", ATTACK_BOTH, slow_headers, 10000),
    ROW("slow-frame", ATTACK_BOTH, slow_frame, 5000),
    ROW("slow-body", ATTACK_BOTH, slow_body, 5000),
    {.name = NULL},
};
