/* core_message.c - which subjects are for no client */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/message.h"

#include <criterion/criterion.h>
#include <stdio.h>

static bool hidden(const char *subject)
{
    return message_is_hidden(subject, strlen(subject));
}

Test(core_message, what_is_hidden_is_hidden_exactly)
{
    cr_expect_not(hidden("auth.question"));
    cr_expect(message_hide("auth.question"));
    cr_expect(hidden("auth.question"));
    cr_expect_not(hidden("auth.questions"));
    cr_expect_not(hidden("auth.questio"));
    cr_expect_not(hidden("auth"));
    cr_expect_not(hidden(""));
}

Test(core_message, a_pattern_hides_what_it_stands_for)
{
    cr_expect(message_hide("rooms.*.presence"));
    cr_expect(hidden("rooms.7.presence"));
    cr_expect_not(hidden("rooms.7.presences"));
    cr_expect_not(hidden("rooms.7"));
    cr_expect_not(hidden("rooms.7.8.presence"));
    cr_expect_not(hidden("room.7.presence"));
    struct message message = {.subject = "rooms.x.presence", .subject_len = 16};
    cr_expect_not(message_is_for_readers(&message));
    message.subject_len = 7;
    cr_expect(message_is_for_readers(&message));
}

Test(core_message, there_are_few)
{
    char subject[32];
    for (unsigned i = 0; i != MESSAGE_HIDDEN_MAX; ++i) {
        snprintf(subject, sizeof(subject), "hidden.%u", i);
        cr_assert(message_hide(subject), "%u", i);
    }
    cr_expect(message_hide("hidden.0"), "is there already");
    cr_expect_not(message_hide("one.more"));
    cr_expect_not(hidden("one.more"));
    cr_expect(hidden("hidden.0") && hidden(subject), "copies, though the text has changed");
}
