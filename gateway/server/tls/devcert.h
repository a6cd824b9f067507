/* devcert.h - a throw-away certificate for --dev */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_TLS_DEVCERT_H
#define GATEWAY_SERVER_TLS_DEVCERT_H

#include <stdbool.h>

#include <openssl/types.h>

/*
 * A new P-256 key and a certificate it signs itself: for localhost, 127.0.0.1
 * and ::1, valid for 30 days, not a CA (RFC 5280 section 4.2), so that trusting
 * it trusts this one server and nothing else. Exists in memory only. The caller
 * frees both. False: OpenSSL failed; nothing is set.
 */
bool devcert_create(X509 **certificate, EVP_PKEY **key);

#endif
