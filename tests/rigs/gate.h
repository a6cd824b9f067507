/* gate.h - a gateway with an honest stream, and attacks beside it */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RIGS_GATE_H
#define TESTS_RIGS_GATE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_attack.h"
#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

#define MANY 20000

struct gate {
    struct rig rig;
    struct http_stream *honest;
    unsigned told; /* events it has been sent */
};

struct attack {
    const char *name;
    void (*put)(struct attack_peer *peer);
    const char *reason;
};

/* One per test: each test runs in a process of its own. */
extern struct gate gate;

/* more: further routes, as lines of the configuration. */
void gate_start(const char *more);
void gate_stop(void);
/* The gateway is alive, and the honest stream is still open and gets an event. */
void gate_require_unharmed(const char *after);

struct attack_peer *gate_open(bool tls, const char *alpn);
struct attack_peer *gate_open_h2(bool tls);
void gate_require_closed(struct attack_peer *peer, const char *name);
/* Repeats the attack until the log gives the reason: it takes only ten such lines a second. */
void gate_require_refused(const struct attack *attack, bool tls);
void gate_put_headers(struct attack_peer *peer, uint8_t flags, uint32_t stream);
/* MANY requests, each reset at once. */
void gate_rapid_reset(struct attack_peer *peer);

#endif
