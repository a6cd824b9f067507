/* tls.h - makes the TLS contexts of the listeners */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_TLS_TLS_H
#define GATEWAY_SERVER_TLS_TLS_H

#include <stddef.h>

#include <openssl/types.h>

/*
 * The single owner of SSL_CTX. TLS 1.2 (forward-secret AEAD suites only) and
 * 1.3; ALPN h2 before http/1.1, and a client that offers neither is refused
 * with no_application_protocol (RFC 7301 section 3.2); a client without ALPN
 * gets HTTP/1.1. No renegotiation, no compression, no session cache: sessions
 * are resumed by tickets, whose keys all contexts of the process share.
 *
 * A context may be shared by all threads; h2o_socket_ssl_handshake takes it as
 * it is. NULL: error says why, naming the file concerned.
 */
SSL_CTX *tls_context_create(const char *certificate_file, const char *key_file, char *error, size_t size);
/* From memory. Takes its own references; the caller keeps the ones it has. */
SSL_CTX *tls_context_create_from(X509 *certificate, EVP_PKEY *key, char *error, size_t size);
/* Connections that still use it keep it alive. NULL is ignored. */
void tls_context_destroy(SSL_CTX *context);

#endif
