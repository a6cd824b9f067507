/* config_reference.h - the table of all configuration keys in words: for the docs and the man page */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_REFERENCE_H
#define GATEWAY_CONFIG_CONFIG_REFERENCE_H

#include <stdbool.h>

#include "gateway/config/config_table.h"

struct config_reference {
    char path[CONFIG_PATH_MAX]; /* "routes[].history.events" */
    char type[128];
    char builtin[CONFIG_PATH_MAX]; /* a value, or the path of the key that it is taken from; empty: nothing */
    bool is_required;
    char help[512]; /* with the range */
};

/* One call for each key that has a value of its own, and each list, in the order of options.def. */
void config_reference_each(void (*on_row)(void *arg, const struct config_reference *row), void *arg);

#endif
