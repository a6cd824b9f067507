/* stress_options.h - the options that every stress program takes */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STRESS_OPTIONS_H
#define TESTS_SUPPORT_STRESS_OPTIONS_H

#include <stdbool.h>

/* [--quick] [--seed N]: true if it is to be quick. seed stays as it is if none is given, and is printed. */
bool stress_options_read(int argc, char **argv, unsigned *seed);

#endif
