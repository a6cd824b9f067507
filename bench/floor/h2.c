/* h2.c - the HTTP/2 the floor has to read: requests, SETTINGS, PING */
/* SPDX-License-Identifier: MIT */
#include "bench/floor/floor.h"

#include <stdlib.h>
#include <string.h>

#include "bench/common/tool.h"

enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_SETTINGS = 4, FRAME_PING = 6, FRAME_GOAWAY = 7 };
enum { FLAG_ACK = 0x1, FLAG_END_HEADERS = 0x4, FLAG_PADDED = 0x8, FLAG_PRIORITY = 0x20 };
#define PREFACE_LEN 24
#define PARAMETER "subject="

void h2_write_head(char *dst, size_t len, uint8_t type, uint8_t flags, uint32_t stream)
{
    dst[0] = (char)(len >> 16);
    dst[1] = (char)(len >> 8);
    dst[2] = (char)len;
    dst[3] = (char)type;
    dst[4] = (char)flags;
    stream = __builtin_bswap32(stream);
    memcpy(dst + 5, &stream, sizeof(stream));
}

static void send_frame(struct floor *floor, struct conn *conn, uint8_t type, uint8_t flags, uint32_t stream,
                       const void *payload, size_t len)
{
    char *dst = conn_reserve(floor, conn, H2_HEAD + len);
    h2_write_head(dst, len, type, flags, stream);
    if (len != 0)
        memcpy(dst + H2_HEAD, payload, len);
}

/* Every "subject=" of the query, unchanged: the benchmark's subjects need no decoding. */
static void subscribe(struct floor *floor, struct conn *conn, uint32_t stream, const char *path, size_t len)
{
    const char *end = path + len, *p = path;
    while (p < end && (p = memmem(p, (size_t)(end - p), PARAMETER, sizeof(PARAMETER) - 1)) != NULL) {
        p += sizeof(PARAMETER) - 1;
        const char *stop = memchr(p, '&', (size_t)(end - p));
        if (stop == NULL)
            stop = end;
        fanout_join(floor, conn, stream, p, (size_t)(stop - p));
        p = stop;
    }
}

static bool on_request(struct floor *floor, struct conn *conn, uint32_t stream, const uint8_t *p, size_t len)
{
    /* :status 200 from the static table, then content-type (index 31) as a literal without indexing. */
    static const char answer[] = "\x88\x0f\x10\x11text/event-stream", hello[] = "retry: 2000\n\n";
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(conn->inflater, &nv, &flags, p, len, 1);
        if (n < 0)
            return false;
        p += n;
        len -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && nv.namelen == 5 && memcmp(nv.name, ":path", 5) == 0)
            subscribe(floor, conn, stream, (const char *)nv.value, nv.valuelen);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && len == 0)
            return false;
    }
    nghttp2_hd_inflate_end_headers(conn->inflater);
    send_frame(floor, conn, FRAME_HEADERS, FLAG_END_HEADERS, stream, answer, sizeof(answer) - 1);
    send_frame(floor, conn, FRAME_DATA, 0, stream, hello, sizeof(hello) - 1);
    return true;
}

static bool on_frame(struct floor *floor, struct conn *conn, const uint8_t *frame, size_t len)
{
    uint8_t type = frame[3], flags = frame[4];
    uint32_t stream = ((uint32_t)frame[5] & 0x7f) << 24 | (uint32_t)frame[6] << 16 | (uint32_t)frame[7] << 8 | frame[8];
    const uint8_t *p = frame + H2_HEAD;
    if (type == FRAME_HEADERS) {
        size_t skip = (flags & FLAG_PRIORITY) != 0 ? 5 : 0;
        if ((flags & FLAG_PADDED) != 0 || (flags & FLAG_END_HEADERS) == 0 || len < skip)
            return false;
        return on_request(floor, conn, stream, p + skip, len - skip);
    }
    if (type == FRAME_SETTINGS && (flags & FLAG_ACK) == 0)
        send_frame(floor, conn, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
    else if (type == FRAME_PING && (flags & FLAG_ACK) == 0)
        send_frame(floor, conn, FRAME_PING, FLAG_ACK, 0, p, len);
    return type != FRAME_GOAWAY;
}

bool h2_receive(struct floor *floor, struct conn *conn)
{
    size_t at = 0;
    if (!conn->greeted) {
        if (conn->in_len < PREFACE_LEN)
            return true;
        if (memcmp(conn->in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE_LEN) != 0)
            return false;
        conn->greeted = true;
        at = PREFACE_LEN;
        send_frame(floor, conn, FRAME_SETTINGS, 0, 0, NULL, 0);
    }
    while (conn->in_len - at >= H2_HEAD) {
        const uint8_t *h = conn->in + at;
        size_t len = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
        if (len > H2_FRAME_MAX)
            return false;
        if (conn->in_len - at < H2_HEAD + len)
            break;
        if (!on_frame(floor, conn, h, len))
            return false;
        at += H2_HEAD + len;
    }
    conn->in_len -= at;
    memmove(conn->in, conn->in + at, conn->in_len);
    return true;
}
