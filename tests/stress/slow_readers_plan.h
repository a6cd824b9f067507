/* slow_readers_plan.h - what a round of slow_readers does, drawn from its number */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STRESS_SLOW_READERS_PLAN_H
#define TESTS_STRESS_SLOW_READERS_PLAN_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/http_client.h"
#include "tests/support/sandbox.h"

#define PLAN_STREAM "SLOW"
#define PLAN_SUBJECT "slow.numbers"
#define PLAN_READERS 40
#define PLAN_MESSAGES 12000
#define PLAN_SIZE 40000
#define PLAN_BYTES (6 << 20) /* more than a socket of the gateway takes for a client that reads nothing */
#define PLAN_ANY_BUFFER (-1) /* each client draws its own */

enum plan_route { PLAN_DURABLE = 0, PLAN_MEMORY, PLAN_SKIP };
static const char *const plan_paths[] = {"/durable", "/memory", "/skip"};

enum plan_kind { PLAN_HERD = 0, PLAN_TRICKLE, PLAN_MIXED, PLAN_BESIDE, PLAN_DRAIN, PLAN_CUT, PLAN_ALONE, PLAN_LIVE };
static const char *const plan_kinds[] = {"herd", "trickle", "mixed", "beside", "drain", "cut", "alone", "live"};

struct plan {
    unsigned number;
    enum plan_kind kind;
    enum http_mode mode;
    enum plan_route route;
    unsigned workers, replays, ring; /* of the gateway's configuration */
    unsigned readers, per_client;
    long receive_buffer; /* 0: the system's */
    unsigned messages, size;
    unsigned rate; /* published in a second while they read */
    unsigned stall_ms, read_ms;
    const char *window; /* of a drain */
    bool stops, cuts, has_fast, drains;
};

static unsigned plan_seed; /* of rand_r: the plan's first, then what the round itself draws */

static unsigned draw(unsigned count)
{
    return (unsigned)rand_r(&plan_seed) % count;
}

static long draw_buffer(void)
{
    static const long sizes[] = {0, 2048, 4096, 4096, 8192, 16384, 65536, 262144};

    return sizes[draw(8)];
}

static unsigned plan_most_messages(const struct plan *plan)
{
    return PLAN_BYTES / plan->size < PLAN_MESSAGES ? PLAN_BYTES / plan->size : PLAN_MESSAGES;
}

static void plan_draw_load(struct plan *plan)
{
    static const unsigned sizes[] = {60, 500, 500, 4000, PLAN_SIZE};

    plan->size = sizes[draw(5)];
    plan->messages = plan_most_messages(plan) / (1 + draw(6));
    plan->rate = draw(2) ? 1 + draw(1000000 / plan->size) : 0;
    plan->stall_ms = draw(2) ? draw(700) : 0;
    plan->read_ms = 1000;
}

static void plan_draw_all(struct plan *plan)
{
    static const unsigned rings[] = {16, 256, 1024}, replays[] = {1, 4, 16};

    plan->mode = draw(4);
    plan->route = draw(2) ? PLAN_DURABLE : draw(2) ? PLAN_MEMORY : PLAN_SKIP;
    plan->workers = 1 + draw(2);
    plan->replays = replays[draw(3)];
    plan->ring = rings[draw(3)];
    plan->readers = draw(4) == 0 ? PLAN_READERS : 1 + draw(20);
    plan->per_client = plan->mode == HTTP_H2 && draw(2) ? 5 : 1;
    plan->receive_buffer = draw(2) ? PLAN_ANY_BUFFER : draw_buffer();
    plan_draw_load(plan);
    plan->window = draw(2) ? "0" : "300ms";
    plan->stops = draw(2);
    plan->cuts = draw(4) == 0;
    plan->has_fast = draw(3) == 0;
}

/*
 * None reads, then all do: the gateway's sockets are full first, and later have room at moments when the gateway has
 * nothing to write, because there are more readers than replays.
 */
static void plan_set_herd(struct plan *plan)
{
    plan->mode = draw(2) ? HTTP_H1 : HTTP_H1C;
    plan->route = PLAN_DURABLE;
    plan->replays = draw(2) ? 4 : 16;
    plan->ring = 1024;
    plan->readers = 20;
    plan->per_client = 1;
    plan->receive_buffer = 4096;
    plan->messages = PLAN_MESSAGES;
    plan->size = 500;
    plan->rate = 0;
    plan->stall_ms = 500;
    plan->read_ms = 3000;
    plan->stops = plan->cuts = plan->has_fast = false;
}

static void plan_set_kind(struct plan *plan)
{
    switch (plan->kind) {
    case PLAN_HERD:
        plan_set_herd(plan);
        break;
    case PLAN_TRICKLE: /* the same, with single events that find little room */
        plan_set_herd(plan);
        plan->route = draw(2) ? PLAN_DURABLE : PLAN_MEMORY;
        plan->rate = 300 + draw(3000);
        plan->read_ms = 2000;
        break;
    case PLAN_MIXED:
        break;
    case PLAN_BESIDE:
        plan->has_fast = true;
        plan->readers = 1;
        plan->stall_ms = 500;
        break;
    case PLAN_DRAIN:
        plan->drains = true;
        break;
    case PLAN_CUT:
        plan->cuts = true;
        break;
    case PLAN_ALONE:
        plan->readers = 1;
        plan->has_fast = false;
        break;
    case PLAN_LIVE:
        plan->rate = plan_most_messages(plan);
        plan->messages = 1 + plan->messages / 100;
        plan->stops = true;
        break;
    }
}

/* A hash of 32 bits, because rand_r draws similar values for seeds that follow each other. */
static unsigned plan_scatter(unsigned number)
{
    number = (number ^ number >> 16) * 0x7feb352du;
    number = (number ^ number >> 15) * 0x846ca68bu;
    return number ^ number >> 16;
}

static struct plan plan_of(unsigned number)
{
    static const enum plan_kind kinds[] = {PLAN_HERD,    PLAN_MIXED, PLAN_DRAIN, PLAN_CUT,   PLAN_HERD,
                                           PLAN_TRICKLE, PLAN_LIVE,  PLAN_ALONE, PLAN_BESIDE};
    struct plan plan = {.number = number, .kind = kinds[number % (sizeof(kinds) / sizeof(kinds[0]))]};

    plan_seed = plan_scatter(number);
    plan_draw_all(&plan);
    plan_set_kind(&plan);
    return plan;
}

/* The ring of /memory holds more than a round publishes; that of /skip may not, and then its slow readers miss some. */
static char *plan_yaml(const struct plan *plan)
{
    return text_format("limits: {replays: %u}\n"
                       "drain: {window: %s, timeout: 1s}\n"
                       "defaults:\n"
                       "  heartbeat: 1s\n"
                       "routes:\n"
                       "  - {path: /durable, subjects: [" PLAN_SUBJECT "],\n"
                       "     history: {store: jetstream, stream: " PLAN_STREAM ", events: %u}}\n"
                       "  - {path: /memory, subjects: [" PLAN_SUBJECT "],\n"
                       "     history: {events: 100000, bytes: 256MiB}}\n"
                       "  - {path: /skip, subjects: [" PLAN_SUBJECT "], slow: skip, history: {events: %u}}\n",
                       plan->replays, plan->window, plan->ring, plan->ring);
}

static void plan_print(const struct plan *plan, FILE *file)
{
    fprintf(file,
            "slow_readers: round %u: %s, %s over %s, %u workers, %u replays, ring of %u; %u readers, %u on a client, "
            "buffer %ld; %u messages of %u bytes, %u/s meanwhile; stalled for %u ms%s%s%s%s\n",
            plan->number, plan_kinds[plan->kind], plan_paths[plan->route], http_mode_names[plan->mode], plan->workers,
            plan->replays, plan->ring, plan->readers, plan->per_client, plan->receive_buffer, plan->messages,
            plan->size, plan->rate, plan->stall_ms, plan->stops ? ", stops" : "", plan->cuts ? ", cuts" : "",
            plan->has_fast ? ", a fast one" : "", plan->drains ? ", drains" : "");
    fflush(file);
}

#endif
