/* durable.h - a JetStream stream, gateways that serve it, and checks of every event by its number */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RIGS_DURABLE_H
#define TESTS_RIGS_DURABLE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/*
 * As long as only durable_publish publishes, each message in ORDERS has its own
 * stream sequence as its payload: every event is checked by its data and its
 * id, and a reader that misses one or gets one twice is found out. Number n is
 * published on orders.(n % 4).(n / 4 % 2 ? "a" : "b").
 */
struct durable {
    struct nats_fixture *nats;
    struct jetstream *js;
    struct gateway *gateway;
    struct http_client *client;
    const char *live; /* "consumer" or "republish" */
    uint64_t stored;  /* the last number */
};

/* One per test: each test runs in a process of its own. */
extern struct durable durable;

/* Runs a test of the suite once for each way to follow a stream. */
#define TEST_IN_BOTH_MODES(suite, name)                                                                                \
    static void check_##name(void);                                                                                    \
    Test(suite, name)                                                                                                  \
    {                                                                                                                  \
        durable_start("consumer", NULL);                                                                               \
        check_##name();                                                                                                \
    }                                                                                                                  \
    Test(suite, name##_republished)                                                                                    \
    {                                                                                                                  \
        durable_start("republish", NULL);                                                                              \
        check_##name();                                                                                                \
    }                                                                                                                  \
    static void check_##name(void)

struct jetstream_stream durable_orders(void);
struct gateway *durable_start_gateway(const char *url, unsigned workers);
void durable_start(const char *live, const struct jetstream_stream *stream);
/* Skips what was never started. */
void durable_stop(void);
void durable_publish(unsigned count);
uint64_t durable_sequence(const char *id);
/*
 * The same for open readers, in steps: a burst larger than their route's ring
 * would end them as slow. Returns when the gateway has it all.
 */
void durable_publish_seen(struct http_stream *witness, unsigned count);
struct http_stream *durable_open(struct http_client *who, const char *path);
/* Opens a reader and waits until the gateway has caught up with the stream: the first id of a new stream shows it. */
struct http_stream *durable_wait_gateway(void);
/* durable_publish, then waits until the gateway has it all: a stream opened now doesn't begin behind its ring. */
void durable_publish_through(unsigned count);
struct http_stream *durable_resume(struct http_client *who, const char *path, const char *id);
/* "<incarnation>-" of the stream as the gateway names it now. */
const char *durable_incarnation(struct http_client *who);
struct http_stream *durable_resume_after(struct http_client *who, const char *path, uint64_t sequence);
void durable_require_number(const struct http_stream *stream, size_t index, uint64_t number);
/* The stream's events from index on are the numbers first … last that leave that remainder, each once, in order. */
void durable_require_some(struct http_stream *stream, size_t index, uint64_t first, uint64_t last, unsigned modulus,
                          unsigned remainder);
void durable_require_all(struct http_stream *stream, uint64_t first, uint64_t last);
void durable_require_response(struct http_client *who, const char *path, uint64_t first, uint64_t last,
                              unsigned modulus, unsigned remainder);
/* Stored events followed by live ones; then, on another stream, the stored ones alone. */
void durable_check_start(const char *path, const char *since, uint64_t first, unsigned modulus, unsigned remainder);
/* The event at index is a gap of that reason, which names `last` (NULL: any) and `next`. Returns its "next". */
const char *durable_require_gap(struct http_stream *stream, size_t index, const char *reason, const char *last);

#endif
