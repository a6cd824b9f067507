/* base_ip.c - addresses are read, compared with networks, and grouped into clients */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/ip.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "gateway/config/config.h"

static struct ip ip(const char *text)
{
    struct ip ip;

    cr_assert(ip_parse(text, strlen(text), &ip), "%s", text);
    return ip;
}

static struct ip_network network(const char *text, unsigned bits)
{
    struct ip address = ip(text);
    struct ip_network network = {.bits = ip_is_v4(&address) ? bits + 96 : bits};

    memcpy(network.address, address.bytes, sizeof(network.address));
    return network;
}

static bool is_in(const char *text, struct ip_network network)
{
    struct ip address = ip(text);

    return ip_in_networks(&address, &network, 1);
}

Test(base_ip, what_proxies_write)
{
    static const struct {
        const char *text, *expected; /* NULL: is none */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:443", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"", NULL},
        {"unknown", NULL},
        {"192.0.2", NULL},
        {"192.0.2.1.5", NULL},
        {"192.0.2.256", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]x", NULL},
        {"[]", NULL},
        {"::1 ", NULL},
        {"_hidden", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111", NULL},
    };

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); i++) {
        char text[IP_TEXT_MAX];
        struct ip parsed;
        bool good = ip_parse(cases[i].text, strlen(cases[i].text), &parsed);
        cr_expect_eq(good, cases[i].expected != NULL, "%s", cases[i].text);
        if (good)
            cr_expect_str_eq(ip_write(&parsed, text), cases[i].expected);
    }
    struct ip parsed;
    cr_expect_not(ip_parse("192.0.2.1\0x", 11, &parsed), "a NUL within");
}

Test(base_ip, networks)
{
    cr_expect(is_in("10.1.2.3", network("10.0.0.0", 8)));
    cr_expect_not(is_in("11.1.2.3", network("10.0.0.0", 8)));
    cr_expect(is_in("192.0.2.127", network("192.0.2.0", 25)));
    cr_expect_not(is_in("192.0.2.128", network("192.0.2.0", 25)));
    cr_expect(is_in("192.0.2.1", network("192.0.2.1", 32)));
    cr_expect_not(is_in("192.0.2.0", network("192.0.2.1", 32)));
    cr_expect(is_in("203.0.113.9", network("0.0.0.0", 0)));
    cr_expect_not(is_in("2001:db8::1", network("0.0.0.0", 0)), "IPv4 has a network of its own");
    cr_expect(is_in("2001:db8:0:7::1", network("2001:db8::", 61)));
    cr_expect_not(is_in("2001:db8:0:8::1", network("2001:db8::", 61)));
    cr_expect(is_in("2001:db8::1", network("::", 0)));
    cr_expect(is_in("192.0.2.1", network("::", 0)));
    cr_expect(is_in("::ffff:10.1.2.3", network("10.0.0.0", 8)), "IPv4-mapped is IPv4");
}

Test(base_ip, of_sockets)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct ip a, b;

    inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr);
    cr_expect(ip_of_sockaddr((struct sockaddr *)&v4, &a));
    cr_expect(ip_of_sockaddr((struct sockaddr *)&mapped, &b));
    cr_expect_arr_eq(a.bytes, b.bytes, 16);
    cr_expect_not(ip_of_sockaddr(&none, &a));
}

Test(base_ip, one_client)
{
    struct ip a = ip("2001:db8:0:7::1"), b = ip("2001:db8:0:7:ffff::2"), c = ip("2001:db8:0:8::1");
    struct ip v4 = ip("192.0.2.1"), other = ip("192.0.2.2");
    struct ip of_a = ip_of_client(&a), of_b = ip_of_client(&b), of_c = ip_of_client(&c);
    struct ip of_v4 = ip_of_client(&v4), of_other = ip_of_client(&other);

    cr_expect_arr_eq(of_a.bytes, of_b.bytes, 16, "a /64 is one");
    cr_expect_arr_neq(of_a.bytes, of_c.bytes, 16);
    cr_expect_arr_eq(of_v4.bytes, v4.bytes, 16);
    cr_expect_arr_neq(of_v4.bytes, of_other.bytes, 16);
}
