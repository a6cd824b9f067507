/* durable_cluster.c - durable streams on a cluster: leaders that go, and a gateway behind the others */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/nats_cluster.h"

static struct nats_cluster *cluster;
static struct gateway *other;
static struct http_client *there;

static void setup(void)
{
    cluster = nats_cluster_start();
    REQUIRE(cluster != NULL);
    durable.js = jetstream_connect(nats_cluster_urls(cluster));
}

static void stop(void)
{
    http_client_destroy(there);
    gateway_destroy(other);
    durable_stop();
    nats_cluster_stop(cluster);
}

TestSuite(durable_cluster, .init = setup, .fini = stop, .timeout = 150);

static void create_stream(const char *live, unsigned replicas)
{
    struct jetstream_stream stream;

    durable.live = live;
    stream = durable_orders();
    stream.replicas = replicas;
    jetstream_create(durable.js, &stream);
}

static unsigned stream_leader(void)
{
    return nats_cluster_index(cluster, jetstream_state(durable.js, "ORDERS").leader);
}

/* A member that neither the stream nor the cluster depends on. */
static unsigned spare_member(void)
{
    unsigned leader = stream_leader(), index;
    char name[64];

    broker_monitor_meta_leader(nats_fixture_monitor_port(nats_cluster_member(cluster, 0)), name, sizeof(name));
    for (index = 0; index == leader || index == nats_cluster_index(cluster, name); index++)
        ;
    REQUIRE(leader < NATS_CLUSTER_SIZE && index < NATS_CLUSTER_SIZE);
    return index;
}

/*
 * A browser brings a cursor from another gateway that this one has not come to:
 * its own broker is held up. That is no gap: it waits for what comes after.
 */
static void check_newer_cursor(const char *live)
{
    struct http_stream *behind, *ahead, *moved;
    struct nats_fixture *spare;
    const char *leader;

    create_stream(live, 1);
    spare = nats_cluster_member(cluster, spare_member());
    leader = nats_fixture_url(nats_cluster_member(cluster, stream_leader()));
    /* the publisher may be connected to the member that is going to be held up */
    jetstream_destroy(durable.js);
    durable.js = jetstream_connect(leader);
    durable.gateway = durable_start_gateway(leader, 1);
    other = durable_start_gateway(nats_fixture_url(spare), 1);
    durable.client = http_client_create(durable.gateway, HTTP_H2);
    there = http_client_create(other, HTTP_H2);
    ahead = durable_open(durable.client, "/every");
    behind = durable_open(there, "/every");
    durable_publish_seen(behind, 100);
    durable_require_all(ahead, 1, 100);
    durable_require_all(behind, 1, 100);
    nats_fixture_pause(spare);
    durable_publish_seen(ahead, 30);
    durable_require_all(ahead, 1, 130);
    char *path = text_format("/every?lastEventId=%s", event_log_last_id(&ahead->log));
    moved = http_open(there, path, NULL);
    http_pump_for(there, 500);
    REQUIRE(moved->log.count == 0, "%s %s", http_event(moved, 0)->name, http_event(moved, 0)->data);
    REQUIRE(behind->log.count == 100, "the gateway is behind indeed");
    durable_publish_seen(ahead, 20);
    nats_fixture_resume(spare);
    durable_require_all(moved, 131, 150);
    durable_require_all(behind, 1, 150);
    durable_publish_seen(moved, 20);
    durable_require_all(moved, 131, 170);
    free(path);
}

Test(durable_cluster, a_cursor_that_is_newer_than_the_gateway)
{
    check_newer_cursor("consumer");
}

Test(durable_cluster, a_cursor_that_is_newer_than_the_gateway_republished)
{
    check_newer_cursor("republish");
}

/* No stream ends, and nothing is missing; clients that come in between are served as well. */
static void check_leader_killed(const char *live)
{
    struct http_stream *all, *some, *late;
    struct nats_fixture *leader;
    char *path;

    create_stream(live, 3);
    durable.gateway = durable_start_gateway(nats_cluster_urls(cluster), 1);
    durable.client = http_client_create(durable.gateway, HTTP_H2);
    path = text_format("/small/1?lastEventId=%s0", durable_incarnation(durable.client));
    all = durable_open(durable.client, "/all");
    some = durable_open(durable.client, "/orders/1");
    durable_publish_seen(all, 100);
    durable_require_all(all, 1, 100);
    leader = nats_cluster_member(cluster, stream_leader());
    nats_fixture_kill(leader);
    /* this one is acknowledged by the next leader */
    durable.stored++;
    jetstream_publish(durable.js, "orders.1.b", "101");
    late = http_open(durable.client, path, NULL);
    REQUIRE(http_wait_events(all, 101) || http_wait_events(all, 101), "%zu events", all->log.count);
    durable_publish_seen(all, 50);
    durable_require_all(all, 1, 151);
    durable_require_some(some, 0, 1, 151, 4, 1);
    REQUIRE(http_wait_events(late, 38) || http_wait_events(late, 38));
    durable_require_some(late, 0, 1, 151, 4, 1);
    nats_fixture_restart(leader);
    REQUIRE(nats_cluster_wait_leader(cluster));
    durable_publish_seen(all, 50);
    durable_require_all(all, 1, 201);
    durable_require_some(some, 0, 1, 201, 4, 1);
    durable_require_some(late, 0, 1, 201, 4, 1);
    free(path);
}

Test(durable_cluster, the_leader_is_killed)
{
    check_leader_killed("consumer");
}

Test(durable_cluster, the_leader_is_killed_republished)
{
    check_leader_killed("republish");
}
