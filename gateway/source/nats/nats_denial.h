/* nats_denial.h - what the broker's refusals are about */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_DENIAL_H
#define GATEWAY_SOURCE_NATS_NATS_DENIAL_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>

#define NATS_ERROR_TEXT_MAX 256 /* nats.c cuts the broker's errors to this */

/* The subject a refusal is about; the client library hands on nothing but the broker's text. */
struct nats_refused {
    bool is_publish;
    const char *subject; /* in the text */
    size_t len;
    bool is_truncated; /* only the beginning of it */
};
bool nats_denial_parse(const char *text, struct nats_refused *refused);
bool nats_denial_matches(const struct nats_refused *refused, const char *subject);

/*
 * Copies the last refusal that the library has noted on the connection. False:
 * none. It notes one before a flush that follows the refused line returns, and
 * reports it from another thread some time after.
 */
bool nats_denial_noted(natsConnection *connection, char text[static NATS_ERROR_TEXT_MAX]);

#endif
