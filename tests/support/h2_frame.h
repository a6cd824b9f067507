/* h2_frame.h - HTTP/2 frames as bytes, for clients that write their own */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_H2_FRAME_H
#define TESTS_SUPPORT_H2_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 9113 section 6: types, flags, settings. */
enum { H2_DATA, H2_HEADERS, H2_PRIORITY, H2_RST, H2_SETTINGS, H2_PUSH, H2_PING, H2_GOAWAY, H2_WINDOW, H2_CONTINUATION };
enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8, H2_HAS_PRIORITY = 32 };
enum { H2_SET_TABLE_SIZE = 1, H2_SET_INITIAL_WINDOW = 4 };
#define H2_WINDOW_MAX 0x7fffffffu
#define H2_FRAME_HEADER 9
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct h2_frame {
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload;
    size_t len;
};

/* 32 bits in the order of the wire. */
void h2_frame_put32(uint8_t *dst, uint32_t value);
uint32_t h2_frame_get32(const uint8_t *src);
/* The nine bytes in front of a payload. */
void h2_frame_put_header(uint8_t dst[H2_FRAME_HEADER], uint8_t type, uint8_t flags, uint32_t stream, size_t len);
/* The frame at the beginning of these bytes, whose payload stays where it is. False: it is not all here yet. */
bool h2_frame_read(struct h2_frame *frame, const uint8_t *src, size_t len);

#endif
