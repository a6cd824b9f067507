/* digest.c - a fixed-size key for a text of any length */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/digest.h"

#include <openssl/sha.h>

#include "gateway/base/check.h"

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "SHA256 fills the whole digest");

void digest_of(const void *text, size_t len, unsigned char dst[static DIGEST_SIZE])
{
    CHECK(SHA256(text, len, dst) != NULL);
}
