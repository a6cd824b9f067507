/* proto_proxy_header.c - PROXY protocol version 2, byte by byte, and what is none */
/* SPDX-License-Identifier: MIT */
#include "proto/proxy_header.h"

#include <criterion/criterion.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define START(command, family, len) SIGNATURE command family "\0" len
#define TCP4 START("\x21", "\x11", "\x0c") "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb"
#define TCP6                                                                                                           \
    START("\x21", "\x21", "\x24")                                                                                      \
    "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"                                                 \
    "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xff\xfe\x01\xbb"

static enum proxy_verdict read_bytes(const char *bytes, size_t len, struct proxy_header *header, size_t *size)
{
    return proxy_header_read((const uint8_t *)bytes, len, header, size);
}

/* With every shorter start MORE, and what it wants is never beyond the header. */
static void check_starts(const char *bytes, size_t len)
{
    struct proxy_header header;
    size_t size;

    for (size_t i = 0; i != len; i++) {
        cr_expect_eq(read_bytes(bytes, i, &header, &size), PROXY_HEADER_MORE, "%zu bytes", i);
        cr_expect(size > i && size <= len, "%zu bytes, %zu wanted", i, size);
        cr_expect_not(header.has_address);
    }
}

Test(proto_proxy_header, a_client_over_ipv4)
{
    static const uint8_t expected[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
    struct proxy_header header;
    size_t size;

    check_starts(TCP4, sizeof(TCP4) - 1);
    cr_assert_eq(read_bytes(TCP4, sizeof(TCP4) - 1, &header, &size), PROXY_HEADER_OK);
    cr_expect_eq(size, sizeof(TCP4) - 1);
    cr_expect(header.has_address && header.is_v4);
    cr_expect_arr_eq(header.address, expected, 16);
    cr_expect_eq(header.port, 12345);
}

Test(proto_proxy_header, a_client_over_ipv6)
{
    static const uint8_t expected[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    struct proxy_header header;
    size_t size;

    check_starts(TCP6, sizeof(TCP6) - 1);
    cr_expect_eq(sizeof(TCP6) - 1, PROXY_HEADER_KEPT);
    cr_assert_eq(read_bytes(TCP6, sizeof(TCP6) - 1, &header, &size), PROXY_HEADER_OK);
    cr_expect_eq(size, sizeof(TCP6) - 1);
    cr_expect(header.has_address && !header.is_v4);
    cr_expect_arr_eq(header.address, expected, 16);
    cr_expect_eq(header.port, 65534);
}

Test(proto_proxy_header, extensions_count_but_need_not_be_there)
{
    char bytes[sizeof(TCP4)] = TCP4;
    struct proxy_header header;
    size_t size;

    bytes[14] = 0x01; /* 256 bytes more */
    cr_assert_eq(read_bytes(bytes, sizeof(bytes) - 1, &header, &size), PROXY_HEADER_OK);
    cr_expect_eq(size, sizeof(TCP4) - 1 + 256);
    cr_expect_eq(header.port, 12345);
}

Test(proto_proxy_header, a_balancer_that_speaks_for_itself)
{
    static const char local[] = START("\x20", "\x00", "\x00"), local4[] = START("\x20", "\x11", "\x0c");
    static const char unspecified[] = START("\x21", "\x00", "\x05"), udp[] = START("\x21", "\x12", "\x0c");
    static const char path[] = START("\x21", "\x31", "\xd8");
    struct proxy_header header;
    size_t size;

    cr_expect_eq(read_bytes(local, 16, &header, &size), PROXY_HEADER_OK);
    cr_expect_eq(size, 16);
    cr_expect_eq(read_bytes(local4, 16, &header, &size), PROXY_HEADER_OK);
    cr_expect_eq(size, 28);
    cr_expect_eq(read_bytes(unspecified, 16, &header, &size), PROXY_HEADER_OK);
    cr_expect_eq(size, 21);
    cr_expect_eq(read_bytes(udp, 16, &header, &size), PROXY_HEADER_OK);
    cr_expect_not(header.has_address, "only TCP has a client here");
    cr_expect_eq(read_bytes(path, 16, &header, &size), PROXY_HEADER_OK);
    cr_expect_not(header.has_address);
}

Test(proto_proxy_header, what_is_none)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum proxy_verdict verdict;
    } cases[] = {
        {"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", 16, PROXY_HEADER_V1},
        {"PROXY", 5, PROXY_HEADER_V1},
        {"PRO", 3, PROXY_HEADER_MORE},
        {"PRI * HTTP/2.0\r\n", 16, PROXY_HEADER_BAD},
        {"GET / HTTP/1.1\r\n", 16, PROXY_HEADER_BAD},
        {"\x16\x03\x01", 3, PROXY_HEADER_BAD},
        {"\r\n\r\n\0\r\nQUIX", 11, PROXY_HEADER_BAD},
        {START("\x11", "\x11", "\x0c"), 16, PROXY_HEADER_BAD}, /* version 1 in binary */
        {START("\x22", "\x11", "\x0c"), 16, PROXY_HEADER_BAD}, /* no such command */
        {START("\x21", "\x11", "\x0b"), 16, PROXY_HEADER_BAD}, /* too short for its family */
        {START("\x21", "\x21", "\x0c"), 16, PROXY_HEADER_BAD},
        {START("\x21", "\x41", "\x0c"), 16, PROXY_HEADER_BAD}, /* no such family */
        {START("\x21", "\x13", "\x0c"), 16, PROXY_HEADER_BAD}, /* no such transport */
        {SIGNATURE "\x21\x11\xff\xff", 16, PROXY_HEADER_BAD},  /* longer than any header */
    };
    struct proxy_header header;
    size_t size;

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(read_bytes(cases[i].bytes, cases[i].len, &header, &size), cases[i].verdict, "case %zu", i);
        cr_expect_not(header.has_address, "case %zu", i);
    }
}

/* Whatever the bytes, it neither reads beyond them nor wants more than it keeps. */
Test(proto_proxy_header, any_bytes)
{
    unsigned seed = 20261122;

    for (int i = 0; i != 200000; i++) {
        uint8_t bytes[PROXY_HEADER_KEPT];
        struct proxy_header header;
        size_t len, size;
        memcpy(bytes, TCP6, sizeof(bytes));
        for (int n = 0; n != 4; n++) {
            seed = seed * 1664525 + 1013904223;
            bytes[(seed >> 8) % (i % 2 == 0 ? 16 : sizeof(bytes))] = (uint8_t)(seed >> 24);
        }
        len = (seed >> 16) % (sizeof(bytes) + 1);
        if (proxy_header_read(bytes, len, &header, &size) == PROXY_HEADER_MORE)
            cr_assert(size > len && size <= PROXY_HEADER_KEPT);
        else
            cr_assert_leq(size, PROXY_HEADER_MAX);
    }
}
