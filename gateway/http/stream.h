/* stream.h - carries one reader over one HTTP response */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_STREAM_H
#define GATEWAY_HTTP_STREAM_H

struct exchange;
struct reader_options;

/*
 * Answers a checked request with its stream: 200 and the first bytes as soon
 * as every channel flows, or 503 when one cannot. Lives in the request's pool
 * and ends with it. The only caller of h2o_send. presence: a checked subject on
 * which its begin and end are announced, in the request's pool or longer; NULL: none.
 */
void stream_start(struct exchange *exchange, const struct reader_options *options, const char *presence);

/* The head of the response alone, for HEAD. */
void stream_send_head(struct exchange *exchange);

#endif
