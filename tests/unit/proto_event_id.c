/* proto_event_id.c - event ids have one spelling, and only that is read */
/* SPDX-License-Identifier: MIT */
#include "proto/event_id.h"

#include <criterion/criterion.h>
#include <string.h>

Test(event_id, written_and_read_back)
{
    static const struct {
        struct event_id id;
        const char *text;
    } cases[] = {
        {{1, 0}, "1-0"},
        {{0xf, 9}, "f-9"},
        {{0x10, 10}, "10-10"},
        {{0xabcdef, 99}, "abcdef-99"},
        {{UINT64_C(0xffffffffff), 1234567890}, "ffffffffff-1234567890"},
        {{UINT64_C(0x8000000000000000), 1}, "8000000000000000-1"},
        {{UINT64_MAX, UINT64_MAX}, "ffffffffffffffff-18446744073709551615"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[EVENT_ID_MAX + 1] = {0};
        struct event_id back = {0};
        size_t len = event_id_write(text, cases[i].id);
        cr_expect_str_eq(text, cases[i].text);
        cr_expect(len == strlen(text) && len == event_id_size(cases[i].id) && len <= EVENT_ID_MAX, "%s", text);
        cr_assert(event_id_parse(text, len, &back), "%s", text);
        cr_expect(back.incarnation == cases[i].id.incarnation && back.sequence == cases[i].id.sequence, "%s", text);
    }
}

Test(event_id, every_width)
{
    uint64_t power = 1;

    for (int bit = 0; bit < 64; bit++) {
        for (int below = 0; below < 2; below++) {
            uint64_t value = (UINT64_C(1) << bit) - (uint64_t)below;
            struct event_id id = {value == 0 ? 1 : value, power - (uint64_t)below}, back;
            char text[EVENT_ID_MAX];
            size_t len = event_id_write(text, id);
            cr_expect(len == event_id_size(id), "bit %d", bit);
            cr_assert(event_id_parse(text, len, &back), "%.*s", (int)len, text);
            cr_expect(back.incarnation == id.incarnation && back.sequence == id.sequence);
        }
        if (power <= UINT64_MAX / 10)
            power *= 10;
    }
}

Test(event_id, everything_else_is_refused)
{
    static const char *const cases[] = {
        "",
        "-",
        "1",
        "1-",
        "-1",
        "0-1",
        "00-1",
        "01-1",
        "1-01",
        "1-00",
        "A-1",
        "1F-1",
        "g-1",
        "1-a",
        "1-1-1",
        "1--1",
        "1-+1",
        "1- 1",
        " 1-1",
        "1-1 ",
        "+1-1",
        "0x1-1",
        "1_1",
        "1-1\n",
        "1-18446744073709551616",
        "1-99999999999999999999",
        "10000000000000000-1",
        "ffffffffffffffff0-1",
        "1.1",
        "1-1.0",
        "1-0x1",
        "abc",
        "é-1",
        "ffffffffffffffff-184467440737095516150",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct event_id id = {42, 43};
        cr_expect(!event_id_parse(cases[i], strlen(cases[i]), &id), "\"%s\"", cases[i]);
        cr_expect(id.incarnation == 42 && id.sequence == 43, "\"%s\" changed the result", cases[i]);
    }
}

Test(event_id, length_counts_not_the_nul)
{
    struct event_id id;

    cr_expect(!event_id_parse(NULL, 0, &id));
    cr_expect(!event_id_parse("1-1\0", 4, &id));
    cr_expect(!event_id_parse("1\0-1", 4, &id));
    cr_assert(event_id_parse("1-12", 3, &id));
    cr_expect(id.sequence == 1);
}
