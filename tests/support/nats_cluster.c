/* nats_cluster.c - three nats-servers with JetStream that form one cluster on loopback */
/* SPDX-License-Identifier: MIT */
#include "tests/support/nats_cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"

#define ATTEMPTS 5
#define LEADER_MS 30000

struct nats_cluster {
    struct nats_fixture *members[NATS_CLUSTER_SIZE];
    char urls[256];
};

/* Held at the same time, so that they differ; another process may still take one before the server does. */
static void find_ports(int ports[NATS_CLUSTER_SIZE])
{
    int sockets[NATS_CLUSTER_SIZE], i;

    for (i = 0; i < NATS_CLUSTER_SIZE; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t len = sizeof(address);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(sockets[i], (struct sockaddr *)&address, sizeof(address)) != 0 ||
            getsockname(sockets[i], (struct sockaddr *)&address, &len) != 0)
            fixture_fail("no free port");
        ports[i] = ntohs(address.sin_port);
    }
    for (i = 0; i < NATS_CLUSTER_SIZE; i++)
        close(sockets[i]);
}

static struct nats_fixture *start_member(int index, const int ports[NATS_CLUSTER_SIZE])
{
    /* no_advertise: clients go to the addresses they were given */
    char *config = text_format("server_name: member%d\n"
                               "cluster {\n"
                               "  name: freshet\n"
                               "  listen: \"127.0.0.1:%d\"\n"
                               "  no_advertise: true\n"
                               "  routes: [\"nats://127.0.0.1:%d\", \"nats://127.0.0.1:%d\", \"nats://127.0.0.1:%d\"]\n"
                               "}\n",
                               index, ports[index], ports[0], ports[1], ports[2]);
    struct nats_fixture *fixture = nats_fixture_start(config);

    free(config);
    return fixture;
}

static struct nats_cluster *try_start(void)
{
    struct nats_cluster *cluster = calloc(1, sizeof(*cluster));
    int ports[NATS_CLUSTER_SIZE], i;

    if (cluster == NULL)
        fixture_fail("out of memory");
    find_ports(ports);
    for (i = 0; i < NATS_CLUSTER_SIZE; i++) {
        cluster->members[i] = start_member(i, ports);
        if (cluster->members[i] == NULL) {
            nats_cluster_stop(cluster);
            return NULL;
        }
    }
    snprintf(cluster->urls, sizeof(cluster->urls), "%s,%s,%s", nats_fixture_url(cluster->members[0]),
             nats_fixture_url(cluster->members[1]), nats_fixture_url(cluster->members[2]));
    if (!nats_cluster_wait_leader(cluster)) {
        nats_cluster_stop(cluster);
        return NULL;
    }
    return cluster;
}

struct nats_cluster *nats_cluster_start(void)
{
    struct nats_cluster *cluster = NULL;
    int attempt;

    for (attempt = 0; attempt < ATTEMPTS && cluster == NULL; attempt++)
        cluster = try_start();
    if (cluster == NULL)
        fprintf(stderr, "nats_cluster: three servers do not form a cluster\n");
    return cluster;
}

void nats_cluster_stop(struct nats_cluster *cluster)
{
    int i;

    if (cluster == NULL)
        return;
    for (i = 0; i < NATS_CLUSTER_SIZE; i++)
        nats_fixture_stop(cluster->members[i]);
    free(cluster);
}

const char *nats_cluster_urls(const struct nats_cluster *cluster)
{
    return cluster->urls;
}

struct nats_fixture *nats_cluster_member(const struct nats_cluster *cluster, unsigned index)
{
    return cluster->members[index];
}

unsigned nats_cluster_index(const struct nats_cluster *cluster, const char *server_name)
{
    static const char prefix[] = "member";
    unsigned index;

    (void)cluster;
    if (strncmp(server_name, prefix, strlen(prefix)) != 0 || server_name[strlen(prefix)] == '\0')
        return NATS_CLUSTER_SIZE;
    index = (unsigned)(server_name[strlen(prefix)] - '0');
    return index < NATS_CLUSTER_SIZE ? index : NATS_CLUSTER_SIZE;
}

static bool has_leader(const struct nats_cluster *cluster)
{
    char leader[64] = "", name[64];
    int i;

    for (i = 0; i < NATS_CLUSTER_SIZE; i++) {
        broker_monitor_meta_leader(nats_fixture_monitor_port(cluster->members[i]), name, sizeof(name));
        if (name[0] == '\0' || (leader[0] != '\0' && strcmp(name, leader) != 0))
            return false;
        memcpy(leader, name, sizeof(leader));
    }
    return nats_cluster_index(cluster, leader) < NATS_CLUSTER_SIZE;
}

bool nats_cluster_wait_leader(const struct nats_cluster *cluster)
{
    int64_t deadline = deadline_in(LEADER_MS);

    while (!has_leader(cluster)) {
        if (now_ms() > deadline)
            return false;
        sleep_ms(20);
    }
    return true;
}

void nats_cluster_show(const struct nats_cluster *cluster)
{
    int i;

    for (i = 0; i < NATS_CLUSTER_SIZE; i++) {
        char *streams = broker_monitor_get(nats_fixture_monitor_port(cluster->members[i]), "/jsz?streams=true");
        fprintf(stderr, "nats_cluster: member%d of %d at %s: %s\n", i, NATS_CLUSTER_SIZE,
                nats_fixture_url(cluster->members[i]), streams != NULL ? streams : "does not answer");
        free(streams);
        nats_fixture_show_log(cluster->members[i]);
    }
}
