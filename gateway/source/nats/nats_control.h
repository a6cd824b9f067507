/* nats_control.h - the control thread of a NATS source: all calls of the client library that may block */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_CONTROL_H
#define GATEWAY_SOURCE_NATS_NATS_CONTROL_H

/* The thread, from the source's start to its stop; arg: the struct nats_source. */
void *nats_control_main(void *arg);

#endif
