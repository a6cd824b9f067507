/* core_view.c - a hub's copy of a ring: what it takes, what it lets go of, and where a reader would start */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "gateway/core/segment.h"

static struct view *view;
static struct channel *channel;

/* A view without readers; the tests sync it by hand. The channel has number 1, the first event 2. */
static void join(const char *pattern)
{
    struct channel_profile profile = rig_profile();
    view = hub_join(&rig.hub, &profile, pattern, strlen(pattern));
    channel = view->channel;
}

static void stop(void)
{
    if (view != NULL)
        hub_leave(&rig.hub, view);
    view = NULL;
    rig_stop();
}

TestSuite(core_view, .init = rig_start, .fini = stop);

static void publish_at(const char *subject, int64_t received_ns)
{
    struct message message = {
        .subject = subject, .subject_len = strlen(subject), .data = "x", .data_len = 1, .received_ns = received_ns};
    ingress_append(channel, &message);
}

static uint64_t first_sequence(void)
{
    return view_entry(view, view->tail)->sequence;
}

static void expect_same_ring(void)
{
    cr_assert_eq(view->head, channel->ring.head);
    cr_assert_eq(view->tail, channel->ring.tail);
    for (uint64_t p = view->tail; p != view->head; ++p) {
        const struct view_entry *mine = view_entry(view, p);
        const struct entry *entry = channel_entry(channel, p);
        cr_assert_eq(mine->sequence, entry->sequence);
        cr_assert_eq(mine->offset, entry->offset);
        cr_assert_eq(mine->size, entry->size);
        cr_assert_eq(mine->run != NULL, entry->segment != NULL);
        if (mine->run != NULL) {
            cr_assert_eq(mine->run->segment, entry->segment);
            cr_assert_gt(mine->run->end, p, "an entry lies in its run");
            cr_assert_leq(entry->offset + entry->size, mine->run->end_offset);
        }
    }
}

Test(core_view, takes_nothing_beyond_the_horizon)
{
    join("a");
    rig_publish_n("a", "a", 0, 5); /* 2 … 6 */
    cr_assert(view_sync(view, 3));
    cr_assert_eq(view->head, RING_ORIGIN + 2);
    cr_assert(view_sync(view, 3), "there still is more");
    cr_assert_eq(view->head, RING_ORIGIN + 2);
    cr_assert(view_sync(view, 5));
    cr_assert_eq(view->head, RING_ORIGIN + 4);
    cr_assert_not(view_sync(view, 6));
    expect_same_ring();
    cr_assert_not(view_sync(view, 100));
    expect_same_ring();
}

Test(core_view, lets_go_of_what_the_channel_has_evicted)
{
    rig.route.history.events = 4;
    join("a");
    rig_publish_n("a", "a", 0, 4);
    view_sync(view, 5);
    cr_assert_eq(view->tail, RING_ORIGIN);
    rig_publish_n("a", "a", 4, 2);
    cr_assert(view_sync(view, 5), "the two new ones are beyond this horizon …");
    cr_assert_eq(view->head, RING_ORIGIN + 4);
    cr_assert_eq(view->tail, RING_ORIGIN + 2, "… but the two oldest are gone for all");
    cr_assert_eq(view->floor, 3);
    cr_assert_not(view_sync(view, 7));
    expect_same_ring();
}

Test(core_view, a_hub_slower_than_the_ring_goes_on_with_what_is_left)
{
    rig.route.history.events = 4;
    join("a");
    rig_publish_n("a", "a", 0, 3);
    view_sync(view, 4);
    for (unsigned i = 0; i != 50; ++i) {
        rig_publish_n("a", "a", 0, i);
        view_sync(view, rig.source.sequence);
        expect_same_ring();
        cr_assert_eq(view->floor, channel->floor);
        if (i > 4)
            cr_assert_eq(first_sequence(), view->floor + 1);
    }
}

Test(core_view, a_hub_slower_than_the_ring_and_behind_its_horizon)
{
    rig.route.history.events = 4;
    join("a");
    rig_publish_n("a", "a", 0, 3);
    view_sync(view, 4);
    rig_publish_n("a", "a", 0, 20); /* 5 … 24; kept: 21 … 24 */
    cr_assert(view_sync(view, 10));
    cr_assert_eq(view->head, view->tail, "what it could take is gone, what is there it may not take yet");
    cr_assert_eq(view->tail, channel->ring.tail);
    cr_assert(view_sync(view, 22));
    cr_assert_eq(view->head - view->tail, 2);
    cr_assert_not(view_sync(view, 24));
    expect_same_ring();
}

Test(core_view, its_ring_grows_with_the_channels)
{
    join("a.*");
    for (unsigned i = 0; i != 3000; ++i) {
        rig_publish_n("a.*", i % 2 == 0 ? "a.even" : "a.odd", i, 1);
        if (i % 37 == 0) {
            view_sync(view, rig.source.sequence);
            expect_same_ring();
        }
    }
    view_sync(view, rig.source.sequence);
    cr_assert_eq(view->head - view->tail, 1024);
    cr_assert_eq(view->ring_capacity, channel->ring.capacity);
}

/* ---- runs ---- */

Test(core_view, entries_that_lie_back_to_back_are_one_run)
{
    join("a");
    rig_publish_n("a", "a", 0, 3);
    view_sync(view, 3);
    struct run *run = view_entry(view, 0)->run;
    cr_assert_eq(view_entry(view, 1)->run, run);
    cr_assert_eq(run->end, RING_ORIGIN + 2);
    view_sync(view, 4);
    cr_assert_eq(view_entry(view, 2)->run, run, "it grows with each sync");
    cr_assert_eq(run->end, RING_ORIGIN + 3);
    cr_assert_eq(run->refs, 1);
}

Test(core_view, a_mark_ends_a_run)
{
    join("a");
    rig_publish_n("a", "a", 0, 2);
    ingress_lost(&rig.source, &channel, 1);
    rig_publish_n("a", "a", 2, 2);
    view_sync(view, rig.source.sequence);
    expect_same_ring();
    cr_assert_null(view_entry(view, 2)->run);
    struct run *before = view_entry(view, 0)->run, *after = view_entry(view, 3)->run;
    cr_assert_neq(before, after);
    cr_assert_eq(before->segment, after->segment, "though both lie in one segment");
    cr_assert_eq(before->end, RING_ORIGIN + 2);
    cr_assert_eq(after->end, RING_ORIGIN + 5);
}

/* Whatever order entries, the view's own reference and a reader's go in, the bytes stay until the last is gone. */
Test(core_view, a_run_outlives_its_entries_for_who_holds_it)
{
    rig.route.history.events = 4;
    join("a");
    rig_publish("a", "a", "held");
    view_sync(view, rig.source.sequence);
    struct run *run = view_entry(view, 0)->run;
    const char *bytes = run->segment->bytes + view_entry(view, 0)->offset;
    ++run->refs; /* a batch in flight */
    for (unsigned i = 0; i != 300; ++i) {
        rig_publish_n("a", "a", i, 3);
        view_sync(view, rig.source.sequence);
    }
    cr_assert_eq(run->refs, 1, "only the batch has it");
    cr_assert_eq(strncmp(bytes, "id: abc-2\ndata: held\n", 21), 0);
    run_release(&rig.hub.runs, run);
    cr_assert_eq(rig.hub.runs.free, run);
}

static size_t free_runs(void)
{
    size_t count = 0;
    for (const struct run *run = rig.hub.runs.free; run != NULL; run = run->next_free)
        ++count;
    return count;
}

static uint32_t references_of_open_segment(void)
{
    return atomic_load(&channel->ring.open->refs);
}

Test(core_view, runs_are_used_again_and_segments_let_go)
{
    rig.route.history.events = 3;
    join("a");
    for (unsigned i = 0; i != 2000; ++i) {
        if (i % 3 == 0)
            ingress_lost(&rig.source, &channel, 1);
        rig_publish_n("a", "a", i, (i * 7) % 5);
        view_sync(view, rig.source.sequence);
        cr_assert_leq(free_runs(), 8, "a free list, not a leak");
    }
    /* everything evicted by marks: no entry needs a run, and none is kept but the one that would grow */
    for (unsigned i = 0; i != 3; ++i)
        ingress_lost(&rig.source, &channel, 1);
    view_sync(view, rig.source.sequence);
    cr_assert_null(view->run);
    cr_assert_eq(references_of_open_segment(), 1, "the channel's own");
}

Test(core_view, a_run_whose_entries_are_all_evicted_goes_on_or_goes)
{
    rig.route.history.bytes = 1; /* each event evicts the one before */
    join("a");
    for (unsigned i = 0; i != 500; ++i) {
        rig_publish_n("a", "a", i, 1);
        if (i % 3 != 1)
            view_sync(view, rig.source.sequence);
    }
    view_sync(view, rig.source.sequence);
    cr_assert_eq(view->head - view->tail, 1);
    cr_assert_leq(references_of_open_segment(), 2);
}

/* ---- places ---- */

Test(core_view, after_a_sequence)
{
    rig.route.history.events = 6;
    join("a");
    struct rig_reader *other = rig_open_one(READER_FROM_NOW, NULL, "b"); /* 2 */
    rig_publish_n("a", "a", 0, 4);                                       /* 3 … 6 */
    rig_publish_n("b", "b", 0, 3);                                       /* 7 … 9 are another channel's */
    rig_publish_n("a", "a", 0, 2);                                       /* 10, 11 */
    ingress_lost(&rig.source, &channel, 1);                              /* 12; evicts 3 */
    view_sync(view, rig.source.sequence);
    static const struct {
        uint64_t sequence, position;
    } cases[] = {{0, 1}, {2, 1},  {3, 1},  {4, 2},  {5, 3},  {6, 4},         {7, 4},
                 {9, 4}, {10, 5}, {11, 6}, {12, 7}, {99, 7}, {UINT64_MAX, 7}};
    cr_assert_eq(view->tail, RING_ORIGIN + 1);
    cr_assert_eq(view->head, RING_ORIGIN + 7);
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        cr_expect_eq(view_after(view, cases[i].sequence), RING_ORIGIN + cases[i].position, "after %u",
                     (unsigned)cases[i].sequence);
    rig_close(other);
}

Test(core_view, of_an_empty_ring_every_place_is_the_head)
{
    join("a");
    cr_assert_eq(view_after(view, 0), RING_ORIGIN);
    cr_assert_eq(view_since(view, 0), RING_ORIGIN);
    view_mark_superseded(view);
}

Test(core_view, since_a_time)
{
    join("a");
    for (int64_t t = 100; t <= 500; t += 100)
        publish_at("a", t);
    publish_at("a", 500);
    view_sync(view, rig.source.sequence);
    static const struct {
        int64_t ns;
        uint64_t position;
    } cases[] = {{INT64_MIN, 0}, {0, 0}, {100, 0}, {101, 1}, {200, 1}, {499, 4}, {500, 4}, {501, 6}, {INT64_MAX, 6}};
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        cr_expect_eq(view_since(view, cases[i].ns), RING_ORIGIN + cases[i].position, "since %d", (int)cases[i].ns);
}

Test(core_view, since_a_time_when_the_wall_clock_was_set_back)
{
    join("a");
    static const int64_t times[] = {1000, 1010, 1020, 500, 510, 520};
    for (size_t i = 0; i != sizeof(times) / sizeof(times[0]); ++i)
        publish_at("a", times[i]);
    view_sync(view, rig.source.sequence);
    cr_assert_eq(view_since(view, 510), RING_ORIGIN + 4,
                 "what is young by the clock of now, not all since the old clock's day");
    cr_assert_eq(view_since(view, 500), RING_ORIGIN, "nothing in between is too old");
    cr_assert_eq(view_since(view, 521), RING_ORIGIN + 6);
    cr_assert_eq(view_since(view, 1005), RING_ORIGIN + 6);
}

Test(core_view, since_a_time_when_the_wall_clock_was_set_forward)
{
    join("a");
    static const int64_t times[] = {100, 110, 5000, 5010};
    for (size_t i = 0; i != sizeof(times) / sizeof(times[0]); ++i)
        publish_at("a", times[i]);
    view_sync(view, rig.source.sequence);
    cr_assert_eq(view_since(view, 4000), RING_ORIGIN + 2);
    cr_assert_eq(view_since(view, 5005), RING_ORIGIN + 3);
}

Test(core_view, a_mark_has_no_time_and_stays_with_what_follows_it)
{
    join("a");
    publish_at("a", 100);
    ingress_lost(&rig.source, &channel, 1);
    publish_at("a", 200);
    view_sync(view, rig.source.sequence);
    cr_assert_eq(view_since(view, 150), RING_ORIGIN + 1, "a reader that asks for that time gets the mark");
    cr_assert_eq(view_since(view, 100), RING_ORIGIN);
}

/* ---- superseded ---- */

Test(core_view, in_a_literal_channel_the_newest_supersedes_all)
{
    join("a");
    rig_publish_n("a", "a", 0, 5);
    view_sync(view, rig.source.sequence);
    view_mark_superseded(view);
    for (uint64_t p = 0; p != 5; ++p)
        cr_assert_eq(view_entry(view, p)->superseded, p != 4);
}

Test(core_view, marks_neither_supersede_nor_are_superseded)
{
    join("a");
    rig_publish_n("a", "a", 0, 1);
    ingress_lost(&rig.source, &channel, 1);
    view_sync(view, rig.source.sequence);
    view_mark_superseded(view);
    cr_assert_not(view_entry(view, 0)->superseded);
    cr_assert_not(view_entry(view, 1)->superseded);
    rig_publish_n("a", "a", 0, 1);
    ingress_lost(&rig.source, &channel, 1);
    view_sync(view, rig.source.sequence);
    view_mark_superseded(view);
    cr_assert(view_entry(view, 0)->superseded, "a new head is looked at again");
    cr_assert_not(view_entry(view, 1)->superseded);
    cr_assert_not(view_entry(view, 2)->superseded);
    cr_assert_not(view_entry(view, 3)->superseded);
}

Test(core_view, by_subject_as_a_plain_search_finds_it)
{
    rig.route.history.events = 300; /* more subjects than slots of a small table, and an odd number of entries */
    join("s.>");
    srand(7);
    for (unsigned round = 0; round != 30; ++round) {
        for (unsigned i = 0; i != 40; ++i) {
            char subject[32];
            snprintf(subject, sizeof(subject), rand() % 2 == 0 ? "s.%d" : "s.%d.x", rand() % 100);
            rig_publish_n("s.>", subject, i, 1);
        }
        view_sync(view, rig.source.sequence);
        view_mark_superseded(view);
        for (uint64_t p = view->tail; p != view->head; ++p) {
            size_t len, later_len;
            const char *subject = view_subject(view, view_entry(view, p), &len);
            bool found = false;
            for (uint64_t later = p + 1; later != view->head && !found; ++later) {
                const char *other = view_subject(view, view_entry(view, later), &later_len);
                found = later_len == len && memcmp(other, subject, len) == 0;
            }
            cr_assert_eq(view_entry(view, p)->superseded, found);
        }
    }
}

Test(core_view, knows_the_subject_of_each_entry)
{
    size_t len;
    join("a.>");
    rig_publish("a.>", "a.b", "x");
    rig_publish("a.>", "a.some.longer.subject", "y");
    ingress_lost(&rig.source, &channel, 1);
    view_sync(view, rig.source.sequence);
    const char *subject = view_subject(view, view_entry(view, 0), &len);
    cr_assert(len == 3 && memcmp(subject, "a.b", 3) == 0);
    subject = view_subject(view, view_entry(view, 1), &len);
    cr_assert(len == 21 && memcmp(subject, "a.some.longer.subject", 21) == 0);
    subject = view_subject(view, view_entry(view, 2), &len);
    cr_assert(len == 3 && memcmp(subject, "a.>", 3) == 0, "a mark concerns the whole pattern");
}
