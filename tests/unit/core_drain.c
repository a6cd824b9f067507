/* core_drain.c - a drain ends readers one after the other, at an even pace */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "gateway/core/drain.h"
#include "gateway/core/evict.h"
#include "gateway/core/identity.h"
#include "gateway/core/turn.h"

#define COUNT 1000
#define SECOND_NS INT64_C(1000000000)

TestSuite(core_drain, .init = rig_start, .fini = rig_stop);

static struct rig_reader *many[COUNT];

static void open_many(void)
{
    for (unsigned i = 0; i != COUNT; ++i) {
        many[i] = rig_open_one(READER_FROM_NOW, NULL, "a");
        rig_flush(many[i]);
    }
}

static void close_many(void)
{
    for (unsigned i = 0; i != COUNT; ++i) {
        if (many[i] != NULL)
            rig_close(many[i]);
    }
}

static unsigned count_ended(void)
{
    unsigned ended = 0;
    for (unsigned i = 0; i != COUNT; ++i)
        ended += many[i] != NULL && many[i]->final;
    return ended;
}

Test(core_drain, the_pace_is_even)
{
    open_many();
    drain_begin(&rig.hub, 10 * SECOND_NS);
    for (unsigned tenth = 0; tenth <= 100; ++tenth) {
        rig_turn();
        cr_assert_eq(count_ended(), tenth * COUNT / 100, "%u after %u tenths of a second", count_ended(), tenth);
        rig.now_ns += SECOND_NS / 10;
    }
    for (unsigned i = 0; i != COUNT; ++i)
        cr_assert_str_eq(many[i]->log, "freshet.bye|abc-1|{\"reason\":\"drain\"}\n");
    close_many();
    cr_assert_eq(rig_metric(METRIC_CLOSED_DRAIN), COUNT);
}

Test(core_drain, who_has_not_been_told_still_gets_events)
{
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a"), *second;
    rig_flush(first);
    second = rig_open_now("a");
    drain_begin(&rig.hub, 10 * SECOND_NS);
    rig.now_ns += 6 * SECOND_NS;
    rig_turn();
    rig_publish("a", "a", "still");
    rig_flush(second);
    cr_assert(first->final && !second->final);
    cr_assert_str_eq(second->log, "|abc-2|still\n");
    rig.now_ns += 4 * SECOND_NS;
    RIG_EXPECT(second, "|abc-2|still\nfreshet.bye|abc-2|{\"reason\":\"drain\"}\n");
    rig_close(first);
    rig_close(second);
}

Test(core_drain, without_a_window_all_end_a_bounded_number_in_a_turn)
{
    open_many();
    drain_begin(&rig.hub, 0);
    cr_assert(turn_run(&rig.hub, rig.now_ns), "there is more");
    cr_assert(count_ended() != 0 && count_ended() < COUNT);
    rig_turn();
    cr_assert_eq(count_ended(), COUNT);
    close_many();
}

Test(core_drain, who_comes_meanwhile_is_refused)
{
    drain_begin(&rig.hub, SECOND_NS);
    struct rig_reader *late = rig_open_one(READER_FROM_NOW, NULL, "a");
    cr_assert(late->refused && late->refusal == READER_STOPPING);
    rig_close(late);
}

Test(core_drain, those_that_leave_do_not_make_the_others_hurry)
{
    open_many();
    drain_begin(&rig.hub, 10 * SECOND_NS);
    for (unsigned i = 0; i != COUNT / 2; ++i) {
        rig_close(many[i]);
        many[i] = NULL;
    }
    rig.now_ns += 2 * SECOND_NS;
    rig_turn();
    cr_assert_eq(count_ended(), COUNT / 5);
    close_many();
}

static void on_over(struct eviction_walk *walk)
{
    (void)walk;
}

Test(core_drain, a_walk_in_the_middle_leaves_nobody_out)
{
    static const struct eviction eviction = {.route = "/elsewhere"};
    struct eviction_walk walk = {.eviction = &eviction, .over = on_over};
    rig.route.path = (char *)(uintptr_t) "/here";
    open_many();
    drain_begin(&rig.hub, SECOND_NS);
    rig.now_ns += SECOND_NS / 2;
    evict_start(&rig.hub, &walk);
    rig_turn();
    rig.now_ns += SECOND_NS / 2;
    rig_turn();
    cr_assert_eq(count_ended(), COUNT);
    close_many();
}

Test(core_drain, what_a_shutdown_cuts_counts_as_that)
{
    struct rig_reader *stuck = rig_open_one(READER_FROM_NOW, NULL, "a"), *waiting;
    rig_flush(stuck);
    waiting = rig_open_now("a");
    rig_publish("a", "a", "1");
    rig_turn();
    waiting->flying = false;
    reader_sent(&waiting->reader);
    drain_begin(&rig.hub, 10 * SECOND_NS);
    rig.now_ns += 6 * SECOND_NS;
    rig_turn();
    cr_assert(!stuck->final && !waiting->final);
    turn_shutdown(&rig.hub);
    cr_assert(!stuck->final && waiting->final);
    cr_assert_str_eq(waiting->log, "|abc-2|1\nfreshet.bye|abc-2|{\"reason\":\"shutdown\"}\n");
    rig_close(stuck);
    rig_close(waiting);
    cr_assert_eq(rig_metric(METRIC_CLOSED_SHUTDOWN), 2);
    cr_assert_eq(rig_metric(METRIC_CLOSED_CLIENT), 0);
}
