/* proxy_header.h - what a load balancer says first on a connection: the PROXY protocol, version 2 */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_PROXY_HEADER_H
#define PROTO_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* haproxy.org, "The PROXY protocol", section 2.2: 12 bytes of signature, version and command, family, length. */
#define PROXY_HEADER_START 16
/* What matters of a header: its start and two IPv6 addresses with their ports. Extensions (TLVs) come after that. */
#define PROXY_HEADER_KEPT (PROXY_HEADER_START + 36)
/* A sender has no reason to say more than this, extensions included. */
#define PROXY_HEADER_MAX 4096

enum proxy_verdict { PROXY_HEADER_OK = 0, PROXY_HEADER_MORE, PROXY_HEADER_V1, PROXY_HEADER_BAD };

struct proxy_header {
    bool has_address;    /* false: the balancer speaks for itself (LOCAL), or of something that is not TCP */
    bool is_v4;          /* the address is an IPv4-mapped one */
    uint8_t address[16]; /* of the client */
    uint16_t port;
};

/*
 * Reads from the first bytes of a connection. MORE: `size` is how many bytes
 * (at most PROXY_HEADER_KEPT) are wanted for the next try. OK: `size` is the
 * length of the whole header, of which only PROXY_HEADER_KEPT bytes have to be
 * there. V1: the text form, which is not understood here.
 */
enum proxy_verdict proxy_header_read(const uint8_t *bytes, size_t len, struct proxy_header *header, size_t *size);

#endif
