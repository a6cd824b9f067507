/* ip.h - addresses of clients, one form for IPv4 and IPv6 */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_IP_H
#define GATEWAY_BASE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

/* An IPv6 address; IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2). */
struct ip {
    uint8_t bytes[16];
};

/* A CIDR block, IPv4 as IPv4-mapped IPv6. */
struct ip_network {
    uint8_t address[16];
    unsigned bits; /* length of the prefix, 0 to 128 */
};

/* False: of another family; *ip is :: then. */
bool ip_of_sockaddr(const struct sockaddr *address, struct ip *ip);

/*
 * An entry of x-forwarded-for: an address, possibly in brackets, possibly with
 * a port, which is ignored. False: not an address.
 */
bool ip_parse(const char *s, size_t len, struct ip *ip);

bool ip_is_v4(const struct ip *ip);
bool ip_in_networks(const struct ip *ip, const struct ip_network *networks, unsigned count);

/* The address that stands for one client in limits: an IPv4 address, or an IPv6 address's /64, which one host gets whole. */
struct ip ip_of_client(const struct ip *ip);

/* "192.0.2.1", "2001:db8::1". Returns dst. */
#define IP_TEXT_MAX 46
const char *ip_write(const struct ip *ip, char dst[static IP_TEXT_MAX]);

#endif
