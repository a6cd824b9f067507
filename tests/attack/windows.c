/* windows.c - clients that ask for much and take nothing, and clients that do nothing at all */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/attack/attack.h"
#include "tests/attack/honest.h"
#include "tests/support/sandbox.h"

/* The gateway looks for expired timeouts now and then, so an end may come this much later. */
#define SWEEP_MS 3000
#define STREAMS 90
#define CROWD 10

static void open_streams(struct attack_peer *peer, const char *path, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        h2_put_get(peer, 2 * i + 1, path);
    attack_flush(peer, 1000);
}

/* CROWD connections with as many streams as they may have, then nothing more from them. */
static void hold(struct attack_run *run, uint32_t window, const char *path, uint32_t streams)
{
    struct attack_peer *peers[CROWD];

    for (size_t i = 0; i < CROWD; i++)
        if ((peers[i] = begin_h2(run, window)) != NULL)
            open_streams(peers[i], path, streams);
    for (size_t i = 0; i < CROWD; i++)
        finish(run, peers[i], LIMIT_WRITE_MS + LIMIT_IDLE_MS + SWEEP_MS);
}

static void window_none(struct attack_run *run)
{
    hold(run, 0, HONEST_PATH, STREAMS);
}

static void window_byte(struct attack_run *run)
{
    hold(run, 1, HONEST_PATH, STREAMS);
}

/* A finished answer that is never read: no code of the gateway's own is left to notice. */
static void window_finished(struct attack_run *run)
{
    hold(run, 0, NOWHERE_PATH, STREAMS);
}

/* The streams have window, the connection has none but its first 64 KB. */
static void window_connection(struct attack_run *run)
{
    struct attack_target target = target_of(run, "h2");
    struct attack_peer *peer = begin(run, &target);

    if (peer == NULL)
        return;
    attack_put(peer, H2_PREFACE, sizeof(H2_PREFACE) - 1);
    h2_put_setting(peer, H2_SET_INITIAL_WINDOW, H2_WINDOW_MAX);
    open_streams(peer, BULK_PATH, STREAMS);
    finish(run, peer, LIMIT_WRITE_MS + LIMIT_IDLE_MS + SWEEP_MS);
}

/* A byte now and then to each stream. */
static void window_trickle(struct attack_run *run)
{
    struct attack_peer *peer = begin_h2(run, 1);

    if (peer == NULL)
        return;
    open_streams(peer, HONEST_PATH, 20);
    while (more(run) && !peer->closed) {
        for (uint32_t i = 0; i < 20; i++)
            h2_put_window(peer, 2 * i + 1, 1);
        attack_flush(peer, 200);
        attack_drain(peer);
        sleep_ms(500);
    }
    finish(run, peer, 0);
}

/* finish() reads; this only looks whether the other side is gone. */
static void await_end(struct attack_run *run, struct attack_peer *peer, int ms)
{
    int64_t deadline = now_ms() + ms;
    struct linger reset = {1, 0};

    while (peer != NULL && now_ms() < deadline && !peer->closed) {
        /* bytes sent to a closed connection are answered by a reset: PINGs, too few to be a flood */
        h2_put(peer, H2_PING, 0, 0, "anybody?", 8);
        attack_flush(peer, 100);
        sleep_ms(300);
    }
    if (peer != NULL)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    finish(run, peer, 0);
}

static void stuck(struct attack_run *run, bool fin)
{
    struct attack_target target = target_of(run, "h2");
    struct attack_peer *peers[CROWD];

    target.receive_buffer = 4096;
    for (size_t i = 0; i < CROWD; i++) {
        if ((peers[i] = begin(run, &target)) == NULL)
            continue;
        h2_put_hello(peers[i], H2_WINDOW_MAX);
        open_streams(peers[i], BULK_PATH, 5);
        attack_wait_full(peers[i], 50, 500);
        if (fin)
            shutdown(peers[i]->fd, SHUT_WR);
    }
    /* reads nothing until it should be over, then what came before the end */
    sleep_ms(LIMIT_WRITE_MS + LIMIT_IDLE_MS + SWEEP_MS);
    for (size_t i = 0; i < CROWD; i++) {
        if (fin)
            finish(run, peers[i], 1000);
        else
            await_end(run, peers[i], 1000);
    }
}

static void stuck_open(struct attack_run *run)
{
    stuck(run, false);
}

static void stuck_fin(struct attack_run *run)
{
    stuck(run, true);
}

/* Reads, but so little that a megabyte takes minutes. */
static void slow_read(struct attack_run *run)
{
    struct attack_target target = target_of(run, "h2");
    struct attack_peer *peer;
    uint8_t buffer[100];

    target.receive_buffer = 4096;
    if ((peer = begin(run, &target)) == NULL)
        return;
    h2_put_hello(peer, H2_WINDOW_MAX);
    open_streams(peer, BULK_PATH, 20);
    while (more(run) && !peer->closed) {
        attack_read(peer, buffer, sizeof(buffer), 50);
        sleep_ms(50);
    }
    finish(run, peer, 0);
}

static void slow_read_http1(struct attack_run *run)
{
    struct attack_target target = target_of(run, "http/1.1");
    struct attack_peer *peers[CROWD];

    target.receive_buffer = 4096;
    for (size_t i = 0; i < CROWD; i++) {
        if ((peers[i] = begin(run, &target)) == NULL)
            continue;
        attack_put(peers[i], "GET " BULK_PATH " HTTP/1.1\r\nhost: x\r\n\r\n", 50);
        attack_flush(peers[i], 500);
    }
    sleep_ms(LIMIT_WRITE_MS + LIMIT_IDLE_MS + SWEEP_MS);
    for (size_t i = 0; i < CROWD; i++)
        finish(run, peers[i], 1000);
}

/* No stream at all, but a PING now and then. */
static void pinged_idle(struct attack_run *run)
{
    struct attack_peer *peer = begin_h2(run, 65535);

    while (peer != NULL && more(run) && !peer->closed) {
        h2_put(peer, H2_PING, 0, 0, "no sleep", 8);
        attack_flush(peer, 200);
        attack_drain(peer);
        sleep_ms(200);
    }
    finish(run, peer, 0);
}

static void idle(struct attack_run *run)
{
    hold(run, 65535, NOWHERE_PATH, 0);
}

/* Connections that open, send requests and vanish with the answers in flight. */
static void vanishing(struct attack_run *run)
{
    struct linger reset = {1, 0};

    while (more(run) && run->tally->connections < (run->full ? 2000 : 60)) {
        struct attack_peer *peer = begin_h2(run, H2_WINDOW_MAX);
        if (peer == NULL)
            continue;
        open_streams(peer, run->tally->connections % 2 ? BULK_PATH : HONEST_PATH, 20);
        if (run->tally->connections % 3 == 0)
            attack_wait_full(peer, 20, 100);
        run->tally->frames += peer->frames;
        run->tally->bytes += peer->sent;
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        attack_close(peer);
    }
}

#define ROW(name, transports, run, end, ms)                                                                            \
    {                                                                                                                  \
        name, "windows", transports, run, end, ms, ms, false, ATTACK_IN_FULL                                           \
    }
const struct attack window_attacks[] = {
    ROW("window-zero", ATTACK_BOTH, window_none, ATTACK_KILLED, 5000),
    ROW("window-one-byte", ATTACK_BOTH, window_byte, ATTACK_KILLED, 5000),
    ROW("window-finished", ATTACK_BOTH, window_finished, ATTACK_KILLED, 5000),
    ROW("window-of-the-connection", ATTACK_BOTH, window_connection, ATTACK_KILLED, 5000),
    ROW("window-trickle", ATTACK_BOTH, window_trickle, ATTACK_EITHER, 5000),
    ROW("stuck-write", ATTACK_BOTH, stuck_open, ATTACK_KILLED, 5000),
    ROW("stuck-write-fin", ATTACK_BOTH, stuck_fin, ATTACK_KILLED, 5000),
    ROW("slow-read", ATTACK_BOTH, slow_read, ATTACK_EITHER, 5000),
    ROW("slow-read-http1", ATTACK_BOTH, slow_read_http1, ATTACK_KILLED, 5000),
    ROW("idle", ATTACK_BOTH, idle, ATTACK_KILLED, 5000),
    ROW("idle-with-pings", ATTACK_BOTH, pinged_idle, ATTACK_KILLED, LIMIT_IDLE_MS + SWEEP_MS),
    ROW("vanishing", ATTACK_BOTH, vanishing, ATTACK_EITHER, 5000),
    {.name = NULL},
};
