/* core_reserved.c - which subjects are for no client, and which patterns can match one */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reserved.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static bool is_declared(const char *subject)
{
    return reserved_is_declared(subject, strlen(subject));
}

Test(core_reserved, a_subject_is_reserved_exactly)
{
    cr_expect_not(is_declared("auth.question"));
    cr_expect(reserved_declare("auth.question"));
    cr_expect(is_declared("auth.question"));
    cr_expect_not(is_declared("auth.questions"));
    cr_expect_not(is_declared("auth.questio"));
    cr_expect_not(is_declared("auth"));
    cr_expect_not(is_declared(""));
}

Test(core_reserved, a_pattern_reserves_what_it_matches)
{
    cr_expect(reserved_declare("rooms.*.presence"));
    cr_expect(is_declared("rooms.7.presence"));
    cr_expect_not(is_declared("rooms.7.presences"));
    cr_expect_not(is_declared("rooms.7"));
    cr_expect_not(is_declared("rooms.7.8.presence"));
    cr_expect_not(is_declared("room.7.presence"));
    cr_expect(reserved_has("rooms.x.presence", 16));
    cr_expect_not(reserved_has("rooms.x", 7));
}

Test(core_reserved, there_are_few)
{
    char subject[32];
    for (unsigned i = 0; i != RESERVED_MAX; ++i) {
        snprintf(subject, sizeof(subject), "hidden.%u", i);
        cr_assert(reserved_declare(subject), "%u", i);
    }
    cr_expect(reserved_declare("hidden.0"), "is there already");
    cr_expect_not(reserved_declare("one.more"));
    cr_expect_not(is_declared("one.more"));
    cr_expect(is_declared("hidden.0") && is_declared(subject), "copies, though the text has changed");
}

/* The gateway's own and the broker's are reserved before anything is declared. */
Test(core_reserved, what_is_reserved_from_the_start)
{
    static const char *const subjects[] = {"$SYS.x", "$", "_INBOX.a", "freshet.control.revoke", "freshet.control."};
    for (size_t i = 0; i != sizeof(subjects) / sizeof(subjects[0]); ++i)
        cr_expect(reserved_has(subjects[i], strlen(subjects[i])), "%s", subjects[i]);
    cr_expect_not(reserved_has("freshet.control", 15));
    cr_expect_not(reserved_has("orders.$x", 9));
    cr_expect_not(reserved_has("", 0));
}

static bool may_match(const char *pattern)
{
    _Atomic uint32_t judged = 0;
    bool may = reserved_may_match(pattern, strlen(pattern), &judged);
    cr_expect_eq(reserved_may_match(pattern, strlen(pattern), &judged), may, "%s: as it was judged", pattern);
    return may;
}

Test(core_reserved, a_wildcard_may_match_what_is_reserved)
{
    static const char *const wide[] = {
        ">", "*", "*.x", "*.>", "$JS.>", "_a", "freshet.>", "freshet.*.x", "freshet.control.*"};
    static const char *const narrow[] = {"orders",          "orders.>",  "orders.*",  "a.$x", "freshet.presence.>",
                                         "freshet.control", "freshet.*", "freshets.>"};
    for (size_t i = 0; i != sizeof(wide) / sizeof(wide[0]); ++i)
        cr_expect(may_match(wide[i]), "%s", wide[i]);
    for (size_t i = 0; i != sizeof(narrow) / sizeof(narrow[0]); ++i)
        cr_expect_not(may_match(narrow[i]), "%s", narrow[i]);
}

Test(core_reserved, a_pattern_is_judged_again_when_more_is_declared)
{
    _Atomic uint32_t rooms = 0, orders = 0;
    cr_expect_not(reserved_may_match("rooms.>", 7, &rooms));
    cr_expect_not(reserved_may_match("orders.>", 8, &orders));
    cr_assert(reserved_declare("rooms.*.presence"));
    cr_expect(reserved_may_match("rooms.>", 7, &rooms));
    cr_expect_not(reserved_may_match("orders.>", 8, &orders));
    cr_expect(may_match("rooms.7.*"));
    cr_expect(may_match("rooms.7.presence"));
    cr_expect_not(may_match("rooms.7.presences"));
}
