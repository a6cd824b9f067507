/* reauthorize.h - which streams continue under a new configuration */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_REAUTHORIZE_H
#define GATEWAY_CORE_REAUTHORIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/core/evict.h"

struct config;
struct reader;

/*
 * A stream continues, with the settings that it was opened with, if the new
 * configuration has a route with the same path that asks the same of its
 * clients and still covers each of its subjects: where subjects are templates
 * each of the old ones has to be covered by a new one, where the client chooses
 * each that it chose. Any other ends, and is asked back to be judged again.
 *
 * One walk through the readers of a hub, started with evict_start(&walk->walk).
 * What it points to outlives it.
 */
struct reauthorize_walk {
    struct eviction_walk walk; /* judge: reauthorize_judge */
    const struct config *config;
    const void *const *gone; /* origins that are no more: their streams end one after the other */
    size_t gone_count;
};

enum eviction_verdict reauthorize_judge(const struct eviction_walk *walk, const struct reader *reader);
/* The part of it that is about routes. */
bool reauthorize_allows(const struct config *config, const struct reader *reader);

#endif
