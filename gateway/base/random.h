/* random.h - randomness: the kernel's for secrets, a generator of one word for spreading */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_RANDOM_H
#define GATEWAY_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The kernel's, fit for keys. Any thread. May wait right after the machine's start, until the kernel has some. */
void random_fill(void *bytes, size_t len);
/* One word of it. Never 0, so that it can begin a generator, or name something. */
uint64_t random_seed(void);

/* The generator's next word (xorshift64). To spread timers and load, never for secrets: *state predicts them all. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* value ± 25 %, evenly spread. */
int64_t random_spread(uint64_t *state, int64_t value);

#endif
