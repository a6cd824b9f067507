/* tls_failure.c - why an operation of OpenSSL failed, in words */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls_failure.h"

#include <openssl/err.h>
#include <stddef.h>
#include <string.h>

static const char *reason_of(unsigned long code)
{
    const char *reason;

    if (code == 0)
        return "unknown reason";
    if (ERR_SYSTEM_ERROR(code))
        return strerrordesc_np(ERR_GET_REASON(code));
    reason = ERR_reason_error_string(code);
    return reason != NULL ? reason : "unknown reason";
}

const char *tls_failure_take(void)
{
    /* The first error is the cause; those after it say what could not be done because of it. */
    unsigned long code = ERR_get_error();

    ERR_clear_error();
    return reason_of(code);
}
