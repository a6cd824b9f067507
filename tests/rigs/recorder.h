/* recorder.h - stands in for the core's channels, and records what a source reports */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RIGS_RECORDER_H
#define TESTS_RIGS_RECORDER_H

/*
 * Defines the functions of gateway/core/ingress.h that every source calls. The
 * others come from the recorder of the program's kind of source, in
 * tests/integration; none is the core's own.
 */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/sandbox.h"

struct message;

enum record_kind { OPENED = 0, DENIED, EVENT, LOST, EPOCH, CLOSED, KINDS };

struct channel {
    char pattern[256];
    void *source_data;
    uint64_t floor;
    unsigned counts[KINDS];
};

struct record {
    enum record_kind kind;
    struct channel *channel; /* NULL: of no particular channel */
    uint64_t number;
    int64_t received_ns;
    char subject[64];
    char data[64];
};

struct recorder {
    pthread_mutex_t lock;
    struct record *records;
    size_t count, capacity;
    void (*on_message)(const struct message *message); /* on the delivery thread, unlocked */
    /* of a JetStream source */
    uint64_t horizon, base, incarnation;
    unsigned epochs;
    bool is_out_of_order;
    atomic_bool is_held; /* events wait in ingress_append_at, as if the core were too slow */
};

extern struct recorder recorder;

/* The caller holds the lock. message: NULL for records of other kinds. */
void recorder_add(enum record_kind kind, struct channel *channel, uint64_t number, const struct message *message);
/* Takes the lock. */
void recorder_write(enum record_kind kind, struct channel *channel, uint64_t number, const struct message *message);
/* How many records of a kind a channel has. */
unsigned recorder_count(struct channel *channel, enum record_kind kind);
/* Call after all other use of NATS in the test has ended. */
void recorder_forget(void);

struct channel *recorder_make_channel(const char *pattern);

#define AWAIT_MS(condition, ms)                                                                                        \
    do {                                                                                                               \
        int64_t give_up_ = deadline_in(ms);                                                                            \
        while (!(condition)) {                                                                                         \
            cr_assert(now_ms() < give_up_, "waited in vain for %s", #condition);                                       \
            sleep_ms(2);                                                                                               \
        }                                                                                                              \
    } while (0)
#define AWAIT(condition) AWAIT_MS(condition, 20000)

#endif
