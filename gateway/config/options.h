/* options.h - the table of all configuration keys, for --help and for built-in defaults */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_OPTIONS_H
#define GATEWAY_CONFIG_OPTIONS_H

#include <stddef.h>

/* All strings are static. */
struct options_row {
    const char *path; /* "routes[].history.events" */
    const char *type;
    const char *builtin; /* a value, "required", "-" for nothing, or the path of the key it comes from */
    const char *help;
};

/* The rows of options.def in their order; NULL from the end on. */
const struct options_row *options_at(size_t i);

/* The built-in value of a key that has one; anything else is a bug and aborts. */
const char *options_builtin(const char *path);

#endif
