/* config_read.h - reads a YAML document into a struct config by the table, and explains what doesn't fit */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_READ_H
#define GATEWAY_CONFIG_CONFIG_READ_H

#include <stdbool.h>

struct config;
struct config_report;

/* Bytes of a file, far beyond any configuration: what is larger was meant for something else. */
#define CONFIG_FILE_MAX (4u << 20)

/*
 * Fills a zeroed config from report->document, built-in and inherited values
 * included, and reports every unknown, missing or repeated key, every value of
 * a wrong kind, type or range, and every file that can't be read. folder: what
 * relative paths of files start from, with its '/'; "" is the working
 * directory. Merge keys are unknown keys.
 *
 * False: the file isn't of the right form (not just of wrong values), so that
 * members may be missing that are required, and nothing more can be said of
 * it. Whatever it returns, config_destroy frees the struct.
 */
bool config_read(struct config_report *report, const char *folder, struct config *config);

#endif
