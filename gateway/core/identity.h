/* identity.h - whose stream it is, and until when */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_IDENTITY_H
#define GATEWAY_CORE_IDENTITY_H

#include <stdint.h>

/* What allowed a stream. Belongs to the opener of the reader and outlives it; NULL: anonymous. */
struct identity {
    const char *sub, *jti; /* of the token; NULL: none */
    int64_t expires_s;     /* of the token, wall clock; 0: never */
};

#endif
