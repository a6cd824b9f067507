/* honest.h - the clients that must not notice an attack: their streams, losses and latencies */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ATTACK_HONEST_H
#define TESTS_ATTACK_HONEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Two processes beside the attacker's: one publishes HONEST_RATE messages a
 * second, numbered and stamped with their time, one holds HONEST_STREAMS
 * streams that each get all of them. Figures come back through shared memory.
 */
#define HONEST_CONNECTIONS 10
#define HONEST_STREAMS 500
#define HONEST_RATE 500
#define HONEST_SUBJECT "h"
#define HONEST_PATH "/h"
/* Messages that stay in the gateway's history, for attacks that ask for a lot at once: about 4 MB together. */
#define BULK_SUBJECT "bulk"
#define BULK_PATH "/bulk?since=earliest"
#define BULK_MESSAGES 60

struct honest;

/* Returns once all streams are there and messages flow. NULL (with a note on stderr): they don't. */
struct honest *honest_start(const char *nats_url, uint16_t tls_port);
void honest_stop(struct honest *honest);

/* Records latencies from now on. */
void honest_measure(struct honest *honest);
struct honest_latency {
    uint64_t events;
    double p50_ms, p99_ms, max_ms;
};
struct honest_latency honest_measured(struct honest *honest);

/*
 * Waits until every stream has received all messages published so far. Those
 * that are missing, repeated or out of order count as lost, and so do gap
 * events and the streams of a broken connection. Counts since the last call.
 */
uint64_t honest_lost(struct honest *honest);

#endif
