/* ip.c - addresses of clients, one form for IPv4 and IPv6 */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "gateway/base/check.h"

_Static_assert(IP_TEXT_MAX == INET6_ADDRSTRLEN, "the longest text, with its NUL");
_Static_assert(sizeof(struct ip) == sizeof(struct in6_addr), "compared and hashed as bytes: no padding");

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ip_of_sockaddr(const struct sockaddr *address, struct ip *ip)
{
    memset(ip, 0, sizeof(*ip));
    if (address->sa_family == AF_INET) {
        memcpy(ip->bytes, v4_prefix, sizeof(v4_prefix));
        memcpy(ip->bytes + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(ip->bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    return true;
}

/* Removes brackets and port. False: an unmatched bracket, or something other than a port behind it. */
static bool strip_port(const char **s, size_t *len)
{
    const char *colon = memchr(*s, ':', *len);

    if (*len != 0 && **s == '[') {
        const char *end = memchr(*s, ']', *len);
        if (end == NULL || (end + 1 != *s + *len && end[1] != ':'))
            return false;
        *len = (size_t)(end - ++*s);
    } else if (colon != NULL && memchr(colon + 1, ':', *len - (size_t)(colon + 1 - *s)) == NULL) {
        *len = (size_t)(colon - *s); /* an IPv6 address has at least two colons */
    }
    return true;
}

bool ip_parse(const char *s, size_t len, struct ip *ip)
{
    char text[IP_TEXT_MAX];

    if (!strip_port(&s, &len) || len >= sizeof(text))
        return false;
    memcpy(text, s, len);
    text[len] = '\0';
    if (strlen(text) != len) /* a NUL within would hide what follows it from inet_pton */
        return false;
    /* Makes an IPv4 address a mapped one; inet_pton writes nothing where it fails, and all 16 bytes of IPv6. */
    memcpy(ip->bytes, v4_prefix, sizeof(v4_prefix));
    return inet_pton(AF_INET, text, ip->bytes + 12) == 1 || inet_pton(AF_INET6, text, ip->bytes) == 1;
}

bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

static bool is_in_network(const struct ip *ip, const struct ip_network *network)
{
    CHECK(network->bits <= 128);
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(ip->bytes, network->address, whole) != 0)
        return false;
    /* A prefix of 128 bits has no byte behind its whole ones to look at. */
    return rest == 0 || ((ip->bytes[whole] ^ network->address[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool ip_in_networks(const struct ip *ip, const struct ip_network *networks, unsigned count)
{
    for (unsigned i = 0; i != count; ++i) {
        if (is_in_network(ip, &networks[i]))
            return true;
    }
    return false;
}

struct ip ip_of_client(const struct ip *ip)
{
    struct ip client = *ip;

    if (!ip_is_v4(ip))
        memset(client.bytes + 8, 0, 8);
    return client;
}

const char *ip_write(const struct ip *ip, char dst[static IP_TEXT_MAX])
{
    const void *bytes = ip_is_v4(ip) ? ip->bytes + 12 : ip->bytes;

    CHECK(inet_ntop(ip_is_v4(ip) ? AF_INET : AF_INET6, bytes, dst, IP_TEXT_MAX) != NULL);
    return dst;
}
