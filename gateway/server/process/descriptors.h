/* descriptors.h - as many descriptors as the system lets the process have, and whether they do */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_PROCESS_DESCRIPTORS_H
#define GATEWAY_SERVER_PROCESS_DESCRIPTORS_H

struct config;

/*
 * Raises the soft limit to the hard one: each connection is a descriptor. Says
 * so in the log where that is less than limits.connections takes.
 */
void descriptors_prepare(const struct config *config);

#endif
