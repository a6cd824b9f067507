/* address.c - "host:port" as the configuration writes it */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "proto/units.h"

static const char *check_ip6(const char *host)
{
    struct in6_addr parsed;

    return inet_pton(AF_INET6, host, &parsed) == 1 ? NULL : "has no valid IPv6 address between [ and ]";
}

static const char *check_name(const char *host)
{
    struct in_addr parsed;

    if (*host == '\0')
        return "has no host (\"*\" is every address of this machine)";
    if (strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") != strlen(host))
        return strchr(host, ':') != NULL ? "has an IPv6 address without [ and ]" : "has a bad character in its host";
    /* No top-level domain is all digits, so this can only be meant as IPv4. */
    if (strspn(host, "0123456789.") == strlen(host) && inet_pton(AF_INET, host, &parsed) != 1)
        return "has no valid IPv4 address";
    return NULL;
}

const char *address_parse(const char *s, struct address *address)
{
    const char *colon = strrchr(s, ':');
    uint64_t port;
    if (strstr(s, "://") != NULL)
        return "is a URL; write host:port";
    /* In "[::1]" the last colon belongs to the address. */
    if (colon == NULL || strchr(colon, ']') != NULL)
        return "has no port (write host:port)";
    if (!units_parse_u64(colon + 1, strlen(colon + 1), &port) || port > 65535)
        return "has a bad port (at most 65535)";
    CHECK(snprintf(address->port, sizeof(address->port), "%u", (unsigned)(uint16_t)port) < (int)sizeof(address->port));

    size_t len = (size_t)(colon - s);
    if (len == 1 && *s == '*')
        len = 0; /* to getaddrinfo no host is every address */
    else if (len == 0)
        return check_name("");
    if (len > ADDRESS_HOST_MAX)
        return "has a host of more than 253 characters";
    if (*s == '[' && s[len - 1] == ']') {
        memcpy(address->host, s + 1, len - 2);
        address->host[len - 2] = '\0';
        return check_ip6(address->host);
    }
    memcpy(address->host, s, len);
    address->host[len] = '\0';
    return len == 0 ? NULL : check_name(address->host);
}

bool address_is_loopback(const char *host)
{
    struct in_addr ip4;
    struct in6_addr ip6;

    if (inet_pton(AF_INET, host, &ip4) == 1)
        return ntohl(ip4.s_addr) >> 24 == 127; /* the whole 127/8, RFC 1122 3.2.1.3 */
    if (inet_pton(AF_INET6, host, &ip6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&ip6);
    return strcasecmp(host, "localhost") == 0;
}
