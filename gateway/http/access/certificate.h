/* certificate.h - the name in the certificate of a client */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_CERTIFICATE_H
#define GATEWAY_HTTP_ACCESS_CERTIFICATE_H

struct connection;

/* A common name has 64 characters at most (RFC 5280, appendix A.1), each up to four bytes of UTF-8; and the NUL. */
#define CERTIFICATE_NAME_MAX 257

/*
 * The common name (CN) in the subject of the certificate that the connection
 * was opened with: UTF-8, not empty, without control bytes. Lives
 * as long as the connection. NULL: the listener asks for no certificate, or the subject of this
 * one doesn't have exactly one such name. A certificate that is not valid, or
 * not of the listener's client_ca, ends the handshake. Worker thread.
 */
const char *certificate_name(const struct connection *connection);

#endif
