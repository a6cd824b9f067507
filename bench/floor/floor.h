/* floor.h - the parts of freshet-floor: connections, and the subjects their streams have asked for */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FLOOR_FLOOR_H
#define BENCH_FLOOR_FLOOR_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The least that can be done to send one event to many streams: one frame
 * header and one memcpy per stream and event into the connection's buffer, and
 * one SSL_write per 16 KiB. No resume, no limits, no heartbeats, no windows
 * (its only client opens them to 2 GiB and keeps them open), no policy for slow
 * readers but to stop taking messages while one is far behind.
 */

struct conn {
    SSL *ssl;
    nghttp2_hd_inflater *inflater;
    char *out;
    size_t out_from, out_len, out_cap; /* bytes from out_from on are unsent */
    uint8_t *in;
    size_t in_len, in_cap;
    int fd;
    uint32_t members; /* in channels; a dead connection is freed with the last */
    bool open, greeted, dead, blocked, dirty, held;
    struct conn *next_dirty;
};

struct channel;

struct floor {
    SSL_CTX *tls;
    int epoll, listener, wake;
    struct channel *channels; /* uthash by subject */
    struct conn *dirty;
    uint32_t held;     /* connections so far behind that no message is taken */
    uint64_t sequence; /* for ids like the gateway's */
};

/* conn.c */
void conn_accept(struct floor *floor);
void conn_on_ready(struct floor *floor, struct conn *conn, uint32_t events);
/* Room for len more bytes at the end; the caller fills all of it. Writes out what makes whole records. */
char *conn_reserve(struct floor *floor, struct conn *conn, size_t len);
void conn_flush(struct floor *floor, struct conn *conn);
void conn_close(struct floor *floor, struct conn *conn);
void conn_release(struct conn *conn);

/* h2.c: takes whole frames from conn->in. False: give the connection up. */
bool h2_receive(struct floor *floor, struct conn *conn);
#define H2_HEAD 9
#define H2_FRAME_MAX 16384
void h2_write_head(char *dst, size_t len, uint8_t type, uint8_t flags, uint32_t stream);

/* fanout.c */
void fanout_join(struct floor *floor, struct conn *conn, uint32_t stream, const char *subject, size_t len);
void fanout_message(struct floor *floor, const char *subject, const char *data, size_t len);
void fanout_flush(struct floor *floor);

#endif
