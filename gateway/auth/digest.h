/* digest.h - a fixed-size key for a text of any length */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_DIGEST_H
#define GATEWAY_AUTH_DIGEST_H

#include <stddef.h>

/* SHA-256 (FIPS 180-4): no two texts with the same digest can be found. */
#define DIGEST_SIZE 32
void digest_of(const void *text, size_t len, unsigned char dst[static DIGEST_SIZE]);

#endif
