/* core_address_limits.c - addresses have their limits, and the table of them has its own */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/address_limits.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/base/ip.h"

#define S INT64_C(1000000000)
#define NOW (1000 * S)

static struct address_limits *clients;

static void start(struct config_limits limits)
{
    clients = address_limits_create(&limits);
}

static struct ip address(const char *text)
{
    struct ip ip;

    cr_assert(ip_parse(text, strlen(text), &ip));
    return ip;
}

static enum address_verdict take(const char *text, enum address_use use, uint64_t bytes, int64_t now_ns,
                                 struct address_account **client)
{
    struct ip ip = address(text);

    return address_limits_take(clients, &ip, use, bytes, now_ns, client);
}

Test(core_clients, connections)
{
    struct address_account *held[3], *other;

    start((struct config_limits){.connections_per_address = 2});
    cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 9, NOW, &held[0]), ADDRESS_OK);
    cr_expect_eq(take("::ffff:192.0.2.1", ADDRESS_CONNECTION, 9, NOW, &held[1]), ADDRESS_OK);
    cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 9, NOW, &held[2]), ADDRESS_OVER_CONNECTIONS);
    cr_expect_null(held[2]);
    cr_expect_eq(take("192.0.2.2", ADDRESS_CONNECTION, 9, NOW, &other), ADDRESS_OK);
    cr_expect_eq(address_limits_count(clients), 2);
    address_limits_give(held[0], ADDRESS_CONNECTION, 9, NOW);
    cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 9, NOW, &held[0]), ADDRESS_OK);
    address_limits_give(held[0], ADDRESS_CONNECTION, 9, NOW);
    address_limits_give(held[1], ADDRESS_CONNECTION, 9, NOW);
    address_limits_give(other, ADDRESS_CONNECTION, 9, NOW);
    cr_expect_eq(address_limits_count(clients), 0, "an address that holds nothing is forgotten");
    address_limits_destroy(clients);
}

Test(core_clients, an_ipv6_network_is_one)
{
    struct address_account *held, *refused, *other;

    start((struct config_limits){.connections_per_address = 1});
    cr_expect_eq(take("2001:db8:0:7::1", ADDRESS_CONNECTION, 9, NOW, &held), ADDRESS_OK);
    cr_expect_eq(take("2001:db8:0:7:8::2", ADDRESS_CONNECTION, 9, NOW, &refused), ADDRESS_OVER_CONNECTIONS);
    cr_expect_eq(take("2001:db8:0:8::1", ADDRESS_CONNECTION, 9, NOW, &other), ADDRESS_OK);
    address_limits_give(held, ADDRESS_CONNECTION, 9, NOW);
    address_limits_give(other, ADDRESS_CONNECTION, 9, NOW);
    address_limits_destroy(clients);
}

Test(core_clients, streams_have_a_bucket_that_outlives_them)
{
    struct address_account *client;

    start((struct config_limits){.new_streams_per_address = 5});
    for (int i = 0; i != 20; i++) {
        cr_expect_eq(take("192.0.2.1", ADDRESS_REQUEST, 9, NOW, &client), ADDRESS_OK, "request %d", i);
        address_limits_give(client, ADDRESS_REQUEST, 9, NOW);
    }
    cr_expect_eq(take("192.0.2.1", ADDRESS_REQUEST, 9, NOW, &client), ADDRESS_OVER_STREAMS);
    cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 9, NOW, &client), ADDRESS_OK, "only streams have to wait");
    address_limits_give(client, ADDRESS_CONNECTION, 9, NOW);
    address_limits_sweep(clients, NOW + 3 * S);
    cr_expect_eq(address_limits_count(clients), 1);
    cr_expect_eq(take("192.0.2.1", ADDRESS_REQUEST, 9, NOW + S, &client), ADDRESS_OK);
    address_limits_give(client, ADDRESS_REQUEST, 9, NOW + S);
    address_limits_sweep(clients, NOW + 5 * S);
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_destroy(clients);
}

Test(core_clients, memory)
{
    struct address_account *a, *b, *refused;

    start((struct config_limits){.memory_per_address = 1000, .new_streams_per_address = 1});
    cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 600, NOW, &a), ADDRESS_OK);
    for (int i = 0; i != 10; i++)
        cr_expect_eq(take("192.0.2.1", ADDRESS_REQUEST, 401, NOW, &refused), ADDRESS_OVER_MEMORY);
    cr_expect_eq(take("192.0.2.1", ADDRESS_REQUEST, 400, NOW, &b), ADDRESS_OK, "and the bucket is still full");
    cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 1, NOW, &refused), ADDRESS_OVER_MEMORY);
    address_limits_give(b, ADDRESS_REQUEST, 400, NOW);
    address_limits_give(a, ADDRESS_CONNECTION, 600, NOW);
    address_limits_destroy(clients);
}

Test(core_clients, without_limits_nothing_is_kept)
{
    struct address_account *client;

    start((struct config_limits){.connections = 1, .new_streams = 1, .streams = 1});
    for (int i = 0; i != 1000; i++) {
        cr_expect_eq(take("192.0.2.1", ADDRESS_CONNECTION, 9, NOW, &client), ADDRESS_OK);
        cr_expect_null(client);
    }
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_sweep(clients, NOW);
    address_limits_destroy(clients);
}

/* Each of these has its own bucket to be remembered; when there is no room for more, new addresses share one. */
Test(core_clients, the_table_is_bounded)
{
    struct ip ip = address("2001:db8::");
    unsigned refused = 0;
    struct address_account *client;

    start((struct config_limits){.new_streams_per_address = 1});
    for (unsigned i = 0; i != ADDRESSES_MAX + ADDRESSES_MAX / 2; i++) {
        memcpy(ip.bytes + 4, &i, sizeof(i));
        if (address_limits_take(clients, &ip, ADDRESS_REQUEST, 9, NOW, &client) == ADDRESS_OK)
            address_limits_give(client, ADDRESS_REQUEST, 9, NOW);
        else
            refused++;
    }
    cr_expect_leq(address_limits_count(clients), ADDRESSES_MAX);
    cr_expect_geq(address_limits_count(clients), ADDRESSES_MAX - ADDRESSES_MAX / 50, "%u",
                  address_limits_count(clients));
    cr_expect_gt(refused, ADDRESSES_MAX / 3, "%u", refused);
    cr_expect_eq(take("192.0.2.1", ADDRESS_REQUEST, 9, NOW + 2 * S, &client), ADDRESS_OK, "room is made by time");
    address_limits_give(client, ADDRESS_REQUEST, 9, NOW + 2 * S);
    for (int i = 0; i != 8; i++)
        address_limits_sweep(clients, NOW + 10 * S);
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_destroy(clients);
}

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct address_account *held[16] = {NULL};
    struct ip ip = address("192.0.2.0");

    for (int i = 0; i != 100000; i++) {
        unsigned at = (unsigned)i % 16;
        address_limits_give(held[at], ADDRESS_CONNECTION, 100, NOW);
        seed = seed * 1664525 + 1013904223;
        ip.bytes[15] = (uint8_t)((seed >> 24) & 7);
        if (address_limits_take(clients, &ip, ADDRESS_CONNECTION, 100, NOW, &held[at]) != ADDRESS_OK)
            cr_assert_null(held[at]);
    }
    for (unsigned at = 0; at != 16; at++)
        address_limits_give(held[at], ADDRESS_CONNECTION, 100, NOW);
    return NULL;
}

Test(core_clients, threads_meet_in_it)
{
    pthread_t threads[4];

    start((struct config_limits){.connections_per_address = 7, .memory_per_address = 10000});
    for (uintptr_t i = 0; i != 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (int i = 0; i != 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_destroy(clients);
}
