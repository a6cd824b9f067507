/* publisher.h - an ordinary NATS client that publishes the messages of tests */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_PUBLISHER_H
#define TESTS_SUPPORT_PUBLISHER_H

#include <stddef.h>

/*
 * Reconnects for ever, so that it survives the outages of a test. Ends the process when the broker isn't there. Several
 * urls are comma separated.
 */
struct publisher;
struct __natsConnection; /* natsConnection of <nats/nats.h> */

struct publisher *publisher_connect(const char *url);
struct publisher *publisher_connect_as(const char *url, const char *user, const char *password);
void publisher_destroy(struct publisher *publisher);
struct __natsConnection *publisher_connection(const struct publisher *publisher);

void publish(struct publisher *publisher, const char *subject, const char *text);
void publish_format(struct publisher *publisher, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void publish_bytes(struct publisher *publisher, const char *subject, const void *data, size_t len);
/* headers: name, value, name, value, …, NULL. */
void publish_with_headers(struct publisher *publisher, const char *subject, const char *text,
                          const char *const *headers);
/* Returns once the broker has all that was published. */
void publisher_flush(struct publisher *publisher);

#endif
