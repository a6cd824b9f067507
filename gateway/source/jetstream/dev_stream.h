/* dev_stream.h - the JetStream stream of --dev */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_DEV_STREAM_H
#define GATEWAY_SOURCE_JETSTREAM_DEV_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes a stream that keeps the subjects of the pattern, on a server that is
 * there: connects, asks, and disconnects, all in the calling thread. False,
 * with a reason: the server would not.
 */
bool dev_stream_create(const char *url, const char *name, const char *pattern, char *error, size_t error_size);

#endif
