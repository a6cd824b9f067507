/* tls_clients.h - client certificates: whose are accepted, and what they say */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_TLS_TLS_CLIENTS_H
#define GATEWAY_SERVER_TLS_TLS_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

struct connection;

/*
 * From now on the context wants a certificate of each client, valid, for
 * client use, and signed by one of the CAs of the PEM file; their names are
 * sent to clients. A handshake without one fails. A ticket is good only where
 * the same CAs are accepted, and only while the certificate in it is valid.
 * False: error says why, naming the file. Before the context's first use.
 */
bool tls_clients_require(SSL_CTX *context, const char *ca_file, char *error, size_t size);

/* At the end of a handshake: keeps the certificate's name in the connection, for certificate_name of http/access/certificate.h. */
void tls_clients_keep_name(const SSL *ssl, struct connection *connection);

#endif
