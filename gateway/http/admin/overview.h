/* overview.h - /streams: what the gateway holds at the moment, as JSON */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_OVERVIEW_H
#define GATEWAY_HTTP_ADMIN_OVERVIEW_H

struct exchange;

/*
 * Answers with the JSON of core/snapshot.h, some turns later. ?limit=N names N
 * channels, ?filter= narrows by a pattern with a wildcard (what it covers) or
 * by a piece of text. 400 for a bad value, 503 for too many requests at a time.
 */
void overview_answer(struct exchange *exchange);

#endif
