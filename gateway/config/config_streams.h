/* config_streams.h - the JetStream streams of a configuration, gathered from its routes */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_STREAMS_H
#define GATEWAY_CONFIG_CONFIG_STREAMS_H

struct config;
struct config_report;

/* A part of config_check: fills config->streams and history.source of each route, in the file's order. */
void config_streams_check(struct config_report *report, struct config *config);

#endif
