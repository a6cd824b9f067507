/* goaway.h - tells an HTTP/2 client to open its next streams elsewhere */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GATE_GOAWAY_H
#define GATEWAY_SERVER_GATE_GOAWAY_H

struct connection;

/*
 * Sends a GOAWAY that refuses nothing (RFC 9113 section 6.8: NO_ERROR, the
 * highest stream id): the streams of the connection stay open, what its client
 * has asked for meanwhile is answered, but it opens no more here.
 *
 * libh2o's own graceful shutdown is not used. Its second GOAWAY leaves a
 * connection in a state in which requests get no answer, the end of the last
 * stream closes the socket with what it has not taken yet, and a CONTINUATION
 * makes the loop spin for ever. Hub thread; other protocols are left alone.
 */
void goaway_send(struct connection *connection);

#endif
