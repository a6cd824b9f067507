/* gate_meter.h - how many bytes a connection may send us */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GATE_GATE_METER_H
#define GATEWAY_SERVER_GATE_GATE_METER_H

#include <openssl/types.h>

/*
 * What a connection sends, handshake included, is counted in bytes that come
 * off the wire: an attacker's records that decrypt to nothing count too. Both
 * belong into the TLS context's info callback. Worker thread.
 */

/* At the start of each handshake: hangs the meter between OpenSSL and the socket. */
void gate_meter_tls(SSL *ssl);
/* At each message of a handshake: after it they are KeyUpdates, which cost us far more than their bytes. */
void gate_meter_handshake(SSL *ssl);

#endif
