/* nats_message.h - a message of the client library as the core takes it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_MESSAGE_H
#define GATEWAY_SOURCE_NATS_NATS_MESSAGE_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct message;

/* Subject, payload and headers; received_ns and arrived_ns are left to the caller. Points into msg, which it may change in place. */
void nats_message_read(natsMsg *msg, struct message *message);

/* What the reply subject of a message that a JetStream consumer has delivered says about it. */
struct js_delivery {
    uint64_t stream_sequence, consumer_sequence;
    int64_t stored_ns; /* wall clock */
    uint64_t pending;  /* further messages for the consumer at that time */
};
/* Allocates nothing. False: not from a consumer. Takes both the short and the long form ($JS.ACK with domain and account). */
bool js_delivery_read(const char *reply, struct js_delivery *delivery);

#endif
