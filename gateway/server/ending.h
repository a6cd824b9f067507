/* ending.h - how one worker ends: its streams, then its connections, then its loop */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_ENDING_H
#define GATEWAY_SERVER_ENDING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct connections;
struct hub;
struct listeners;
struct service_auth;
struct st_h2o_context_t;

/* In this order; a drain may be left out, and a shutdown may cut it short. */
enum ending_phase { ENDING_NOT = 0, ENDING_DRAIN, ENDING_STREAMS, ENDING_CONNECTIONS, ENDING_OVER };
enum ending_order { ENDING_ORDER_NONE = 0, ENDING_ORDER_DRAIN, ENDING_ORDER_SHUTDOWN };

/*
 * The main thread gives orders and asks, the worker's turns do what was
 * ordered and answer; the worker has to be woken for each order and question.
 */
struct ending {
    pthread_t thread; /* the worker's, from ending_begin on */
    /* the worker's; `listeners` from ending_begin on */
    unsigned worker;
    struct hub *hub;
    struct connections *connections;
    struct listeners *listeners;
    struct service_auth *service;
    struct st_h2o_context_t *context;

    enum ending_phase phase;
    int64_t deadline_ns;             /* of the phase */
    int64_t window_ns;               /* of the drain; set before its order */
    _Atomic int order;               /* enum ending_order: the last one given */
    _Atomic unsigned asked, drained; /* the last question; the last one that was answered with yes, 0: none */
    unsigned noted, answered;        /* what `asked` was a turn ago; what `drained` is */
};

/* Of the main thread; see worker.h. */
void ending_order_drain(struct ending *ending, int64_t window_ns);
void ending_order_shutdown(struct ending *ending);
void ending_ask_drained(struct ending *ending);
/* The answer to the last question, for which signals_wake is called. */
bool ending_is_drained(const struct ending *ending);

/* Of the worker's thread: it has these listeners now. Before the first turn. */
void ending_begin(struct ending *ending, struct listeners *listeners);
/* One step, in each of the worker's turns. True: there is more to do at once. */
bool ending_turn(struct ending *ending, int64_t now_ns);

#endif
