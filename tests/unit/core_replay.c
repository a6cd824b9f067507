/* core_replay.c - where readers start, what they skip, and which gaps announce it */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

TestSuite(core_replay, .init = rig_start, .fini = rig_stop);

#define GAP(id, reason, last, next)                                                                                    \
    "freshet.gap|abc-" id "|{\"reason\":\"" reason "\",\"last\":\"" last "\",\"next\":" next "}\n"

static struct rig_reader *open_since(int64_t start_ns, bool follow, const char *const *subjects, size_t count)
{
    struct reader_options options = rig_options(READER_FROM_TIME, follow, subjects, count);
    options.start_ns = start_ns;
    return rig_open_with(&options);
}

static void publish_at(const char *subject, const char *data, int64_t ns)
{
    int64_t now = rig.now_ns;
    rig.now_ns = ns;
    rig_publish(subject, subject, data);
    rig.now_ns = now;
}

/* ---- starts ---- */

Test(core_replay, since_a_time_is_one_point_of_all_channels)
{
    static const char *const both[] = {"a", "b"};
    struct rig_reader *first = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    publish_at("a", "a1", 100); /* 3 */
    publish_at("b", "b1", 200); /* 4 */
    publish_at("a", "a2", 300); /* 5 */
    publish_at("b", "b2", 400); /* 6 */
    rig_turn();
    static const struct {
        int64_t ns;
        const char *log;
    } cases[] = {
        {0, "|abc-3|a1\n|abc-4|b1\n|abc-5|a2\n|abc-6|b2\n"},
        {100, "|abc-3|a1\n|abc-4|b1\n|abc-5|a2\n|abc-6|b2\n"},
        {101, "|abc-4|b1\n|abc-5|a2\n|abc-6|b2\n"},
        {300, "|abc-5|a2\n|abc-6|b2\n"},
        {400, "|abc-6|b2\n"},
        {401, ""},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        struct rig_reader *r = open_since(cases[i].ns, false, both, 2);
        cr_assert(r->final);
        cr_expect_str_eq(r->log, cases[i].log, "since %d: %s", (int)cases[i].ns, r->log);
        rig_close(r);
    }
    rig_close(first);
}

Test(core_replay, since_a_time_nobody_published_goes_on_with_what_comes)
{
    static const char *const one[] = {"a"};
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    publish_at("a", "old", 100);
    rig_turn();
    struct rig_reader *r = open_since(1000, true, one, 1);
    rig_flush(r);
    cr_assert_str_eq(sse_parser_last_event_id(&r->parser), "abc-2", "a cursor before anything has come");
    rig_publish("a", "a", "new");
    RIG_EXPECT(r, "|abc-3|new\n");
    rig_close(r);
    rig_close(first);
}

Test(core_replay, the_preamble_is_a_cursor_before_the_first_event)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish_n("a", "a", 0, 3); /* 2 … 4 */
    rig_turn();
    struct rig_reader *r = rig_open_one(READER_FROM_EARLIEST, NULL, "a");
    cr_assert(r->flying);
    /* cut after the preamble: only its bytes arrived */
    struct sse_parser parser;
    sse_parser_init(&parser, NULL, NULL);
    sse_parser_feed(&parser, r->reader.batch->pieces[0].base, r->reader.batch->pieces[0].len);
    cr_assert_str_eq(sse_parser_last_event_id(&parser), "abc-1");
    struct rig_reader *resumed = rig_open_one(READER_FROM_CURSOR, sse_parser_last_event_id(&parser), "a");
    RIG_EXPECT(resumed, "|abc-2|0\n|abc-3|1\n|abc-4|2\n");
    sse_parser_dispose(&parser);
    rig_close(resumed);
    rig_close(r);
    rig_close(first);
}

Test(core_replay, a_cursor_among_several_channels)
{
    static const char *const both[] = {"a", "b", NULL};
    struct rig_reader *first = rig_open(READER_FROM_NOW, NULL, true, both);
    for (unsigned i = 0; i != 6; ++i)
        rig_publish_n(i % 2 == 0 ? "a" : "b", i % 2 == 0 ? "a" : "b", i, 1); /* 3 … 8 */
    rig_turn();
    char cursor[32], expected[256];
    for (unsigned c = 3; c <= 8; ++c) {
        size_t used = 0;
        expected[0] = '\0';
        for (unsigned n = c + 1; n <= 8; ++n)
            used += (size_t)snprintf(expected + used, sizeof(expected) - used, "|abc-%u|%u\n", n, n - 3);
        snprintf(cursor, sizeof(cursor), "abc-%u", c);
        struct rig_reader *r = rig_open(READER_FROM_CURSOR, cursor, true, both);
        rig_flush(r);
        cr_expect_str_eq(r->log, expected, "from %s: %s", cursor, r->log);
        rig_close(r);
    }
    rig_close(first);
}

Test(core_replay, once_means_what_was_there_at_the_start)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    char large[20000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    for (unsigned i = 0; i != 12; ++i)
        rig_publish("a", "a", large); /* 2 … 13: several sends */
    rig_turn();
    struct rig_reader *r = rig_open(READER_FROM_EARLIEST, NULL, false, (const char *const[]){"a", NULL});
    size_t events = r->parser.events;
    cr_assert(r->flying && events < 12);
    rig_publish_n("a", "a", 0, 5);
    r->log[0] = '\0';
    while (!r->final) {
        rig_turn();
        r->log[0] = '\0';
        r->flying = false;
        reader_sent(&r->reader);
    }
    cr_assert_eq(r->parser.events, 12);
    cr_assert_str_eq(sse_parser_last_event_id(&r->parser), "abc-13");
    cr_assert_eq(r->reader.reason, CLOSE_DONE);
    rig_close(r);
    rig_close(first);
}

Test(core_replay, what_is_replayed_is_counted_apart)
{
    struct rig_reader *first = rig_open_now("a");
    rig_publish_n("a", "a", 0, 7);
    rig_flush(first);
    cr_assert_eq(rig_metric(METRIC_EVENTS_SENT), 7);
    cr_assert_eq(rig_metric(METRIC_EVENTS_REPLAYED), 0);
    struct rig_reader *r = rig_open_one(READER_FROM_EARLIEST, NULL, "a");
    rig_flush(r);
    cr_assert_eq(rig_metric(METRIC_EVENTS_REPLAYED), 7);
    rig_publish_n("a", "a", 0, 2);
    rig_flush(r);
    rig_flush(first);
    cr_assert_eq(rig_metric(METRIC_EVENTS_SENT), 18);
    cr_assert_eq(rig_metric(METRIC_EVENTS_REPLAYED), 7);
    cr_assert_eq(rig_metric(METRIC_BYTES_SENT), first->bytes + r->bytes);
    cr_assert_eq(r->reader.events, 9);
    cr_assert_eq(r->reader.bytes, r->bytes);
    rig_close(r);
    rig_close(first);
}

/* ---- outages ---- */

Test(core_replay, two_outages_with_nothing_between_are_told_in_order)
{
    struct rig_reader *r = rig_open_now("a");
    ingress_lost(&rig.source, rig.channels, 1); /* 2 */
    ingress_lost(&rig.source, rig.channels, 1); /* 3 */
    rig_publish("a", "a", "x");                 /* 4 */
    RIG_EXPECT(r, GAP("2", "broker-lost", "abc-1", "\"abc-3\"")
                      GAP("3", "broker-lost", "abc-2", "\"abc-4\"") "|abc-4|x\n");
    cr_assert_eq(r->reader.gaps, 2);
    cr_assert_eq(rig_metric(METRIC_GAPS_BROKER_LOST), 2);
    rig_close(r);
}

Test(core_replay, an_outage_stands_where_it_was)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    rig_turn();
    rig_publish("a", "a", "1");                 /* 3 */
    ingress_lost(&rig.source, rig.channels, 2); /* 4 */
    rig_publish("b", "b", "2");                 /* 5 */
    rig_publish("a", "a", "3");                 /* 6 */
    RIG_EXPECT(r, "|abc-3|1\n" GAP("4", "broker-lost", "abc-3", "\"abc-5\"") "|abc-5|2\n|abc-6|3\n");
    rig_close(r);
}

Test(core_replay, an_outage_of_one_channel_only)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    rig_turn();
    ingress_lost(&rig.source, rig.channels + 1, 1); /* 3 */
    rig_publish("a", "a", "1");
    RIG_EXPECT(r, GAP("3", "broker-lost", "abc-2", "\"abc-4\"") "|abc-4|1\n");
    rig_close(r);
}

Test(core_replay, an_outage_that_was_evicted_is_part_of_what_is_missing)
{
    rig.route.history.events = 2;
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    ingress_lost(&rig.source, rig.channels, 1); /* 2 */
    rig_publish_n("a", "a", 0, 2);              /* 3, 4: the mark goes */
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, "abc-1", "a");
    RIG_EXPECT(r, GAP("2", "evicted", "abc-1", "\"abc-3\"") "|abc-3|0\n|abc-4|1\n");
    rig_close(r);
    rig_close(first);
}

/* ---- slow readers ---- */

Test(core_replay, one_channel_of_several_falls_behind)
{
    rig.route.history.events = 3;
    rig.route.slow = POLICY_SLOW_SKIP;
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"busy", "quiet", NULL});
    rig_turn();
    rig_publish("quiet", "quiet", "q1"); /* 3 */
    rig_publish_n("busy", "busy", 0, 4); /* 4 … 7; 4 is evicted */
    rig_publish("quiet", "quiet", "q2"); /* 8 */
    rig_publish_n("busy", "busy", 4, 2); /* 9, 10; kept: 7, 9, 10 */
    rig_flush(r);
    cr_assert_str_eq(r->log,
                     GAP("2", "slow", "abc-2", "\"abc-3\"") "|abc-3|q1\n|abc-7|3\n|abc-8|q2\n|abc-9|4\n|abc-10|5\n");
    rig_close(r);
}

static char *large_text(void)
{
    static char text[30001];
    memset(text, 'x', sizeof(text) - 1);
    return text;
}

/* Several sends behind: what is evicted in between may have been the newest of its subject. */
Test(core_replay, latest_says_so_each_time_it_falls_behind)
{
    rig.route.history.events = 4;
    rig.route.slow = POLICY_SLOW_LATEST;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "p.*");
    rig_turn();
    cr_assert(r->flying);
    static const char *const subjects[] = {"p.a", "p.b", "p.c", "p.d", "p.e"};
    for (unsigned i = 0; i != 5; ++i)
        rig_publish("p.*", subjects[i], large_text()); /* 2 … 6: more than one send */
    rig_turn();
    r->flying = false;
    reader_sent(&r->reader);
    cr_assert(r->flying && r->reader.is_conflating);
    cr_assert_eq(r->reader.gaps, 1);
    rig_publish_n("p.*", "p.x", 0, 8); /* p.d and p.e go, and nothing supersedes them */
    rig_flush(r);
    cr_assert_eq(r->reader.gaps, 2);
    const char *second = strstr(strstr(r->log, "freshet.gap") + 1, "freshet.gap");
    cr_assert_not_null(second);
    cr_assert_eq(strcmp(second, GAP("10", "slow", "abc-5", "\"abc-11\"") "|abc-14|7\n"), 0, "%s", second);
    rig_close(r);
}

Test(core_replay, latest_never_leaves_out_the_newest_of_a_subject)
{
    enum { SUBJECTS = 40 };
    rig.route.history.events = 200;
    rig.route.slow = POLICY_SLOW_LATEST;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "p.*");
    rig_turn();
    unsigned newest[SUBJECTS] = {0};
    char text[32];
    srand(3);
    for (unsigned i = 1; i <= 1000; ++i) {
        unsigned subject = (unsigned)rand() % SUBJECTS;
        snprintf(text, sizeof(text), "p.%u", subject);
        rig_publish_n("p.*", text, i, 1);
        if (i > 800)
            newest[subject] = i;
    }
    rig_flush(r);
    for (unsigned subject = 0; subject != SUBJECTS; ++subject) {
        snprintf(text, sizeof(text), "|%u\n", newest[subject]);
        cr_assert(newest[subject] == 0 || strstr(r->log, text) != NULL, "p.%u: %s", subject, text);
    }
    cr_assert_leq(rig_events(r), SUBJECTS + 1, "and nothing but a gap and the newest");
    cr_assert_gt(r->sends, 2, "though that took several sends");
    rig_close(r);
}

Test(core_replay, a_reader_that_misses_nothing_is_not_told_of_a_gap)
{
    rig.route.history.events = 4;
    rig.route.slow = POLICY_SLOW_SKIP;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    rig_publish_n("a", "a", 0, 4); /* the whole ring, and no more */
    rig_flush(r);
    cr_assert_eq(r->reader.gaps, 0);
    rig_publish("a", "a", "x");
    rig_turn();
    rig_publish_n("a", "a", 5, 4); /* the one in flight is evicted, none behind it */
    rig_flush(r);
    cr_assert_eq(r->reader.gaps, 0);
    cr_assert_eq(rig_events(r), 9);
    rig_close(r);
}

Test(core_replay, without_history_a_slow_reader_is_told_without_ids)
{
    rig.route.history.store = POLICY_STORE_NONE;
    rig.route.history.events = 2;
    rig.route.slow = POLICY_SLOW_SKIP;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    rig_publish_n("a", "a", 0, 5);
    RIG_EXPECT(r, "freshet.gap||{\"reason\":\"slow\",\"last\":null,\"next\":null}\n||3\n||4\n");
    rig_close(r);
}

/* ---- overlapping patterns ---- */

Test(core_replay, of_overlapping_patterns_the_first_brings_it_in_any_order_of_arrival)
{
    static const char *const patterns[] = {"a.*", "*.x", "a.x.>", NULL};
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, patterns);
    rig_flush(r);
    cr_assert(r->reader.has_overlap);
    rig_publish("*.x", "a.x", "1"); /* 4: left to a.* */
    rig_publish("a.*", "a.x", "1"); /* 5 */
    rig_publish("a.*", "a.x", "2"); /* 6 */
    rig_publish("*.x", "a.x", "2"); /* 7 */
    rig_publish("*.x", "b.x", "3"); /* 8 */
    rig_publish("a.x.>", "a.x.y", "4");
    RIG_EXPECT(r, "|abc-5|1\n|abc-6|2\n|abc-8|3\n|abc-9|4\n");
    rig_close(r);
    struct rig_reader *apart = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a.*", "b.*", NULL});
    cr_assert_not(apart->reader.has_overlap);
    rig_close(apart);
}
