/* h2_attack.h - bytes and frames as an attacker sends them: over TLS or in the clear, right or wrong */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_H2_ATTACK_H
#define TESTS_SUPPORT_H2_ATTACK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/h2_frame.h"

/*
 * OpenSSL and a socket, no HTTP library in between: nothing here keeps a caller
 * from breaking RFC 9113. Nothing is read unless asked for, nothing is answered.
 * One thread.
 */
struct attack_target {
    uint16_t port;
    bool tls;
    const char *alpn;   /* "h2", "http/1.1"; NULL: none */
    int receive_buffer; /* SO_RCVBUF, or 0: the system's */
    int segment;        /* TCP_MAXSEG, or 0: on loopback 64 KB, and megabytes fit into the other side's send buffer */
    int tls_version;    /* the highest; 0: what the library has */
};

struct attack_peer {
    int fd;
    SSL *ssl;    /* NULL: in the clear */
    bool closed; /* by the other side, or broken */
    bool stuck;  /* the last flush gave up: the other side takes nothing */
    int64_t opened_ms;
    uint64_t sent, received; /* bytes of HTTP */
    uint64_t frames;         /* put so far */
    uint8_t *out;
    size_t out_len, out_capacity;
    uint8_t *in; /* what h2_next_frame has not taken yet */
    size_t in_len, in_capacity, in_taken;
};

/* A connected socket without a byte on it; -1: refused, or not taken within ms. */
int attack_connect(const struct attack_target *target, int ms);
/* Connects and shakes hands. NULL: refused. */
struct attack_peer *attack_open(const struct attack_target *target);
/* Closes without close_notify or GOAWAY. NULL is fine. */
void attack_close(struct attack_peer *peer);

void attack_put(struct attack_peer *peer, const void *data, size_t len);
/* Sends what was put, waiting at most ms without progress. False: closed or stuck; what was left is dropped. */
bool attack_flush(struct attack_peer *peer, int ms);
/* Reads at most size bytes, waiting at most ms for the first. 0: nothing came, or closed. */
size_t attack_read(struct attack_peer *peer, void *dst, size_t size, int ms);
/* Reads and forgets what is there now. */
void attack_drain(struct attack_peer *peer);
/* Reads and forgets until the other side closes. False: it doesn't within ms. */
bool attack_wait_closed(struct attack_peer *peer, int ms);
/* Reads nothing; true once what arrived and lies unread has not grown for quiet_ms: the other side is stuck. */
bool attack_wait_full(struct attack_peer *peer, int quiet_ms, int ms);

void h2_put(struct attack_peer *peer, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len);
void h2_put_window(struct attack_peer *peer, uint32_t stream, uint32_t increment);
void h2_put_reset(struct attack_peer *peer, uint32_t stream);
void h2_put_setting(struct attack_peer *peer, uint16_t id, uint32_t value);
/* Preface, SETTINGS with the initial window, and the connection's window opened wide. */
void h2_put_hello(struct attack_peer *peer, uint32_t initial_window);
/* A complete GET. */
void h2_put_get(struct attack_peer *peer, uint32_t stream, const char *path);

/* HPACK (RFC 7541) without Huffman. Each returns how much it wrote. */
size_t hpack_put_request(uint8_t *dst, const char *path);
size_t hpack_put_integer(uint8_t *dst, uint8_t first, unsigned prefix_bits, uint64_t value);
/* A literal with a literal name. first: 0x00 without indexing, 0x40 with. */
size_t hpack_put_literal(uint8_t *dst, uint8_t first, const char *name, const void *value, size_t len);

/* The next whole frame, reading as needed for at most ms. Its payload is valid until the next call. */
bool h2_next_frame(struct attack_peer *peer, struct h2_frame *frame, int ms);

#endif
