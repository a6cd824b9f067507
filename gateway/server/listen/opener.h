/* opener.h - brings accepted connections to where HTTP begins: PROXY header, limits, TLS handshake or first bytes */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_OPENER_H
#define GATEWAY_SERVER_LISTEN_OPENER_H

#include <pthread.h>
#include <stdint.h>

#include "gateway/server/gate/gate.h"
#include "gateway/server/reaper.h"

struct accept_slot;
struct acceptor;
struct connections;
struct shared;
struct sockaddr;
struct st_h2o_accept_ctx_t;
struct st_h2o_context_t;

/*
 * A connection is opening until its TLS handshake is done or, in cleartext,
 * until its first bytes tell HTTP/2 (RFC 9113 section 3.3) from HTTP/1.1. It
 * has ten seconds for that, and only two while too many are opening; failures
 * are counted as freshet_rejected_total{reason="handshake"}. A connection over a
 * limit of its address is closed at once (reason="address-connections",
 * "address-memory"). One per worker, its thread only.
 */
struct opener {
    pthread_t thread;
    struct st_h2o_context_t *context;
    struct st_h2o_accept_ctx_t *accept_ctx; /* an array, by accept class */
    struct connections *connections;
    const struct shared *shared;
    struct accept_slot *slot;
    struct gate_rules rules;
    struct reaper reaper;
};

/* The rest of it has been set. Takes connections->on_close. */
void opener_init(struct opener *opener, const struct gate_rules *rules);
/* Other rules, for the connections there are too. */
void opener_set_rules(struct opener *opener, const struct gate_rules *rules);
/* Takes the descriptor over, which the slot counts. */
void opener_open(struct opener *opener, const struct acceptor *acceptor, int fd, const struct sockaddr *peer,
                 int64_t accepted_ns);
/* Ends what has been opening for too long, and lets the reaper look at the others. Some times a second. */
void opener_tick(struct opener *opener, int64_t now_ns);

#endif
