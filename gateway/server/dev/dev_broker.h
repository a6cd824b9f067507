/* dev_broker.h - the private nats-server of --dev */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_DEV_DEV_BROKER_H
#define GATEWAY_SERVER_DEV_DEV_BROKER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A nats-server with JetStream as a child process, on a free loopback port,
 * with store and log in a temporary directory. A thread watches over it: it is
 * started again, on the same port, when it dies. It never outlives this
 * process, and the terminal's signals don't reach it.
 */
struct dev_broker;

/* Returns once the broker takes clients. NULL with a reason when there is none to be had. */
struct dev_broker *dev_broker_start(char *error, size_t error_size);
/* "nats://127.0.0.1:PORT"; the same for the broker's life. */
const char *dev_broker_url(const struct dev_broker *broker);
/* The running child's, 0 between two of them. */
pid_t dev_broker_pid(struct dev_broker *broker);
/* Ends the child and removes the directory. NULL is fine. */
void dev_broker_stop(struct dev_broker *broker);

#endif
