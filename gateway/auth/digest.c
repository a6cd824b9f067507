/* digest.c - what stands for a text of any length in a table */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/digest.h"

#include <openssl/sha.h>

#include "gateway/base/check.h"

void digest_of(const void *text, size_t len, unsigned char dst[static DIGEST_SIZE])
{
    CHECK(SHA256(text, len, dst) != NULL);
}
