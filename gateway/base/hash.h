/* hash.h - two hashes of bytes: a plain one for our own input, a keyed one for input from outside */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_HASH_H
#define GATEWAY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * FNV-1a, 64 bits: the same in every process and on every machine. Easy
 * to find collisions for, so only for input of our own, and for values that
 * gateways have to agree on.
 */
#define HASH_START UINT64_C(0xcbf29ce484222325)

/* The hash of what has been hashed so far, HASH_START at first, and these bytes. */
static inline uint64_t hash_add(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i != len; ++i)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/*
 * SipHash-1-3 with a random key of this process, for tables whose keys a client
 * or a publisher chooses: without the key they can't find collisions. Differs
 * in each process, so it must not be stored or sent. Any thread.
 */
uint64_t hash_keyed(const void *bytes, size_t len);
/* The same with the given key. */
uint64_t hash_with_key(const uint64_t key[2], const void *bytes, size_t len);

#endif
