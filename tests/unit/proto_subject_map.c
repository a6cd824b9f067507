/* proto_subject_map.c - patterns through a stream's RePublish */
/* SPDX-License-Identifier: MIT */
#include "proto/subject_map.h"

#include <criterion/criterion.h>
#include <string.h>

Test(subject_map, what_a_pattern_becomes)
{
    static const struct {
        const char *source, *destination, *pattern, *result; /* NULL: none */
    } cases[] = {
        {">", "live.>", "orders.7.new", "live.orders.7.new"},
        {"", "live.>", "orders.*.>", "live.orders.*.>"},
        {">", "live.>", ">", "live.>"},
        {"orders.>", "live.>", "orders.7.>", "live.7.>"},
        {"orders.>", "live.o.>", "orders.>", "live.o.>"},
        {"orders.>", "live.>", "invoices.7", NULL},
        {"orders.>", "live.>", ">", NULL},
        {"orders.*", "live.$1.x", "orders.7", "live.7.x"},
        {"orders.*", "live.$1.x", "orders.*", "live.*.x"},
        {"a.*.b.*", "r.{{wildcard(2)}}.{{wildcard(1)}}", "a.1.b.2", "r.2.1"},
        {"a.*.b.>", "r.$1.>", "a.1.b.2.>", "r.1.2.>"},
        {"a.*", "r.$2", "a.1", NULL},
        {"a.*", "r.$0", "a.1", NULL},
        {"a.*", "r.{{partition(3,1)}}", "a.1", NULL},
        {"a.*", "r.{{wildcard(1)", "a.1", NULL},
        {"a.b", "c", "a.b", "c"},
        {"a.b", "c.>", "a.b", NULL},
        {"a.b", "c.", "a.b", NULL},
        {"a.b", ".c", "a.b", NULL},
        {"a.*", "all", "a.1", "all"},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char dst[SUBJECT_MAX + 1];
        size_t len = 0;
        bool ok = subject_map(cases[i].source, cases[i].destination, cases[i].pattern, dst, &len);
        cr_expect_eq(ok, cases[i].result != NULL, "case %zu", i);
        if (ok && cases[i].result != NULL) {
            cr_expect_str_eq(dst, cases[i].result);
            cr_expect_eq(len, strlen(cases[i].result));
        }
    }
}

Test(subject_map, what_gets_too_long)
{
    char pattern[SUBJECT_MAX + 1], dst[SUBJECT_MAX + 1];
    size_t len;
    memset(pattern, 'x', SUBJECT_MAX);
    pattern[SUBJECT_MAX] = '\0';
    cr_assert_not(subject_map(">", "live.>", pattern, dst, &len));
    pattern[SUBJECT_MAX - 4] = '\0';
    cr_assert_not(subject_map(">", "live.>", pattern, dst, &len));
    pattern[SUBJECT_MAX - 5] = '\0';
    cr_assert(subject_map(">", "live.>", pattern, dst, &len));
    cr_assert_eq(len, SUBJECT_MAX);
    cr_assert_eq(dst[SUBJECT_MAX], '\0');
}
