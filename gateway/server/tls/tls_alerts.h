/* tls_alerts.h - a client whose handshake fails is told why */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_TLS_TLS_ALERTS_H
#define GATEWAY_SERVER_TLS_TLS_ALERTS_H

#include <openssl/types.h>

struct st_h2o_socket_t;

/*
 * When a handshake fails libh2o drops OpenSSL's alert and closes, so
 * a client would see nothing but an end of file (RFC 8446 section 6.2 wants an
 * alert). All three belong into the context's info callback: keep at the start
 * of a handshake whose alerts may be encrypted, end when it is done, send when
 * OpenSSL has written a fatal alert (value: as the callback got it).
 */
void tls_alerts_keep(SSL *ssl);
void tls_alerts_end(SSL *ssl);
void tls_alerts_send(const SSL *ssl, int value);

/* The libh2o socket below, NULL: it is none of libh2o's. */
struct st_h2o_socket_t *tls_alerts_socket(const SSL *ssl);

#endif
