/* h2_frame.c - HTTP/2 frames as bytes, for clients that write their own */
/* SPDX-License-Identifier: MIT */
#include "tests/support/h2_frame.h"

#include <arpa/inet.h>
#include <string.h>

void h2_frame_put32(uint8_t *dst, uint32_t value)
{
    value = htonl(value);
    memcpy(dst, &value, 4);
}

uint32_t h2_frame_get32(const uint8_t *src)
{
    uint32_t value;

    memcpy(&value, src, 4);
    return ntohl(value);
}

void h2_frame_put_header(uint8_t dst[H2_FRAME_HEADER], uint8_t type, uint8_t flags, uint32_t stream, size_t len)
{
    h2_frame_put32(dst, (uint32_t)len << 8 | type);
    dst[4] = flags;
    h2_frame_put32(dst + 5, stream);
}

bool h2_frame_read(struct h2_frame *frame, const uint8_t *src, size_t len)
{
    if (len < H2_FRAME_HEADER)
        return false;
    *frame = (struct h2_frame){.type = src[3],
                               .flags = src[4],
                               .stream = h2_frame_get32(src + 5) & H2_WINDOW_MAX,
                               .payload = src + H2_FRAME_HEADER,
                               .len = h2_frame_get32(src) >> 8};
    return len - H2_FRAME_HEADER >= frame->len;
}
