/* random.c - randomness: the kernel's for secrets, a generator of one word for spreading */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "gateway/base/check.h"

void random_fill(void *bytes, size_t len)
{
    for (size_t filled = 0; filled != len;) {
        ssize_t n = getrandom((char *)bytes + filled, len - filled, 0);
        CHECK(n > 0 || errno == EINTR);
        filled += n > 0 ? (size_t)n : 0;
    }
}

uint64_t random_seed(void)
{
    uint64_t seed = 0;
    while (seed == 0) /* the one state that xorshift never leaves */
        random_fill(&seed, sizeof(seed));
    return seed;
}

int64_t random_spread(uint64_t *state, int64_t value)
{
    CHECK(*state != 0);
    CHECK(value >= 0);
    /* From a quarter below to a quarter above is half of the value. */
    int64_t half = value / 2;
    return half == 0 ? value : value - half / 2 + (int64_t)(random_next(state) % (uint64_t)(half + 1));
}
