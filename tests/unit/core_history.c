/* core_history.c - readers of a store get each event once, or a gap, in whatever order all arrives */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_store.h"

#define READERS 12

TestSuite(core_history, .init = store_start, .fini = store_stop);

/* ---- one reader, and what it should get ---- */

struct follower {
    struct rig_reader *r;
    enum reader_start start;
    bool follow, was_cut;
    const char *patterns[3];
    uint64_t after;     /* CURSOR, EARLIEST: wants all above; others: what is above `opened_at` */
    uint64_t opened_at; /* the store's last when it was opened */
    uint64_t first;     /* and the store's first */
    char cursor[40];
};

static void settle(struct follower *followers, size_t count)
{
    bool flying = true;
    while (is_asked() || flying || store.seen != store.last) {
        flying = false;
        answer();
        deliver(1 + roll(5));
        rig_turn();
        for (size_t i = 0; i != count; ++i) {
            if (followers[i].r != NULL && followers[i].r->flying) {
                rig_flush(followers[i].r);
                flying = true;
            }
        }
    }
    rig_turn();
}

static bool wants(const struct follower *f, uint64_t sequence)
{
    for (size_t i = 0; f->patterns[i] != NULL; ++i) {
        if (matches(f->patterns[i], sequence))
            return true;
    }
    return false;
}

/* Reads the log of what came: sequences that ascend, and gaps. */
static void check_follower(const struct follower *f)
{
    static bool got[STORE_MAX + 1];
    uint64_t before = 0, gap_next = 0;
    unsigned gaps = 0, snapshot[SUBJECTS] = {0};
    memset(got, 0, sizeof(got));
    for (const char *line = f->r->log; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncmp(line, "freshet.gap", 11) == 0) {
            const char *next = strstr(line, "\"next\":");
            gap_next = strncmp(next + 7, "null", 4) == 0 ? 0 : strtoull(next + 7 + 5, NULL, 10);
            uint64_t last = strtoull(strstr(line, "\"last\":\"abc-") + 12, NULL, 10);
            cr_assert(f->start != READER_FROM_EARLIEST || last + 1 >= f->first, "seed %u: %lu was gone before: %.99s",
                      store.seed, (unsigned long)last + 1, line);
            ++gaps;
            continue;
        }
        uint64_t sequence = strtoull(strchr(line, '-') + 1, NULL, 10);
        cr_assert_eq(sequence, strtoull(strrchr(strndupa(line, strcspn(line, "\n")), '|') + 1, NULL, 10), "%s", line);
        cr_assert_gt(sequence, before, "in order, once: %.20s after %lu", line, (unsigned long)before);
        cr_assert(gap_next == 0 || sequence == gap_next, "the gap said %lu", (unsigned long)gap_next);
        cr_assert(wants(f, sequence));
        gap_next = 0;
        before = sequence;
        got[sequence] = true;
        snapshot[store.messages[sequence - 1].subject] = (unsigned)sequence;
    }
    uint64_t from = f->start == READER_FROM_CURSOR || f->start == READER_FROM_EARLIEST ? f->after : f->opened_at;
    uint64_t to = f->follow ? store.last : f->opened_at;
    if (f->start == READER_FROM_LAST)
        from = to; /* what was superseded before the snapshot is left out; see below for what it ends with */
    if (f->start == READER_FROM_NOW && !f->follow)
        from = to;
    for (uint64_t s = from + 1; s <= to; ++s) {
        cr_assert(got[s] || !wants(f, s) || store.messages[s - 1].gone,
                  "%lu is missing: start %d %s, after %lu, opened at %lu, of %s %s; seed %u; follow %d log\n%s",
                  (unsigned long)s, f->start, f->cursor, (unsigned long)f->after, (unsigned long)f->opened_at,
                  f->patterns[0], f->patterns[1] != NULL ? f->patterns[1] : "", store.seed, f->follow, f->r->log);
    }
    for (uint64_t s = from + 1; f->start == READER_FROM_CURSOR && s <= to; ++s)
        cr_assert(got[s] || !wants(f, s) || !store.messages[s - 1].purged || gaps != 0,
                  "%lu was purged and nothing said: after %lu, seed %u, of %s\n%s", (unsigned long)s,
                  (unsigned long)f->after, store.seed, f->patterns[0], f->r->log);
    for (unsigned i = 0; f->start == READER_FROM_LAST && f->follow && i != SUBJECTS; ++i) {
        uint64_t last = 0;
        for (uint64_t s = 1; s <= store.last; ++s) {
            if (store.messages[s - 1].subject == i && !store.messages[s - 1].gone && wants(f, s))
                last = s;
        }
        cr_assert(last == 0 || snapshot[i] == last, "subject %u ends with %u, not %lu", i, snapshot[i],
                  (unsigned long)last);
    }
}

static void open_follower(struct follower *f)
{
    static const char *const sets[][3] = {{"a.0"}, {"a.*"}, {">"}, {"a.0", "b.1"}, {"a.*", "*.1"}, {"b.0"}};
    memset(f, 0, sizeof(*f));
    memcpy(f->patterns, sets[roll(6)], sizeof(f->patterns));
    f->start = (enum reader_start)roll(5);
    f->follow = roll(4) != 0;
    f->opened_at = store.last;
    f->first = store.first;
    if (f->start == READER_FROM_CURSOR) {
        f->after = roll((unsigned)store.last + 1);
        if (roll(4) == 0) /* what another gateway gave out */
            f->after = store.last - roll((unsigned)(store.last - store.seen) + 1);
        snprintf(f->cursor, sizeof(f->cursor), "abc-%lu", (unsigned long)f->after);
    }
    if (f->start == READER_FROM_NOW && f->opened_at < store.last)
        f->opened_at = store.last;
    struct reader_options options = {
        .route = &rig.route,
        .source = &rig.source,
        .subjects = f->patterns,
        .subject_count = f->patterns[1] != NULL ? 2 : 1,
        .start = f->start,
        .start_ns = (int64_t)roll((unsigned)store.last + 1) * 1000,
        .cursor_text = f->cursor,
        .cursor_len = strlen(f->cursor),
        .follow = f->follow,
    };
    f->r = rig_open_with(&options);
}

static void one_run(unsigned seed, unsigned steps)
{
    struct follower followers[READERS];
    memset(followers, 0, sizeof(followers));
    store.seed = seed;
    rig.route.slow = seed % 2 == 0 ? POLICY_SLOW_SKIP : POLICY_SLOW_DISCONNECT;
    for (unsigned i = 0; i != steps; ++i) {
        unsigned what = roll(12), who = roll(READERS);
        if (what < 4 && store.last < STORE_MAX - 10) {
            for (unsigned n = 1 + roll(6); n != 0; --n)
                store_message(roll(SUBJECTS));
        } else if (what < 6) {
            deliver(1 + roll(8));
        } else if (what < 8) {
            answer();
        } else if (what == 8 && store.last != 0) {
            uint64_t victim = 1 + roll((unsigned)store.last);
            if (victim >= store.first)
                store.messages[victim - 1].gone = true;
        } else if (what == 9 && roll(10) == 0) {
            uint64_t first = store.first + roll(30);
            purge(first <= store.seen ? first : store.first); /* what came in live is not this test's concern */
        } else if (followers[who].r == NULL) {
            open_follower(&followers[who]);
        } else if (roll(12) == 0) {
            rig_close(followers[who].r);
            followers[who].r = NULL;
        } else if (roll(3) != 0) {
            rig_flush(followers[who].r);
        }
        rig_turn();
    }
    settle(followers, READERS);
    for (unsigned i = 0; i != READERS; ++i) {
        struct follower *f = &followers[i];
        if (f->r == NULL)
            continue;
        cr_assert(f->follow || f->r->final, "seed %u: it ends", seed);
        cr_assert(strstr(f->r->log, "freshet.bye") == NULL, "seed %u: the store has what a ring has not", seed);
        /* a reader that fell out of its ring and may skip got a gap for it: that is another test's concern */
        if (strstr(f->r->log, "\"slow\"") == NULL)
            check_follower(f);
        rig_close(f->r);
    }
    settle(followers, 0);
}

Test(core_history, each_event_comes_once_whatever_the_order_of_things)
{
    unsigned seed = 1, fills = 0, pieces = 0;
    const char *text = getenv("CORE_HISTORY_SEED");
    if (text != NULL)
        seed = (unsigned)strtoul(text, NULL, 10);
    for (unsigned i = 0; i != (text != NULL ? 1 : 200); ++i, ++seed) {
        if (text != NULL || seed % 50 == 0)
            fprintf(stderr, "seed %u\n", seed);
        one_run(seed, 600);
        fills += store.fills_done;
        pieces += store.pieces_done;
        store_stop();
        store_start();
    }
    cr_assert(text != NULL || (fills > 100 && pieces > 1000), "%u fills, %u pieces", fills, pieces);
}

/* ---- a store that is recreated ---- */

static void deliver_all(void)
{
    deliver(STORE_MAX);
    rig_turn();
}

static void make_anew(uint64_t incarnation)
{
    uint64_t base = ingress_begin_epoch(&rig.source, incarnation, rig.channels, rig.channel_count);
    char text[] = "fresh";
    struct message message = {.subject = "a.0", .subject_len = 3, .data = text, .data_len = 5};
    ingress_append_at(&rig.source, base + 1, &message, rig.channels, rig.channel_count);
}

Test(core_history, a_store_made_anew_is_a_gap_and_new_ids)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a.0");
    store_message(0);
    store_message(0);
    deliver_all();
    rig_flush(r);
    make_anew(0xdef);
    RIG_EXPECT(r, "|abc-1|1\n|abc-2|2\n"
                  "freshet.gap|def-0|{\"reason\":\"broker-lost\",\"last\":\"abc-2\",\"next\":\"def-1\"}\n"
                  "|def-1|fresh\n");
    struct rig_reader *back = rig_open_one(READER_FROM_CURSOR, "def-0", "a.0");
    RIG_EXPECT(back, "|def-1|fresh\n", "its sequences begin again");
    struct rig_reader *old = rig_open_one(READER_FROM_CURSOR, "abc-2", "a.0");
    rig_flush(old);
    cr_assert_str_eq(old->log,
                     "freshet.gap|def-0|{\"reason\":\"broker-lost\",\"last\":\"abc-2\",\"next\":\"def-1\"}\n"
                     "|def-1|fresh\n",
                     "its end is still in the ring");
    struct rig_reader *foreign = rig_open_one(READER_FROM_CURSOR, "99-2", "a.0");
    rig_flush(foreign);
    cr_assert_str_eq(
        foreign->log,
        "freshet.gap|def-0|{\"reason\":\"unknown-id\",\"last\":\"99-2\",\"next\":\"def-1\"}\n|def-1|fresh\n",
        "what was before is not repeated");
    rig_close(foreign);
    rig_close(r);
    rig_close(back);
    rig_close(old);
}

Test(core_history, a_cursor_from_beyond_the_end_is_nobodys)
{
    store_message(0);
    deliver_all();
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, "abc-99999999", "a.0");
    settle(NULL, 0);
    RIG_EXPECT(r, "freshet.gap|abc-1|{\"reason\":\"unknown-id\",\"last\":\"abc-99999999\",\"next\":null}\n");
    store_message(0);
    deliver_all();
    rig_flush(r);
    cr_assert(strstr(r->log, "|abc-2|2\n") != NULL);
    rig_close(r);
}

Test(core_history, a_cursor_that_another_gateway_gave_out_waits_for_its_events)
{
    for (unsigned i = 0; i != 5; ++i)
        store_message(0);
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, "abc-4", "a.0");
    cr_assert_eq(store.look_count, 1, "nothing has come in yet here");
    while (store.look_count != 0)
        answer();
    RIG_EXPECT(r, "");
    deliver_all();
    RIG_EXPECT(r, "|abc-5|5\n");
    rig_close(r);
}

/* The channel gets 1 to 3 before its subscription is confirmed, after 6; never 4 and 5; and 6 to 9 from then on. */
static struct rig_reader *open_with_a_hole(void)
{
    store.opens_later = true;
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a.0");
    for (unsigned i = 0; i != 9; ++i)
        store_message(0);
    deliver(3);
    rig_turn();
    ingress_opened_at(rig.channels[0], 6);
    rig_turn();
    store.seen = 5;
    deliver_all();
    return first;
}

static void expect_from_3(struct rig_reader *first, struct rig_reader *r)
{
    settle(NULL, 0);
    RIG_EXPECT(r, "|abc-3|3\n|abc-4|4\n|abc-5|5\n|abc-6|6\n|abc-7|7\n|abc-8|8\n|abc-9|9\n");
    rig_flush(first);
    RIG_EXPECT(first, "|abc-7|7\n|abc-8|8\n|abc-9|9\n");
    rig_close(r);
    rig_close(first);
}

Test(core_history, a_time_before_the_channel_was_open)
{
    struct rig_reader *first = open_with_a_hole();
    struct reader_options options = rig_options(READER_FROM_TIME, true, (const char *const[]){"a.0", NULL}, 1);
    options.start_ns = 2500;
    expect_from_3(first, rig_open_with(&options));
}

Test(core_history, a_fill_of_what_came_before_the_channel_was_open)
{
    struct rig_reader *first = open_with_a_hole();
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, "abc-2", "a.0");
    rig_turn();
    cr_assert_eq(store.fill_count, 1);
    expect_from_3(first, r);
}

static void deliver_late_to(size_t channel, uint64_t sequence)
{
    char text[24];
    struct message message = message_of(sequence, text);
    ingress_append_late(&rig.source, sequence, &message, &rig.channels[channel], 1);
    rig_turn();
}

static void deliver_late(uint64_t sequence)
{
    deliver_late_to(0, sequence);
}

Test(core_history, the_last_that_the_client_has_comes_in_late)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a.0");
    for (unsigned i = 0; i != 5; ++i)
        store_message(0);
    deliver(3);
    store.seen = 5;
    ingress_advance(&rig.source, store.seen);
    rig_turn();
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, "abc-4", "a.0");
    deliver_late(4);
    deliver_late(5);
    rig_flush(first);
    RIG_EXPECT(first, "|abc-1|1\n|abc-2|2\n|abc-3|3\n|abc-4|4\n|abc-5|5\n");
    RIG_EXPECT(r, "|abc-5|5\n");
    rig_close(r);
    rig_close(first);
}

/* Of several channels what comes in late can't be sent in order: a loss, unless the client has it. */
Test(core_history, what_the_client_has_comes_in_late)
{
    static const char *const both[] = {"a.0", "b.0", NULL};
    struct rig_reader *first = rig_open(READER_FROM_NOW, NULL, true, both);
    for (unsigned i = 0; i != 6; ++i)
        store_message(0);
    deliver(2);
    store.seen = 6;
    ingress_advance(&rig.source, store.seen);
    rig_turn();
    struct rig_reader *r = rig_open(READER_FROM_CURSOR, "abc-4", true, both);
    rig_flush(r);
    deliver_late(3);
    deliver_late(4);
    deliver_late(6);
    RIG_EXPECT(r, "|abc-6|6\n");
    deliver_late(5);
    RIG_EXPECT(r, "|abc-6|6\nfreshet.gap|abc-6|{\"reason\":\"broker-lost\",\"last\":\"abc-6\",\"next\":null}\n");
    rig_close(r);
    rig_close(first);
}

/* One that begins at a time has nothing of what comes in late from then on. */
Test(core_history, what_a_time_asks_for_comes_in_late)
{
    static const char *const both[] = {"a.0", "b.0", NULL};
    struct rig_reader *first = rig_open(READER_FROM_NOW, NULL, true, both);
    store_message(0);
    store_message(2);
    store_message(2);
    store_message(0);
    deliver(2);
    store.seen = 3;
    deliver(1);
    rig_turn();
    struct reader_options options = rig_options(READER_FROM_TIME, true, both, 2);
    options.start_ns = 2500;
    struct rig_reader *r = rig_open_with(&options);
    RIG_EXPECT(r, "|abc-4|4\n");
    deliver_late_to(1, 3);
    RIG_EXPECT(r, "|abc-4|4\nfreshet.gap|abc-4|{\"reason\":\"broker-lost\",\"last\":\"abc-4\",\"next\":null}\n");
    rig_close(r);
    rig_close(first);
}

static struct rig_reader *leaving;

static void close_leaving(struct mailbox_task *task)
{
    (void)task;
    rig_close(leaving);
}

Test(core_history, a_reader_that_leaves_in_the_turn_of_its_answer)
{
    for (unsigned i = 0; i != 5; ++i)
        store_message(0);
    for (unsigned is_before = 0; is_before != 2; ++is_before) {
        struct mailbox_task leave = {.run = close_leaving};
        leaving = rig_open_one(READER_FROM_CURSOR, "abc-4", "a.0");
        rig_flush(leaving);
        cr_assert_eq(store.look_count, 1);
        if (is_before)
            mailbox_post(&rig.hub.mailbox, &leave);
        while (store.look_count != 0)
            answer();
        if (!is_before)
            mailbox_post(&rig.hub.mailbox, &leave);
        rig_turn();
        cr_assert(list_is_empty(&rig.hub.ready), "nothing waits for a reader that is gone");
    }
}
