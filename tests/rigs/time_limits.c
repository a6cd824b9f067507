/* time_limits.c - a test's time limit grows with its deadlines: a wait that is too long can say what for */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/hooks.h>

#include "tests/support/sandbox.h"

void time_limits_scale(struct criterion_test_set *set);

static void scale(struct criterion_test_extra_data *data)
{
    if (data != NULL)
        data->timeout = (double)scaled_ms((int64_t)(data->timeout * 1000)) / 1000;
}

/* A name for the linker, which takes the file in for it. */
void time_limits_scale(struct criterion_test_set *set)
{
    FOREACH_SET (struct criterion_suite_set *suite, set->suites) {
        scale(suite->suite.data);
        FOREACH_SET (struct criterion_test *test, suite->tests)
            scale(test->data);
    }
}

/* In Criterion's own process, which watches the time, before the first test. */
ReportHook(PRE_ALL)(struct criterion_test_set *set)
{
    time_limits_scale(set);
}
