/* config_number.h - values of the configuration that are kept as a number: amounts, flags and choices */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_NUMBER_H
#define GATEWAY_CONFIG_CONFIG_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config_table.h"

/* The option's value is kept as a number. */
bool config_number_is_kept(const struct config_option *option);

/* An amount in the largest unit that has it whole, as a person would write it: "30s". Returns text. */
#define CONFIG_AMOUNT_MAX 32
const char *config_number_write(enum config_type type, uint64_t amount, char text[static CONFIG_AMOUNT_MAX]);

/* What an amount may be: "1s to 1h, or 0 for never". Returns text. */
#define CONFIG_RANGE_MAX 96
const char *config_number_range(const struct config_option *option, char text[static CONFIG_RANGE_MAX]);
/* The words of a choice with that between them: "text, json". Returns text. */
const char *config_number_words(const struct config_option *option, const char *between,
                                char text[static CONFIG_RANGE_MAX]);

/*
 * NULL on success, else what is wrong, to be said after the value; it is in
 * room or static, and *number is untouched.
 */
#define CONFIG_REASON_MAX 256
const char *config_number_parse(const struct config_option *option, const char *text, uint64_t *number,
                                char room[static CONFIG_REASON_MAX]);

#endif
