/* base64url.h - strict base64url: each value has exactly one text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_BASE64URL_H
#define GATEWAY_AUTH_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes that `len` characters decode to. */
#define BASE64URL_DECODED_MAX(len) ((len) / 4 * 3 + 2)
/* The characters that `len` bytes encode to, NUL included. */
#define BASE64URL_ENCODED_SIZE(len) (((len)*4 + 2) / 3 + 1)

/*
 * RFC 4648, 5 as RFC 7515, 2 narrows it: no padding, no other characters. The
 * unused bits of the last character must be zero (RFC 4648, 3.5), or one
 * signature would have up to sixteen texts. dst has room for
 * BASE64URL_DECODED_MAX(len) bytes.
 */
bool base64url_decode(const char *text, size_t len, unsigned char *dst, size_t *dst_len);
/* dst has room for BASE64URL_ENCODED_SIZE(len) characters; the NUL is written. */
void base64url_encode(const unsigned char *bytes, size_t len, char *dst);

#endif
