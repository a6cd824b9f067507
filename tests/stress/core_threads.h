/* core_threads.h - the source of core_threads.c: publishers, and a broker that comes and goes */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STRESS_CORE_THREADS_H
#define TESTS_STRESS_CORE_THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/core/channel.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/registry.h"
#include "gateway/core/source.h"
#include "proto/subject.h"

/*
 * Works as nats.c does, without NATS: channels are opened and closed on one
 * thread, later than requested; messages arrive on others. A publisher sees a
 * table of channels that does not change while a message goes to all of them.
 */
enum { PUBLISHERS = 4, SUBJECTS = 2 * PUBLISHERS, CHANNELS_MAX = 64 };
enum phase { RUN = 0, SETTLE, STOP };

static struct source source;
static unsigned seed;
static _Atomic int phase;
static _Atomic unsigned paused; /* publishers, in SETTLE */
static _Atomic bool control_stops;
static atomic_ulong counters[SUBJECTS]; /* the newest message of each */

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "core_threads: %s: %s (seed %u)\n", what, detail, seed);
    abort();
}

static void nap(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct channel *table[CHANNELS_MAX];
static size_t table_count;
static bool down; /* under table_lock: published messages reach no channel */

struct request {
    struct channel *channel;
    bool close;
    struct request *next;
};
static pthread_mutex_t request_lock = PTHREAD_MUTEX_INITIALIZER;
static struct request *requests, **requests_end = &requests;

static void request(struct channel *channel, bool close)
{
    struct request *mine = malloc(sizeof(*mine));
    *mine = (struct request){.channel = channel, .close = close};
    pthread_mutex_lock(&request_lock);
    *requests_end = mine;
    requests_end = &mine->next;
    pthread_mutex_unlock(&request_lock);
}

static void do_open(struct source *s, struct channel *channel)
{
    (void)s;
    request(channel, false);
}

static void do_close(struct source *s, struct channel *channel)
{
    (void)s;
    request(channel, true);
}

static void handle(const struct request *mine)
{
    pthread_rwlock_wrlock(&table_lock);
    if (!mine->close) {
        if (table_count == CHANNELS_MAX)
            fail("channels", "the table is full");
        table[table_count++] = mine->channel;
    } else {
        for (size_t i = 0; i != table_count; ++i) {
            if (table[i] == mine->channel) {
                table[i] = table[--table_count];
                break;
            }
        }
    }
    pthread_rwlock_unlock(&table_lock);
    if (mine->close)
        ingress_closed(mine->channel);
    else
        ingress_opened(mine->channel);
}

static bool handle_requests(void)
{
    pthread_mutex_lock(&request_lock);
    struct request *mine = requests;
    requests = NULL;
    requests_end = &requests;
    pthread_mutex_unlock(&request_lock);
    bool any = mine != NULL;
    while (mine != NULL) {
        struct request *next = mine->next;
        handle(mine);
        free(mine);
        mine = next;
    }
    return any;
}

/* A channel in the table has been opened: this thread puts it there and opens it in one go. */
static void set_down(bool value)
{
    pthread_rwlock_wrlock(&table_lock);
    if (down && !value)
        ingress_lost(&source, table, table_count);
    down = value;
    pthread_rwlock_unlock(&table_lock);
}

static void *control(void *arg)
{
    unsigned random = seed + 1000;
    bool outage = false;
    while (!atomic_load(&control_stops) || handle_requests()) {
        handle_requests();
        int chance = rand_r(&random) % 40;
        bool wanted = atomic_load(&phase) == RUN && (outage ? chance > 10 : chance == 0);
        if (wanted != outage)
            set_down(outage = wanted);
        registry_sweep(arg, INT64_MAX);
        nap(500);
    }
    return NULL;
}

static void publish(unsigned subject, unsigned *random)
{
    char name[8], data[700];
    unsigned long number = atomic_fetch_add(&counters[subject], 1) + 1;
    int name_len = snprintf(name, sizeof(name), "t.%u", subject);
    int data_len = snprintf(data, sizeof(data), "%u %lu %*s", subject, number, rand_r(random) % 600, "");
    struct message message = {
        .subject = name,
        .subject_len = (size_t)name_len,
        .data = data,
        .data_len = (size_t)data_len,
        .received_ns = clock_wall_ns(),
    };
    pthread_rwlock_rdlock(&table_lock);
    for (size_t i = 0; !down && i != table_count; ++i) {
        const char *pattern = ingress_pattern(table[i]);
        if (subject_matches(pattern, strlen(pattern), name, (size_t)name_len))
            ingress_append(table[i], &message);
    }
    pthread_rwlock_unlock(&table_lock);
}

static void *publisher(void *arg)
{
    unsigned first = *(const unsigned *)arg * 2, random = seed + first;
    bool is_paused = false;
    for (int now; (now = atomic_load(&phase)) != STOP;) {
        if (is_paused != (now == SETTLE)) {
            is_paused = now == SETTLE;
            atomic_fetch_add(&paused, is_paused ? 1u : -1u);
        }
        if (is_paused) {
            nap(200);
            continue;
        }
        for (int burst = rand_r(&random) % 30; burst != 0; --burst)
            publish(first + (unsigned)rand_r(&random) % 2, &random);
        nap(rand_r(&random) % 300);
    }
    return NULL;
}

#endif
