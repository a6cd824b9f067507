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
 * The gateway's own limits while it is attacked: low, so that what they end is
 * ended within a quick run. The bulk route's heartbeat lets HTTP/1.1 streams
 * notice that nobody reads them.
 */
#define LIMIT_IDLE_MS 2000
#define LIMIT_WRITE_MS 2000
#define LIMIT_HANDSHAKE_MS 10000      /* not configurable */
#define LIMIT_CONNECTIONS_QUICK 600ul /* in a full run: what the descriptors allow */

/* A stream of these never gets an event; its first block is always as long as the next one's. */
#define QUIET_PATH "/quiet/q"
#define NOWHERE_PATH "/nowhere"

/* Filled by the attacker's process, read by the one that judges. */
struct tally {
    uint64_t connections; /* that were opened */
    uint64_t refused;     /* that could not be */
    uint64_t killed;      /* of those opened: ended by the gateway */
    uint64_t frames, bytes;
    int64_t killed_after_ms; /* the longest of them */
    char failure[200];       /* what should not have happened; empty: nothing */
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
/* What becomes of the connections that attack. */
enum attack_end {
    ATTACK_KILLED,   /* the gateway ends each */
    ATTACK_SURVIVES, /* it ends none: nothing they do is an attack on anybody but themselves */
    ATTACK_EITHER,
};

enum attack_when {
    ATTACK_ALWAYS = 0,
    ATTACK_IN_FULL,  /* in quick runs only when asked for by name */
    ATTACK_IN_QUICK, /* stands for several of the former, which it runs side by side */
};

struct attack {
    const char *name;
    const char *group;
    enum attack_transport transports;
    /* Runs in a process of its own, niced; returns when it is done or more() says so. */
    void (*run)(struct attack_run *run);
    enum attack_end end;
    int quick_ms, full_ms; /* how long it runs */
    bool ends_gateway;     /* its last act is the gateway's shutdown, which has to be in order */
    enum attack_when when;
};

extern const struct attack killers[], floods[], resets[], hpack_attacks[], window_attacks[], slow_attacks[],
    http1_attacks[], tls_attacks[], connection_attacks[], soup_attacks[];

/* Time is left. */
bool more(const struct attack_run *run);
struct attack_target target_of(const struct attack_run *run, const char *alpn);
/* Opens a connection and counts it; NULL when the gateway doesn't take it, which is counted too. */
struct attack_peer *begin(struct attack_run *run, const struct attack_target *target);
/* The same with ALPN h2, and the preface put. */
struct attack_peer *begin_h2(struct attack_run *run, uint32_t initial_window);
/* Waits at most ms for the gateway to end it, counts, closes. */
void finish(struct attack_run *run, struct attack_peer *peer, int ms);
/* The first failure stays. */
void failed(struct attack_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Connection after connection, each flooded until it is killed or the time is
 * up; a killed one is followed by the next, a bounded number of them.
 */
struct flood {
    /* Puts a portion of frames. round counts from 0 for each connection. */
    void (*fill)(struct attack_run *run, struct attack_peer *peer, uint32_t round);
    uint32_t initial_window;
    bool unread; /* what the gateway answers is left lying */
};
void run_flood(struct attack_run *run, const struct flood *flood);

/* An attack that is no more than that. */
#define FLOOD_ATTACK(name, fill, initial_window, unread)                                                               \
    static void name(struct attack_run *run)                                                                           \
    {                                                                                                                  \
        run_flood(run, &(struct flood){fill, initial_window, unread});                                                 \
    }

/* Runs attacks side by side, each in a process, and adds up what they have seen. */
void run_together(struct attack_run *run, const struct attack *attacks);

#endif
