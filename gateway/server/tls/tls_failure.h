/* tls_failure.h - why an operation of OpenSSL failed, in words */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_TLS_TLS_FAILURE_H
#define GATEWAY_SERVER_TLS_TLS_FAILURE_H

/*
 * Takes from OpenSSL's queue why this thread's last operation failed, for a
 * log line or an error message, and empties the queue. Never NULL; static
 * storage.
 */
const char *tls_failure_take(void);

#endif
