/* js_metadata.h - what the reply subject of a message from a JetStream consumer says about it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_METADATA_H
#define GATEWAY_SOURCE_JETSTREAM_JS_METADATA_H

#include <stdbool.h>
#include <stdint.h>

struct js_metadata {
    uint64_t stream_sequence, consumer_sequence;
    int64_t stored_ns; /* wall clock */
    uint64_t pending;  /* further messages for the consumer at that time */
};

/* Allocates nothing. False: not from a consumer. Takes both the short and the long form ($JS.ACK with domain and account). */
bool js_metadata_read(const char *reply, struct js_metadata *metadata);

#endif
