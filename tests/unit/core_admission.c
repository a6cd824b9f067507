/* core_admission.c - streams in all and of one bearer are counted, up to their limits, and forgotten */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/admission.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/config.h"

#define S INT64_C(1000000000)
#define NOW (1000 * S)

static struct admission *admission;

static void setup(void)
{
    admission = admission_create();
}

static void teardown(void)
{
    admission_destroy(admission); /* which checks that all has been given back */
}

TestSuite(core_admission, .init = setup, .fini = teardown);

Test(core_admission, streams_in_all)
{
    const struct config_limits limits = {.streams_total = 3};
    for (int i = 0; i != 3; i++)
        cr_expect_eq(admission_take(admission, &limits, NOW), ADMISSION_OK);
    cr_expect_eq(admission_take(admission, &limits, NOW), ADMISSION_OVER_STREAMS);
    admission_give(admission);
    cr_expect_eq(admission_take(admission, &limits, NOW), ADMISSION_OK);
    cr_expect_eq(admission_take(admission, &limits, NOW), ADMISSION_OVER_STREAMS);
    for (int i = 0; i != 3; i++)
        admission_give(admission);
}

Test(core_admission, new_streams_in_all)
{
    const struct config_limits limits = {.streams_total = 4, .new_streams_total = 1};
    for (int i = 0; i != 4; i++)
        cr_expect_eq(admission_take(admission, &limits, NOW), ADMISSION_OK);
    for (int i = 0; i != 10; i++)
        cr_expect_eq(admission_take(admission, &limits, NOW + S), ADMISSION_OVER_STREAMS);
    for (int i = 0; i != 4; i++)
        admission_give(admission);
    cr_expect_eq(admission_take(admission, &limits, NOW), ADMISSION_OVER_RATE);
    cr_expect_eq(admission_take(admission, &limits, NOW + S), ADMISSION_OK, "what was over the other limit cost none");
    cr_expect_eq(admission_take(admission, &limits, NOW + S), ADMISSION_OVER_RATE);
    admission_give(admission);
}

Test(core_admission, without_limits_they_are_counted_all_the_same)
{
    const struct config_limits none = {.streams = 1}, some = {.streams_total = 2};
    cr_expect_eq(admission_take(admission, &none, NOW), ADMISSION_OK);
    cr_expect_eq(admission_take(admission, &none, NOW), ADMISSION_OK);
    cr_expect_eq(admission_take(admission, &none, NOW), ADMISSION_OK);
    cr_expect_eq(admission_take(admission, &some, NOW), ADMISSION_OVER_STREAMS);
    for (int i = 0; i != 3; i++)
        admission_give(admission);
}

Test(core_admission, bearers)
{
    struct bearer *ann[2], *bob;
    cr_assert_not_null(ann[0] = admission_take_bearer(admission, "ann", 3, 2));
    cr_assert_not_null(ann[1] = admission_take_bearer(admission, "ann", 3, 2));
    cr_expect_null(admission_take_bearer(admission, "ann", 3, 2));
    cr_assert_not_null(bob = admission_take_bearer(admission, "bob", 3, 2));
    cr_expect_eq(admission_bearers(admission), 2);
    admission_give_bearer(ann[0]);
    cr_assert_not_null(ann[0] = admission_take_bearer(admission, "ann", 3, 2));
    admission_give_bearer(ann[0]);
    admission_give_bearer(ann[1]);
    cr_expect_eq(admission_bearers(admission), 1);
    admission_give_bearer(bob);
    cr_expect_eq(admission_bearers(admission), 0, "a bearer without streams is forgotten");
    admission_give_bearer(NULL);
}

Test(core_admission, names_are_bytes)
{
    struct bearer *a = admission_take_bearer(admission, "a\0b", 3, 1),
                  *b = admission_take_bearer(admission, "a\0c", 3, 1), *c = admission_take_bearer(admission, "a", 1, 1),
                  *none = admission_take_bearer(admission, "", 0, 1);
    cr_expect(a != NULL && b != NULL && c != NULL && none != NULL);
    admission_give_bearer(a);
    admission_give_bearer(b);
    admission_give_bearer(c);
    admission_give_bearer(none);
}

#define THREADS 4
#define BEARERS 50

/* One clock for all: with its own, a thread that starts late would find the bucket far ahead of its time. */
static _Atomic int64_t shared_ns = NOW;

static void *open_and_close(void *arg)
{
    const struct config_limits limits = {.streams_total = 100, .new_streams_total = 10000000};
    struct bearer *held[BEARERS] = {NULL};
    unsigned *most = arg;
    for (unsigned round = 0; round != 20000; round++) {
        char name[16];
        unsigned i = round % BEARERS;
        int len = snprintf(name, sizeof(name), "user-%u", i);
        if (held[i] != NULL) {
            admission_give_bearer(held[i]);
            admission_give(admission);
            held[i] = NULL;
        } else if (admission_take(admission, &limits, atomic_fetch_add(&shared_ns, S)) == ADMISSION_OK) {
            held[i] = admission_take_bearer(admission, name, (size_t)len, 2);
            if (held[i] == NULL)
                admission_give(admission);
        }
        *most += held[i] != NULL;
    }
    for (unsigned i = 0; i != BEARERS; i++) {
        if (held[i] != NULL)
            admission_give(admission);
        admission_give_bearer(held[i]);
    }
    return NULL;
}

Test(core_admission, workers_meet_in_it)
{
    pthread_t threads[THREADS];
    unsigned most[THREADS] = {0};
    for (size_t i = 0; i != THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, open_and_close, &most[i]), 0);
    for (size_t i = 0; i != THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_gt(most[i], 0);
    }
    cr_expect_eq(admission_bearers(admission), 0);
}
