/* gate_internal.h - what the parts of the gate know of each other */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GATE_GATE_INTERNAL_H
#define GATEWAY_SERVER_GATE_GATE_INTERNAL_H

#include <h2o.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/metrics.h"
#include "gateway/server/gate/gate.h"
#include "gateway/server/gate/gate_http1.h"
#include "proto/h2_gate.h"

/* One connection's, from accept to close. Its worker's thread only. */
struct gate {
    struct connection *connection;
    const struct gate_rules *rules;
    /* libh2o's reader, called where it says so; NULL until HTTP begins */
    h2o_socket_cb inner;
    /* our own, which stands in its place whenever libh2o starts to read */
    h2o_socket_cb reader;
    void (*on_read_start)(struct gate *gate); /* before that; NULL: nothing to do */
    SSL_CTX *tls;                             /* a reference; NULL: none */
    bool *gone; /* set when the connection is freed: the caller of libh2o looks at it afterwards */
    size_t sent_seen;
    int64_t budget, budget_ns; /* bytes that may still be received, as of then */
    union {
        struct {
            struct h2_gate_rules rules;
            struct h2_gate gate;
        } http2;
        struct {
            struct gate_http1_head head;
            h2o_buffer_t *held;   /* of a head that libh2o must not see yet; NULL: none */
            bool in_body;         /* libh2o has a request that has a body */
            bool awaits_continue; /* … which it has not asked for yet */
        } http1;
    };
};

struct gate *gate_of(h2o_socket_t *sock);
/* Counts and logs. */
void gate_report(struct gate *gate, enum metric metric, const char *reason);
/* The same, and shuts the connection down. */
void gate_refuse(struct gate *gate, enum metric metric, const char *reason);
/* Calls libh2o's reader. GONE: gate, connection and socket are freed. STOPPED: libh2o reads no more, for now or ever. */
enum gate_shown { GATE_SHOWN = 0, GATE_STOPPED, GATE_GONE };
enum gate_shown gate_show(struct gate *gate, h2o_socket_t *sock, const char *err);

void gate_http1_read(h2o_socket_t *sock, const char *err);
void gate_http1_read_on_start(struct gate *gate);
void gate_http1_read_dispose(struct gate *gate);

void gate_http2_init(struct gate *gate);
void gate_http2_apply_rules(struct gate *gate);
void gate_http2_read(h2o_socket_t *sock, const char *err);

void gate_meter_start(struct gate *gate);
/* What has been written since the last call is credited, and returned. */
uint64_t gate_meter_sent(struct gate *gate);
/* False: the budget is overdrawn and the connection refused. */
bool gate_meter_received(struct gate *gate, size_t bytes);
/* What was received and is governed by other rules. */
void gate_meter_refund(struct gate *gate, size_t bytes);

#endif
