/* h2_raw.h - a hand-made HTTP/2 client in the clear, for what a well-behaved library won't do */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_H2_RAW_H
#define TESTS_SUPPORT_H2_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/event_log.h"

/*
 * It gives flow-control window only when told to, so a stream can be stalled
 * to the byte while its connection is read; and it opens streams beyond the
 * server's limit. RFC 9113; header blocks are sent without compression, of
 * responses only a leading ":status: 200" is understood.
 */
#define H2_RAW_STREAMS_MAX 256

struct h2_raw_stream {
    bool has_headers, is_200;
    bool ended;     /* END_STREAM */
    bool reset;     /* RST_STREAM, with error */
    uint32_t error; /* 7: REFUSED_STREAM */
    uint64_t body_len;
    struct event_log log;
};

struct h2_raw {
    int fd;
    bool closed; /* by the server */
    bool goaway;
    uint16_t port;
    unsigned count;
    struct h2_raw_stream streams[H2_RAW_STREAMS_MAX];
    uint8_t *input;
    size_t input_len, input_capacity;
};

/* initial_window: of each stream; the connection's own window is opened wide. receive_buffer: SO_RCVBUF or 0. */
struct h2_raw *h2_raw_connect(uint16_t port, uint32_t initial_window, int receive_buffer);
/* The same; NULL when the connection is refused. */
struct h2_raw *h2_raw_try_connect(uint16_t port, uint32_t initial_window, int receive_buffer);
void h2_raw_destroy(struct h2_raw *h2);

/* Sends a GET; returns the stream's index in streams[]. */
unsigned h2_raw_get(struct h2_raw *h2, const char *path);
/* RST_STREAM(CANCEL) */
void h2_raw_reset(struct h2_raw *h2, unsigned index);
/* WINDOW_UPDATE for one stream. */
void h2_raw_window(struct h2_raw *h2, unsigned index, uint32_t increment);
/* Reads and handles what arrives, waiting at most ms for the first byte; false once the connection is closed. */
bool h2_raw_pump(struct h2_raw *h2, int ms);

#endif
