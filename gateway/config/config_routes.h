/* config_routes.h - the routes of a configuration: templates compiled, contradictions found, put in order */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_ROUTES_H
#define GATEWAY_CONFIG_CONFIG_ROUTES_H

struct config;
struct config_report;

/*
 * A part of config_check: config->defaults and config->routes, which are still
 * in the file's order and in matching order afterwards, and what is gathered
 * from them: key files and streams.
 */
void config_routes_check(struct config_report *report, struct config *config);

#endif
