/* stress_options.c - the options that every stress program takes */
/* SPDX-License-Identifier: MIT */
#include "tests/support/stress_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sandbox.h"

bool stress_options_read(int argc, char **argv, unsigned *seed)
{
    const char *program = strstr(argv[0], "stress_");
    bool is_quick = false;

    program = program != NULL ? program + strlen("stress_") : argv[0];
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--quick") == 0)
            is_quick = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            *seed = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            fixture_fail("usage: %s [--quick] [--seed N]", program);
    }
    printf("%s: seed %u\n", program, *seed);
    fflush(stdout);
    return is_quick || is_sanitizer_run();
}
