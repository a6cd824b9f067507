/* stress_options.h - the options that every stress program takes */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STRESS_OPTIONS_H
#define TESTS_SUPPORT_STRESS_OPTIONS_H

#include <stdbool.h>

/* Reads [--quick] [--seed N]; true: a short run. Without --seed, seed stays as it is. Prints the seed. */
bool stress_options_read(int argc, char **argv, unsigned *seed);

#endif
