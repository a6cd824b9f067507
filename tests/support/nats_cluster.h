/* nats_cluster.h - three nats-servers with JetStream that form one cluster on loopback */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_NATS_CLUSTER_H
#define TESTS_SUPPORT_NATS_CLUSTER_H

#include <stdbool.h>

#define NATS_CLUSTER_SIZE 3

/* Its members are ordinary fixtures, whose rules hold here as well. */
struct nats_cluster;
struct nats_fixture;

/* Waits until the members know a JetStream leader: streams of three replicas can be made. NULL: stderr says why. */
struct nats_cluster *nats_cluster_start(void);
void nats_cluster_stop(struct nats_cluster *cluster);

/* All members, comma separated. */
const char *nats_cluster_urls(const struct nats_cluster *cluster);
struct nats_fixture *nats_cluster_member(const struct nats_cluster *cluster, unsigned index);
/* The index of the member whose server name that is (as in the stream's information); NATS_CLUSTER_SIZE: none. */
unsigned nats_cluster_index(const struct nats_cluster *cluster, const char *server_name);
/* All members run and agree on a leader; gives up after 30 s. */
bool nats_cluster_wait_leader(const struct nats_cluster *cluster);
/* What each member says of its streams, and its log, on stderr. */
void nats_cluster_show(const struct nats_cluster *cluster);

#endif
