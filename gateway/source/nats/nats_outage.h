/* nats_outage.h - what control does when the connection comes, goes, or is given up by the client library */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_OUTAGE_H
#define GATEWAY_SOURCE_NATS_NATS_OUTAGE_H

struct nats_link_news;
struct nats_source;

/* Control thread. */
void nats_outage_handle(struct nats_source *source, const struct nats_link_news *news);

#endif
