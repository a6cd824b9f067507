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

static enum client_verdict take(const char *text, enum client_use use, uint64_t bytes, int64_t now_ns,
                                struct client **client)
{
    struct ip ip = address(text);

    return address_limits_take(clients, &ip, use, bytes, now_ns, client);
}

Test(core_clients, connections)
{
    struct client *held[3], *other;

    start((struct config_limits){.connections_per_address = 2});
    cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 9, NOW, &held[0]), CLIENT_OK);
    cr_expect_eq(take("::ffff:192.0.2.1", CLIENT_CONNECTION, 9, NOW, &held[1]), CLIENT_OK);
    cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 9, NOW, &held[2]), CLIENT_OVER_CONNECTIONS);
    cr_expect_null(held[2]);
    cr_expect_eq(take("192.0.2.2", CLIENT_CONNECTION, 9, NOW, &other), CLIENT_OK);
    cr_expect_eq(address_limits_count(clients), 2);
    client_give(held[0], CLIENT_CONNECTION, 9, NOW);
    cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 9, NOW, &held[0]), CLIENT_OK);
    client_give(held[0], CLIENT_CONNECTION, 9, NOW);
    client_give(held[1], CLIENT_CONNECTION, 9, NOW);
    client_give(other, CLIENT_CONNECTION, 9, NOW);
    cr_expect_eq(address_limits_count(clients), 0, "who holds nothing is forgotten");
    address_limits_destroy(clients);
}

Test(core_clients, an_ipv6_network_is_one)
{
    struct client *held, *refused, *other;

    start((struct config_limits){.connections_per_address = 1});
    cr_expect_eq(take("2001:db8:0:7::1", CLIENT_CONNECTION, 9, NOW, &held), CLIENT_OK);
    cr_expect_eq(take("2001:db8:0:7:8::2", CLIENT_CONNECTION, 9, NOW, &refused), CLIENT_OVER_CONNECTIONS);
    cr_expect_eq(take("2001:db8:0:8::1", CLIENT_CONNECTION, 9, NOW, &other), CLIENT_OK);
    client_give(held, CLIENT_CONNECTION, 9, NOW);
    client_give(other, CLIENT_CONNECTION, 9, NOW);
    address_limits_destroy(clients);
}

Test(core_clients, streams_have_a_bucket_that_outlives_them)
{
    struct client *client;

    start((struct config_limits){.new_streams_per_address = 5});
    for (int i = 0; i != 20; i++) {
        cr_expect_eq(take("192.0.2.1", CLIENT_REQUEST, 9, NOW, &client), CLIENT_OK, "request %d", i);
        client_give(client, CLIENT_REQUEST, 9, NOW);
    }
    cr_expect_eq(take("192.0.2.1", CLIENT_REQUEST, 9, NOW, &client), CLIENT_OVER_STREAMS);
    cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 9, NOW, &client), CLIENT_OK, "only streams have to wait");
    client_give(client, CLIENT_CONNECTION, 9, NOW);
    address_limits_sweep(clients, NOW + 3 * S);
    cr_expect_eq(address_limits_count(clients), 1);
    cr_expect_eq(take("192.0.2.1", CLIENT_REQUEST, 9, NOW + S, &client), CLIENT_OK);
    client_give(client, CLIENT_REQUEST, 9, NOW + S);
    address_limits_sweep(clients, NOW + 5 * S);
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_destroy(clients);
}

Test(core_clients, memory)
{
    struct client *a, *b, *refused;

    start((struct config_limits){.memory_per_address = 1000, .new_streams_per_address = 1});
    cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 600, NOW, &a), CLIENT_OK);
    for (int i = 0; i != 10; i++)
        cr_expect_eq(take("192.0.2.1", CLIENT_REQUEST, 401, NOW, &refused), CLIENT_OVER_MEMORY);
    cr_expect_eq(take("192.0.2.1", CLIENT_REQUEST, 400, NOW, &b), CLIENT_OK, "and the bucket is still full");
    cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 1, NOW, &refused), CLIENT_OVER_MEMORY);
    client_give(b, CLIENT_REQUEST, 400, NOW);
    client_give(a, CLIENT_CONNECTION, 600, NOW);
    address_limits_destroy(clients);
}

Test(core_clients, without_limits_nothing_is_kept)
{
    struct client *client;

    start((struct config_limits){.connections = 1, .new_streams = 1, .streams = 1});
    for (int i = 0; i != 1000; i++) {
        cr_expect_eq(take("192.0.2.1", CLIENT_CONNECTION, 9, NOW, &client), CLIENT_OK);
        cr_expect_null(client);
    }
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_sweep(clients, NOW);
    address_limits_destroy(clients);
}

/* Each of these has its own bucket to be remembered; when there is no room for more, who comes shares one. */
Test(core_clients, the_table_is_bounded)
{
    struct ip ip = address("2001:db8::");
    unsigned refused = 0;
    struct client *client;

    start((struct config_limits){.new_streams_per_address = 1});
    for (unsigned i = 0; i != CLIENTS_MAX + CLIENTS_MAX / 2; i++) {
        memcpy(ip.bytes + 4, &i, sizeof(i));
        if (address_limits_take(clients, &ip, CLIENT_REQUEST, 9, NOW, &client) == CLIENT_OK)
            client_give(client, CLIENT_REQUEST, 9, NOW);
        else
            refused++;
    }
    cr_expect_leq(address_limits_count(clients), CLIENTS_MAX);
    cr_expect_geq(address_limits_count(clients), CLIENTS_MAX - CLIENTS_MAX / 50, "%u", address_limits_count(clients));
    cr_expect_gt(refused, CLIENTS_MAX / 3, "%u", refused);
    cr_expect_eq(take("192.0.2.1", CLIENT_REQUEST, 9, NOW + 2 * S, &client), CLIENT_OK, "room is made by time");
    client_give(client, CLIENT_REQUEST, 9, NOW + 2 * S);
    for (int i = 0; i != 8; i++)
        address_limits_sweep(clients, NOW + 10 * S);
    cr_expect_eq(address_limits_count(clients), 0);
    address_limits_destroy(clients);
}

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct client *held[16] = {NULL};
    struct ip ip = address("192.0.2.0");

    for (int i = 0; i != 100000; i++) {
        unsigned at = (unsigned)i % 16;
        client_give(held[at], CLIENT_CONNECTION, 100, NOW);
        seed = seed * 1664525 + 1013904223;
        ip.bytes[15] = (uint8_t)((seed >> 24) & 7);
        if (address_limits_take(clients, &ip, CLIENT_CONNECTION, 100, NOW, &held[at]) != CLIENT_OK)
            cr_assert_null(held[at]);
    }
    for (unsigned at = 0; at != 16; at++)
        client_give(held[at], CLIENT_CONNECTION, 100, NOW);
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
