/* nats_link.h - the connection to NATS: making one, closing it, and what its callbacks report */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_LINK_H
#define GATEWAY_SOURCE_NATS_NATS_LINK_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct nats_source;

/* Before the first connection. */
void nats_link_set_callbacks(struct nats_source *source);
/* For /readyz, publishers and the metric. Control, or a callback. */
void nats_link_set_connected(struct nats_source *source, bool is_connected);

/* ---- control ---- */

/* Begins to connect; the inbox will have the outcome. If there is no thread for it: nats_link_schedule. */
void nats_link_connect(struct nats_source *source);
/* When to connect again. Returns in how many milliseconds. */
int64_t nats_link_schedule(struct nats_source *source, bool was_turned_away);
/* Begins to close the connection, which is the callee's from here on; the inbox will have `closed`. */
void nats_link_close(struct nats_source *source);

/* Some failed attempts in a row are logged, not all. */
void nats_link_log_unreachable(struct nats_source *source, unsigned failed, natsStatus status, const char *text);
void nats_link_log_up(struct nats_source *source);

#endif
