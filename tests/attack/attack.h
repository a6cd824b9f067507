/* attack.h - one attack: what it is, what it may do, what it has seen */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ATTACK_ATTACK_H
#define TESTS_ATTACK_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/h2_attack.h"

/*
 * The gateway's own limits while it is attacked: low, so that they take effect
 * within a quick run. With the bulk route's heartbeat the gateway notices that
 * an HTTP/1.1 stream is no longer read.
 */
#define LIMIT_IDLE_MS 2000
#define LIMIT_WRITE_MS 2000
#define LIMIT_HANDSHAKE_MS 10000      /* not configurable */
#define LIMIT_CONNECTIONS_QUICK 600ul /* in a full run: what the descriptors allow */

/* A stream of QUIET_PATH never gets an event, NOWHERE_PATH has no route: all answers of each have the same length. */
#define QUIET_PATH "/quiet/q"
#define NOWHERE_PATH "/nowhere"

/* Filled by the attacker's process, read by the one that judges. */
struct tally {
    uint64_t connections; /* that were opened */
    uint64_t refused;     /* that could not be */
    uint64_t killed;      /* of those opened: ended by the gateway */
    uint64_t frames, bytes;
    int64_t killed_after_ms; /* the longest of them */
    char failure[200];       /* what went wrong; empty: nothing */
};

struct attack_run {
    uint16_t tls_port, clear_port;
    bool tls;
    bool full;
    unsigned seed; /* for rand_r */
    int64_t until_ms;
    pid_t gateway;
    struct tally *tally;
};

enum attack_transport { ATTACK_TLS = 1, ATTACK_CLEAR = 2, ATTACK_BOTH = 3 };
/* What happens to the attacking connections. */
enum attack_end {
    ATTACK_KILLED,   /* the gateway ends each */
    ATTACK_SURVIVES, /* it ends none: they harm nothing but themselves */
    ATTACK_EITHER,
};

enum attack_when {
    ATTACK_ALWAYS = 0,
    ATTACK_IN_FULL,  /* in quick runs only when asked for by name */
    ATTACK_IN_QUICK, /* runs several of the former side by side, in their place */
};

struct attack {
    const char *name;
    const char *group;
    enum attack_transport transports;
    /* Runs in a process of its own, niced; returns when it is done or more() says so. */
    void (*run)(struct attack_run *run);
    enum attack_end end;
    int quick_ms, full_ms; /* how long it runs */
    bool ends_gateway;     /* it ends by stopping the gateway, which has to exit in order */
    enum attack_when when;
};

extern const struct attack killers[], floods[], resets[], hpack_attacks[], window_attacks[], slow_attacks[],
    http1_attacks[], tls_attacks[], connection_attacks[], soup_attacks[];

/* True while there is time left. */
bool more(const struct attack_run *run);
struct attack_target target_of(const struct attack_run *run, const char *alpn);
/* Opens a connection and counts it; NULL when the gateway doesn't take it, which is counted too. */
struct attack_peer *begin(struct attack_run *run, const struct attack_target *target);
/* The same with ALPN h2, and the preface put. */
struct attack_peer *begin_h2(struct attack_run *run, uint32_t initial_window);
/* Waits at most ms for the gateway to end it, counts, closes. */
void finish(struct attack_run *run, struct attack_peer *peer, int ms);
/* Keeps the first failure only. */
void failed(struct attack_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Connection after connection, each flooded until it is killed or the time is
 * up; a killed one is followed by the next, a bounded number of them.
 */
struct flood {
    /* Puts a portion of frames. round counts from 0 for each connection. */
    void (*fill)(struct attack_run *run, struct attack_peer *peer, uint32_t round);
    uint32_t initial_window;
    bool unread; /* the gateway's answers are not read */
};
void run_flood(struct attack_run *run, const struct flood *flood);

/* An attack that is nothing but a flood. */
#define FLOOD_ATTACK(name, fill, initial_window, unread)                                                               \
    static void name(struct attack_run *run)                                                                           \
    {                                                                                                                  \
        run_flood(run, &(struct flood){fill, initial_window, unread});                                                 \
    }

/* Runs attacks side by side, each in a process, and adds up their tallies. */
void run_together(struct attack_run *run, const struct attack *attacks);

#endif
