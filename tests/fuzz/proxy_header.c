/* proxy_header.c - fuzzes the PROXY protocol's header */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/proxy_header.h"

/* haproxy.org, "The PROXY protocol", 2.2: the C struct given there. */
struct v2 {
    uint8_t signature[12], version_command, family, len[2];
    union {
        struct {
            uint8_t source[4], destination[4], source_port[2], destination_port[2];
        } ip4;
        struct {
            uint8_t source[16], destination[16], source_port[2], destination_port[2];
        } ip6;
    } address;
};

static bool same_as_sent(const struct proxy_header *header, const uint8_t *source, size_t len, const uint8_t *port)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool prefixed = len == 16 || memcmp(header->address, mapped, 12) == 0;

    return header->has_address && header->is_v4 == (len == 4) && prefixed &&
           memcmp(header->address + 16 - len, source, len) == 0 && header->port == port[0] * 256 + port[1];
}

/* Everything that the header asked for is there. */
static void check_good(const uint8_t *bytes, size_t len, const struct proxy_header *header, size_t size)
{
    struct v2 v2 = {.family = 0};

    memcpy(&v2, bytes, len < sizeof(v2) ? len : sizeof(v2));
    FUZZ_CHECK(memcmp(v2.signature, "\r\n\r\n\0\r\nQUIT\n", 12) == 0);
    FUZZ_CHECK(v2.version_command == 0x20 || v2.version_command == 0x21);
    bool proxied = v2.version_command == 0x21;
    FUZZ_CHECK(len >= 16 + (proxied && v2.family == 0x11 ? 12u : proxied && v2.family == 0x21 ? 36u : 0u));
    FUZZ_CHECK(size == 16 + (size_t)v2.len[0] * 256 + v2.len[1] && size <= PROXY_HEADER_MAX);
    if (v2.version_command == 0x21 && v2.family == 0x11)
        FUZZ_CHECK(same_as_sent(header, v2.address.ip4.source, 4, v2.address.ip4.source_port) && size >= 28);
    else if (v2.version_command == 0x21 && v2.family == 0x21)
        FUZZ_CHECK(same_as_sent(header, v2.address.ip6.source, 16, v2.address.ip6.source_port) && size >= 52);
    else
        FUZZ_CHECK(!header->has_address);
}

/* Is this the beginning of some header that could be taken? */
static bool could_be_good(const uint8_t *bytes, size_t len)
{
    const uint8_t least[16] = "\r\n\r\n\0\r\nQUIT\n";
    size_t block_len = len >= 16 ? (size_t)bytes[14] * 256 + bytes[15] : 0;

    if (memcmp(bytes, least, len < 12 ? len : 12) != 0)
        return false;
    if (len < 16)
        return true;
    if ((bytes[12] != 0x20 && bytes[12] != 0x21) || 16 + block_len > PROXY_HEADER_MAX)
        return false;
    /* LOCAL: whatever else it says is ignored. Families and protocols from 4 and 3 on are of no known kind. */
    return bytes[12] == 0x20 || (bytes[13] >> 4 < 4 && bytes[13] % 16 < 3 && (bytes[13] != 0x11 || block_len >= 12) &&
                                 (bytes[13] != 0x21 || block_len >= 36));
}

/* A reader that has `len` bytes, and gets more when it asks: as a listener does. */
static enum proxy_verdict read_so_far(const struct fuzz_text *text, size_t len, struct proxy_header *header,
                                      size_t *size)
{
    uint8_t *bytes = malloc(len != 0 ? len : 1);

    if (bytes == NULL)
        abort();
    if (len != 0)
        memcpy(bytes, text->s, len);
    enum proxy_verdict verdict = proxy_header_read(bytes, len, header, size);
    bool good = could_be_good(bytes, len), v1 = len >= 5 && memcmp(bytes, "PROXY", 5) == 0;
    FUZZ_CHECK((verdict == PROXY_HEADER_V1) == v1);
    if (verdict == PROXY_HEADER_OK)
        check_good(bytes, len, header, *size);
    if (verdict == PROXY_HEADER_BAD)
        FUZZ_CHECK(!good);
    else if (verdict != PROXY_HEADER_V1)
        FUZZ_CHECK(good || memcmp(bytes, "PROXY", len < 5 ? len : 5) == 0);
    if (verdict == PROXY_HEADER_MORE)
        FUZZ_CHECK(*size <= PROXY_HEADER_KEPT && (*size > len || v1 || len < 5));
    free(bytes);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text text = fuzz_rest(&input);
    struct proxy_header header, before;
    enum proxy_verdict verdict = PROXY_HEADER_MORE, last = PROXY_HEADER_MORE;
    size_t wanted, most = text.len < PROXY_HEADER_KEPT + 8 ? text.len : PROXY_HEADER_KEPT + 8;

    /* Once there is an answer, more bytes don't change it. */
    for (size_t len = 0; len <= most; ++len) {
        verdict = read_so_far(&text, len, &header, &wanted);
        FUZZ_CHECK(last == PROXY_HEADER_MORE || verdict == last);
        if (last == PROXY_HEADER_OK)
            FUZZ_CHECK(memcmp(header.address, before.address, 16) == 0 && header.port == before.port);
        last = verdict;
        before = header;
    }
    FUZZ_CHECK(verdict != PROXY_HEADER_MORE || most < PROXY_HEADER_KEPT);
    free(text.s);
    return 0;
}
