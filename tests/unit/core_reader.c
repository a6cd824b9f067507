/* core_reader.c - starting, resuming, falling behind and ending, by what a client reads */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

TestSuite(core_reader, .init = rig_start, .fini = rig_stop);

/* The channel takes sequence 1 when it is made, so the first event is 2. */
#define ID(n) "abc-" #n

Test(core_reader, live_events_in_order_with_ids)
{
    struct rig_reader *r = rig_open_now("a.b");
    cr_assert_eq(r->sends, 1, "the preamble leaves at once");
    cr_assert(r->parser.retry_ms >= 1500 && r->parser.retry_ms <= 2500);
    cr_assert_str_eq(sse_parser_last_event_id(&r->parser), ID(1));
    rig_publish("a.b", "a.b", "x");
    rig_publish("a.b", "a.b", "y");
    RIG_EXPECT(r, "|abc-2|x\n|abc-3|y\n");
    cr_assert_eq(r->sends, 2, "two events that lie back to back leave in one send");
    rig_close(r);
}

Test(core_reader, one_send_at_a_time)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    cr_assert(r->flying);
    rig_publish("a", "a", "x");
    rig_turn();
    cr_assert_eq(r->sends, 1);
    rig_flush(r);
    cr_assert_eq(r->sends, 2);
    cr_assert_str_eq(r->log, "|abc-2|x\n");
    rig_close(r);
}

Test(core_reader, waits_for_its_channels)
{
    rig.hold_open = true;
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    rig_turn();
    cr_assert_eq(r->sends, 0);
    ingress_opened(rig.channels[0]);
    rig_turn();
    cr_assert_eq(r->sends, 0);
    ingress_opened(rig.channels[1]);
    rig_flush(r);
    cr_assert_eq(r->sends, 1);
    rig_close(r);
}

Test(core_reader, denied_before_and_after_the_start)
{
    struct rig_reader *r = rig_open_now("a");
    ingress_denied(rig.channels[0]);
    RIG_EXPECT(r, "freshet.bye|abc-1|{\"reason\":\"denied\"}\n");
    cr_assert(r->final);
    struct rig_reader *late = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    cr_assert(late->refused && late->refusal == READER_DENIED);
    rig_close(late);
    rig_close(r);
}

Test(core_reader, resumes_after_its_cursor)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish_n("a", "a", 0, 10); /* abc-2 … abc-11 */
    rig_turn();
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, ID(8), "a");
    RIG_EXPECT(r, "|abc-9|7\n|abc-10|8\n|abc-11|9\n");
    struct rig_reader *at_head = rig_open_one(READER_FROM_CURSOR, ID(11), "a");
    rig_flush(at_head);
    rig_publish("a", "a", "new");
    RIG_EXPECT(at_head, "|abc-12|new\n");
    rig_close(at_head);
    rig_close(r);
    rig_close(first);
}

Test(core_reader, an_id_without_an_event_is_a_cursor)
{
    struct rig_reader *first = rig_open_now("a");
    char cursor[EVENT_ID_MAX + 1];
    snprintf(cursor, sizeof(cursor), "%s", sse_parser_last_event_id(&first->parser));
    rig_close(first);
    rig_publish("a", "a", "missed");
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, cursor, "a");
    RIG_EXPECT(r, "|abc-2|missed\n");
    rig_close(r);
}

Test(core_reader, evicted_cursor_is_a_gap)
{
    rig.route.history.events = 4;
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish_n("a", "a", 0, 10); /* 2 … 11; kept: 8 … 11 */
    rig_turn();
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, ID(3), "a");
    RIG_EXPECT(r, "freshet.gap|abc-7|{\"reason\":\"evicted\",\"last\":\"abc-3\",\"next\":\"abc-8\"}\n"
                  "|abc-8|6\n|abc-9|7\n|abc-10|8\n|abc-11|9\n");
    struct rig_reader *just = rig_open_one(READER_FROM_CURSOR, ID(7), "a");
    rig_flush(just);
    cr_assert_eq(rig_events(just), 4, "the last evicted event is a good cursor: nothing is missing");
    rig_close(just);
    rig_close(r);
    rig_close(first);
}

Test(core_reader, a_channel_made_after_the_cursor_is_a_gap)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish("a", "a", "x"); /* abc-2 */
    rig_turn();
    struct rig_reader *r = rig_open(READER_FROM_CURSOR, ID(2), true, (const char *const[]){"a", "b", NULL});
    RIG_EXPECT(r, "freshet.gap|abc-3|{\"reason\":\"evicted\",\"last\":\"abc-2\",\"next\":null}\n");
    rig_close(r);
    rig_close(first);
}

Test(core_reader, foreign_cursors_are_told_apart)
{
    static const char *const cursors[] = {"abc", "abd-2", "abc-99", "abc-02", "", "abc-18446744073709551616"};
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish("a", "a", "x");
    rig_turn();
    for (size_t i = 0; i != sizeof(cursors) / sizeof(cursors[0]); ++i) {
        struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, cursors[i], "a");
        rig_flush(r);
        cr_assert(strstr(r->log, "\"reason\":\"unknown-id\"") != NULL, "%s: %s", cursors[i], r->log);
        cr_assert(strstr(r->log, "\"next\":\"abc-2\"") != NULL, "%s: %s", cursors[i], r->log);
        cr_assert(strstr(r->log, "|abc-2|x\n") != NULL);
        rig_close(r);
    }
    rig_close(first);
}

Test(core_reader, earliest_and_time)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish_n("a", "a", 0, 3);
    rig.now_ns += 10;
    rig_publish_n("a", "a", 3, 2);
    rig_turn();
    struct rig_reader *all = rig_open(READER_FROM_EARLIEST, NULL, false, (const char *const[]){"a", NULL});
    cr_assert(all->final, "follow=false ends with its first send");
    cr_assert_eq(rig_events(all), 5);
    struct rig_reader *young = rig_open(READER_FROM_TIME, NULL, false, (const char *const[]){"a", NULL});
    cr_assert_eq(rig_events(young), 5, "since the epoch");
    rig_close(young);
    rig_close(all);
    rig_close(first);
}

Test(core_reader, nothing_to_replay_still_answers)
{
    struct rig_reader *r = rig_open(READER_FROM_EARLIEST, NULL, false, (const char *const[]){"a", NULL});
    cr_assert(r->final);
    cr_assert_eq(r->sends, 1);
    cr_assert_gt(r->bytes, 0);
    rig_close(r);
}

Test(core_reader, without_history_there_are_no_ids)
{
    rig.route.history.store = POLICY_STORE_NONE;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish("a", "a", "x");
    RIG_EXPECT(r, "||x\n");
    struct rig_reader *all = rig_open_one(READER_FROM_EARLIEST, NULL, "a");
    struct rig_reader *resumed = rig_open_one(READER_FROM_CURSOR, ID(1), "a");
    rig_flush(all);
    rig_flush(resumed);
    cr_assert_str_eq(all->log, "");
    cr_assert_str_eq(resumed->log, "freshet.gap||{\"reason\":\"unknown-id\",\"last\":\"abc-1\",\"next\":null}\n");
    rig_close(resumed);
    rig_close(all);
    rig_close(r);
}

Test(core_reader, several_subjects_in_order_of_sequence)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", "c", NULL});
    rig_flush(r);
    for (unsigned i = 0; i != 60; ++i) {
        const char *subject = i % 3 == 0 ? "c" : i % 2 == 0 ? "a" : "b";
        rig_publish_n(subject, subject, i, 1);
    }
    rig_flush(r);
    char expected[4096] = "";
    for (unsigned i = 0; i != 60; ++i) {
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof(expected) - used, "|abc-%u|%u\n", i + 4, i);
    }
    cr_assert_str_eq(r->log, expected);
    rig_close(r);
}

Test(core_reader, overlapping_patterns_bring_a_message_once)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a.*.c", "a.b.*", NULL});
    rig_flush(r);
    rig_publish("a.*.c", "a.b.c", "both");
    rig_publish("a.b.*", "a.b.c", "both");
    rig_publish("a.b.*", "a.b.d", "second");
    RIG_EXPECT(r, "|abc-3|both\n|abc-5|second\n");
    rig_close(r);
}

Test(core_reader, one_outage_is_one_gap)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    rig_flush(r);
    rig_publish("a", "a", "before");
    rig_flush(r);
    ingress_lost(&rig.source, rig.channels, rig.channel_count);
    rig_flush(r);
    rig_publish("b", "b", "after");
    RIG_EXPECT(r, "|abc-3|before\n"
                  "freshet.gap|abc-4|{\"reason\":\"broker-lost\",\"last\":\"abc-3\",\"next\":null}\n"
                  "|abc-5|after\n");
    struct rig_reader *resumed = rig_open(READER_FROM_CURSOR, ID(3), true, (const char *const[]){"a", "b", NULL});
    rig_flush(resumed);
    cr_assert_str_eq(resumed->log,
                     "freshet.gap|abc-4|{\"reason\":\"broker-lost\",\"last\":\"abc-3\",\"next\":\"abc-5\"}\n"
                     "|abc-5|after\n");
    struct rig_reader *told = rig_open(READER_FROM_CURSOR, ID(4), true, (const char *const[]){"a", "b", NULL});
    RIG_EXPECT(told, "|abc-5|after\n");
    rig_close(told);
    rig_close(resumed);
    rig_close(r);
}

Test(core_reader, shutdown_says_goodbye)
{
    struct rig_reader *idle = rig_open_now("a");
    struct rig_reader *flying = rig_open_one(READER_FROM_NOW, NULL, "a");
    turn_shutdown(&rig.hub);
    cr_assert(idle->final);
    cr_assert_not(flying->final);
    rig_flush(flying);
    cr_assert(flying->final);
    cr_assert_str_eq(flying->log, "freshet.bye|abc-1|{\"reason\":\"shutdown\"}\n");
    struct rig_reader *late = rig_open_one(READER_FROM_NOW, NULL, "a");
    cr_assert(late->refused && late->refusal == READER_STOPPING);
    rig_close(late);
    rig_close(flying);
    rig_close(idle);
}

Test(core_reader, heartbeat_after_silence_only)
{
    struct rig_reader *r = rig_open_now("a");
    for (int i = 0; i != 14; ++i) {
        rig.now_ns += 1000000000;
        rig_flush(r);
    }
    cr_assert_eq(r->parser.comments, 0);
    rig_publish("a", "a", "x");
    rig_flush(r);
    for (int i = 0; i != 14; ++i) {
        rig.now_ns += 1000000000;
        rig_flush(r);
    }
    cr_assert_eq(r->parser.comments, 0);
    for (int i = 0; i != 30; ++i) {
        rig.now_ns += 1000000000;
        rig_flush(r);
    }
    cr_assert_eq(r->parser.comments, 2);
    rig_close(r);
}

Test(core_reader, write_timeout_kills_only_what_is_stuck)
{
    rig.hub.write_timeout_ns = 5000000000;
    struct rig_reader *stuck = rig_open_one(READER_FROM_NOW, NULL, "a");
    struct rig_reader *slow = rig_open_one(READER_FROM_NOW, NULL, "a");
    stuck->progress_ns = rig.now_ns;
    for (int i = 0; i != 20; ++i) {
        rig.now_ns += 1000000000;
        slow->progress_ns = rig.now_ns; /* its connection moves, though not for this stream */
        rig_turn();
    }
    cr_assert(stuck->killed);
    cr_assert_eq(stuck->reader.reason, CLOSE_TIMEOUT);
    cr_assert_not(slow->killed);
    rig_close(slow);
    rig_close(stuck);
}
