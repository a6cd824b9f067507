/* trial.h - one attack against a real gateway that serves others meanwhile, and its effect on both */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ATTACK_TRIAL_H
#define TESTS_ATTACK_TRIAL_H

#include "tests/attack/attack.h"
#include "tests/attack/honest.h"

struct battlefield; /* broker, gateway, honest clients; set up again whenever the gateway has died */

/* publish: the gateway also has a route that takes messages. */
struct battlefield *battlefield_create(bool full, bool publish);
void battlefield_destroy(struct battlefield *field);

struct trial {
    const struct attack *attack;
    bool tls;
    struct tally tally;
    struct honest_latency before, during;
    uint64_t lost;
    uint64_t subscriptions;             /* made at the broker during the attack */
    size_t memory_before, memory_after; /* bytes */
    size_t memory_again;                /* after a second round, where one was needed; else 0 */
    unsigned fds_before, fds_after;
    const char *verdict; /* "ok", or the first thing that is wrong */
    bool only_late;      /* only the latency is wrong */
    char detail[256];
};

/* Runs it; the seed is the attack's. */
struct trial battlefield_try(struct battlefield *field, const struct attack *attack, bool tls, unsigned seed);

#endif
