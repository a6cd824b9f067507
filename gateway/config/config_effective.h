/* config_effective.h - the configuration as it is in effect, for whoever asks a running gateway */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_EFFECTIVE_H
#define GATEWAY_CONFIG_CONFIG_EFFECTIVE_H

struct raw_config;

/*
 * A JSON object of the file's form with every key of options.def, walked by
 * the same schema that reads the file: what isn't in the file is what
 * options.def has for it, and each route has what it takes from defaults; null
 * is nothing. Values are as the file writes them ("15s", "4MiB"), numbers are
 * numbers. A value whose type is "secret" is "***", and so is what stands
 * before the @ of a URL. The caller frees.
 */
char *config_effective(const struct raw_config *raw);

#endif
