/* config_check.h - what several keys of a configuration mean together */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_CHECK_H
#define GATEWAY_CONFIG_CONFIG_CHECK_H

struct config;
struct config_report;

/*
 * The second step, after config_read has found the file to be of the right
 * form: settles what depends on more than one key (workers, TLS, routes and
 * their streams), and reports every contradiction.
 */
void config_check(struct config_report *report, struct config *config);

#endif
