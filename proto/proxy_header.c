/* proxy_header.c - what a load balancer says first on a connection: the PROXY protocol, version 2 */
/* SPDX-License-Identifier: MIT */
#include "proto/proxy_header.h"

#include <string.h>

#define SIGNATURE_LEN 12
#define TCP_OVER_IPV4 0x11
#define TCP_OVER_IPV6 0x21

_Static_assert(PROXY_HEADER_START == SIGNATURE_LEN + 4, "version and command, family, and a length of two bytes");
_Static_assert(PROXY_HEADER_KEPT == PROXY_HEADER_START + 2 * 16 + 2 * 2, "the longest pair of addresses and ports");
_Static_assert(PROXY_HEADER_KEPT <= PROXY_HEADER_MAX, "what is kept is part of a legal header");

static const uint8_t signature[SIGNATURE_LEN] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
static const uint8_t text_form[] = {'P', 'R', 'O', 'X', 'Y'};

static bool begins_alike(const uint8_t *bytes, size_t len, const uint8_t *with, size_t with_len)
{
    return memcmp(bytes, with, len < with_len ? len : with_len) == 0;
}

/* Source address and port lie before and behind the destination's address. */
static void read_address(const uint8_t *block, size_t address_len, struct proxy_header *header)
{
    const uint8_t *port = block + 2 * address_len;

    header->has_address = true;
    header->is_v4 = address_len == 4;
    memset(header->address, 0, 10);
    memset(header->address + 10, 0xff, 2);
    memcpy(header->address + 16 - address_len, block, address_len);
    header->port = (uint16_t)(port[0] << 8 | port[1]);
}

static enum proxy_verdict read_proxied(const uint8_t *bytes, size_t len, size_t block_len, struct proxy_header *header,
                                       size_t *size)
{
    uint8_t family = bytes[13];
    size_t address_len = family == TCP_OVER_IPV4 ? 4 : family == TCP_OVER_IPV6 ? 16 : 0;
    size_t wanted = address_len != 0 ? 2 * address_len + 4 : 0;

    /* 0x00 to 0x32 are defined; for what isn't TCP the sender's own address has to do */
    if (block_len < wanted || family >> 4 > 3 || (family & 0x0f) > 2)
        return PROXY_HEADER_BAD;
    if (len < PROXY_HEADER_START + wanted) {
        *size = PROXY_HEADER_START + wanted;
        return PROXY_HEADER_MORE;
    }
    if (address_len != 0)
        read_address(bytes + PROXY_HEADER_START, address_len, header);
    return PROXY_HEADER_OK;
}

enum proxy_verdict proxy_header_read(const uint8_t *bytes, size_t len, struct proxy_header *header, size_t *size)
{
    enum proxy_verdict verdict = PROXY_HEADER_OK;
    size_t block_len;

    *header = (struct proxy_header){.has_address = false};
    *size = PROXY_HEADER_START;
    if (!begins_alike(bytes, len, signature, SIGNATURE_LEN)) {
        if (!begins_alike(bytes, len, text_form, sizeof(text_form)))
            return PROXY_HEADER_BAD;
        return len >= sizeof(text_form) ? PROXY_HEADER_V1 : PROXY_HEADER_MORE;
    }
    if (len < PROXY_HEADER_START)
        return PROXY_HEADER_MORE;
    block_len = (size_t)(bytes[14] << 8 | bytes[15]);
    if (PROXY_HEADER_START + block_len > PROXY_HEADER_MAX)
        return PROXY_HEADER_BAD;
    if (bytes[12] == 0x21)
        verdict = read_proxied(bytes, len, block_len, header, size);
    else if (bytes[12] != 0x20)
        return PROXY_HEADER_BAD;
    if (verdict == PROXY_HEADER_OK)
        *size = PROXY_HEADER_START + block_len;
    return verdict;
}
