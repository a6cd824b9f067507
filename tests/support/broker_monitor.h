/* broker_monitor.h - asks a nats-server about itself over HTTP */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_BROKER_MONITOR_H
#define TESTS_SUPPORT_BROKER_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

/*
 * port: nats_fixture_monitor_port. Unlike the JetStream API it answers when
 * the cluster has no leader, and asking it costs the stream nothing.
 */

/* The body of GET path, NUL terminated; NULL when the server does not answer with 200. The caller frees. */
char *broker_monitor_get(int port, const char *path);
/* How many consumers the stream has, of all clients; -1 when the server does not say. */
long broker_monitor_consumers(int port, const char *stream);
/* For the port of the stream's leader: a replica that it takes to be behind, "" if none is. False: it names no replica. */
bool broker_monitor_behind(int port, const char *stream, char *name, size_t size);
/* The name of the cluster's JetStream leader as this server knows it, "" if it knows none. */
void broker_monitor_meta_leader(int port, char *name, size_t size);

#endif
