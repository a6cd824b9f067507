/* hash.c - two hashes of bytes: a plain one for our own input, a keyed one for input from outside */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/hash.h"

#include <pthread.h>

#include "gateway/base/check.h"
#include "gateway/base/random.h"

static uint64_t process_key[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    random_fill(process_key, sizeof(process_key));
}

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* SipRound, as "SipHash: a fast short-input PRF" (Aumasson and Bernstein, 2012) draws it. */
static inline void mix_state(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

static inline void mix_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix_state(v);
    v[0] ^= word;
}

/* Up to eight bytes, the first one lowest, on machines of either byte order. */
static inline uint64_t read_word(const unsigned char *bytes, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i != len; ++i)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t hash_with_key(const uint64_t key[2], const void *bytes, size_t len)
{
    /* The constants of the paper: "somepseudorandomlygeneratedbytes". */
    uint64_t v[4] = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573),
    };
    const unsigned char *at = bytes;
    size_t left = len;

    for (; left >= 8; at += 8, left -= 8)
        mix_word(v, read_word(at, 8));
    /* With the length, or a text would collide with the same text and a NUL behind it. */
    mix_word(v, (uint64_t)len << 56 | read_word(at, left));
    v[2] ^= 0xff;
    /* SipHash-1-3 instead of 2-4: enough for tables, whose hashes no client gets to see. */
    for (unsigned i = 0; i != 3; ++i)
        mix_state(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_keyed(const void *bytes, size_t len)
{
    CHECK(pthread_once(&once, make_key) == 0);
    return hash_with_key(process_key, bytes, len);
}
