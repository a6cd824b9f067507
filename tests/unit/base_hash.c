/* base_hash.c - the plain hash is FNV-1a, the keyed one SipHash-1-3 */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/hash.h"

#include <criterion/criterion.h>
#include <string.h>

static uint64_t plain(const char *s)
{
    return hash_add(HASH_START, s, strlen(s));
}

/* From the test suite of the FNV reference. */
Test(base_hash, plain_is_fnv1a)
{
    cr_assert_eq(plain(""), UINT64_C(0xcbf29ce484222325));
    cr_assert_eq(plain("a"), UINT64_C(0xaf63dc4c8601ec8c));
    cr_assert_eq(plain("foobar"), UINT64_C(0x85944171f73967e8));
    cr_assert_eq(hash_add(plain("foo"), "bar", 3), plain("foobar"));
}

/* The reference's key, and messages 00, 00 01, 00 01 02, … */
Test(base_hash, keyed_is_siphash_1_3)
{
    static const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    static const uint64_t expected[] = {
        UINT64_C(0xabac0158050fc4dc),
        UINT64_C(0xc9f49bf37d57ca93),
        UINT64_C(0x82cb9b024dc7d44d),
        UINT64_C(0x8bf80ab8e7ddf7fb),
    };
    const unsigned char message[] = {0, 1, 2, 3};

    for (size_t len = 0; len != sizeof(expected) / sizeof(expected[0]); ++len)
        cr_assert_eq(hash_with_key(key, message, len), expected[len], "of %zu bytes", len);
}

Test(base_hash, every_byte_and_the_length_count)
{
    static const uint64_t key[2] = {1, 2};
    unsigned char bytes[40] = {0};

    for (size_t len = 1; len <= sizeof(bytes); ++len) {
        uint64_t hash = hash_with_key(key, bytes, len);

        cr_assert_neq(hash, hash_with_key(key, bytes, len - 1));
        bytes[len - 1] = 1;
        cr_assert_neq(hash, hash_with_key(key, bytes, len));
        bytes[len - 1] = 0;
    }
}

Test(base_hash, keyed_stays_the_same_in_a_process)
{
    static const uint64_t no_key[2] = {0, 0};

    cr_assert_eq(hash_keyed("orders.eu", 9), hash_keyed("orders.eu", 9));
    cr_assert_neq(hash_keyed("orders.eu", 9), hash_keyed("orders.us", 9));
    cr_assert_neq(hash_keyed("orders.eu", 9), hash_with_key(no_key, "orders.eu", 9));
}
