/* base64url.h - strict base64url, of which each value has exactly one text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_BASE64URL_H
#define GATEWAY_AUTH_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

/* What `len` characters decode to has at most so many bytes. */
#define BASE64URL_DECODED_MAX(len) ((len) / 4 * 3 + 2)
/* … and what `len` bytes encode to has so many characters, with the NUL. */
#define BASE64URL_ENCODED_SIZE(len) (((len)*4 + 2) / 3 + 1)

/*
 * RFC 4648, 5 as RFC 7515, 2 narrows it: no padding, no other characters. The
 * bits of the last character that no byte uses have to be zero (RFC 4648,
 * 3.5): else one signature would have up to sixteen texts.
 */
bool base64url_decode(const char *text, size_t len, unsigned char *dst, size_t *dst_len);
/* NUL terminated. */
void base64url_encode(const unsigned char *bytes, size_t len, char *dst);

#endif
