/* access_log.h - one log line for each stream that has ended */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_LOG_H
#define GATEWAY_HTTP_ACCESS_LOG_H

struct exchange;
struct reader;

/*
 * `stream-end` at level info, unless log.access is off: route (its template),
 * subjects, duration (seconds), events, bytes, gaps, reason, protocol, peer
 * (the client's address; behind trusted proxies the one they report) and sub,
 * where a token has one. Never a token, never a query. At most
 * ACCESS_LOG_BURST lines a second of each worker; the next one says how many
 * were left out. Called after the response, before the reader is closed.
 */
#define ACCESS_LOG_BURST 200
void access_log_stream(const struct exchange *exchange, const struct reader *reader);

#endif
