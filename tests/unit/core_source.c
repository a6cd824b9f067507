/* core_source.c - what a source reports to the core: numbers, horizons, marks, states */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <pthread.h>
#include <signal.h>

TestSuite(core_source, .init = rig_start, .fini = rig_stop);

static const struct source_ops no_ops;

Test(core_source, an_index_beyond_the_table_is_a_mistake, .signal = SIGABRT)
{
    struct source source;
    source_init(&source, &no_ops, SOURCES_MAX, 1);
}

Test(core_source, an_incarnation_of_0_would_mean_no_id, .signal = SIGABRT)
{
    struct source source;
    source_init(&source, &no_ops, 0, 0);
}

Test(core_source, numbers_go_up_over_all_channels)
{
    struct rig_reader *a = rig_open_one(READER_FROM_NOW, NULL, "a");
    struct rig_reader *b = rig_open_one(READER_FROM_NOW, NULL, "b");
    rig_flush(a);
    rig_flush(b);
    uint64_t before = rig.source.sequence;
    rig_publish("a", "a", "x");
    rig_publish("b", "b", "y");
    rig_publish("a", "a", "z");
    cr_assert_eq(rig.source.sequence, before + 3);
    cr_assert_eq(atomic_load(&rig.source.published), before + 3);
    rig_flush(a);
    rig_flush(b);
    cr_assert_str_eq(a->log, "|abc-3|x\n|abc-5|z\n");
    cr_assert_str_eq(b->log, "|abc-4|y\n");
    rig_close(a);
    rig_close(b);
}

Test(core_source, what_is_no_subject_of_ours_takes_no_number)
{
    char longest[SUBJECT_MAX + 2];
    struct rig_reader *r = rig_open_now(">");
    uint64_t before = rig.source.sequence, received = metrics_sum(METRIC_MESSAGES_RECEIVED);
    memset(longest, 'a', sizeof(longest));
    longest[SUBJECT_MAX + 1] = '\0';
    rig_publish(">", "$SYS.x", "no");
    rig_publish(">", "_INBOX.x", "no");
    rig_publish(">", longest, "no");
    cr_assert_eq(rig.source.sequence, before);
    longest[SUBJECT_MAX] = '\0';
    rig_publish(">", longest, "yes");
    cr_assert_eq(rig.source.sequence, before + 1);
    cr_assert_eq(metrics_sum(METRIC_MESSAGES_RECEIVED), received + 4, "all have been received");
    RIG_EXPECT(r, "|abc-2|yes\n");
    rig_close(r);
}

Test(core_source, open_is_said_once_however_often)
{
    rig.hold_open = true;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    ingress_opened(rig.channels[0]);
    uint64_t sequence = rig.source.sequence;
    unsigned wakes = rig.wakes;
    rig_flush(r);
    ingress_opened(rig.channels[0]);
    ingress_opened(rig.channels[0]);
    cr_assert_eq(rig.source.sequence, sequence);
    cr_assert_eq(rig.wakes, wakes);
    cr_assert_eq(r->sends, 1);
    rig_close(r);
}

Test(core_source, denied_stays_denied)
{
    rig.hold_open = true;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    ingress_denied(rig.channels[0]);
    ingress_opened(rig.channels[0]);
    rig_turn();
    cr_assert(r->refused);
    cr_assert_eq(r->refusal, READER_DENIED);
    cr_assert_eq(r->reader.reason, CLOSE_DENIED);
    rig_close(r);
}

Test(core_source, one_denied_of_several_ends_the_reader)
{
    rig.hold_open = true;
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    ingress_opened(rig.channels[0]);
    rig_turn();
    cr_assert_not(r->refused);
    ingress_denied(rig.channels[1]);
    rig_turn();
    cr_assert(r->refused);
    cr_assert_eq(r->sends, 0);
    rig_close(r);
}

Test(core_source, a_reader_in_flight_hears_of_a_denial_when_it_has_sent)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    cr_assert(r->flying);
    ingress_denied(rig.channels[0]);
    rig_turn();
    cr_assert_not(r->final);
    rig_flush(r);
    cr_assert(r->final);
    cr_assert_str_eq(r->log, "freshet.bye|abc-1|{\"reason\":\"denied\"}\n");
    rig_close(r);
}

/* Messages that the source delivers before it reports the channel as open are kept, but promise nothing. */
Test(core_source, what_comes_in_before_open_is_below_the_floor)
{
    rig.hold_open = true;
    rig.route.history.events = 4;
    struct rig_reader *first = rig_open_one(READER_FROM_EARLIEST, NULL, "a");
    rig_publish_n("a", "a", 0, 2); /* 1, 2 */
    rig_turn();
    cr_assert_eq(first->sends, 0);
    ingress_opened(rig.channels[0]); /* 3 */
    rig_publish_n("a", "a", 2, 1);
    RIG_EXPECT(first, "|abc-1|0\n|abc-2|1\n|abc-4|2\n");
    cr_assert_eq(rig.channels[0]->floor, 3);
    rig_publish_n("a", "a", 3, 3); /* evicts 1 and 2 */
    cr_assert_eq(rig.channels[0]->floor, 3, "eviction does not lower it");
    rig_close(first);
}

/*
 * One client has created the channel, and its subscription is still on its way
 * to the broker when another client asks to resume from an id of another
 * channel: events published in between are lost.
 */
Test(core_source, a_cursor_from_before_the_channel_was_open_is_a_gap)
{
    struct rig_reader *other = rig_open_one(READER_FROM_NOW, NULL, "other");
    rig.hold_open = true;
    struct rig_reader *first = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_publish("other", "other", "x"); /* abc-2 */
    RIG_EXPECT(other, "|abc-2|x\n");
    ingress_opened(rig.channels[1]); /* 3 */
    rig_publish("a", "a", "y");
    struct rig_reader *early = rig_open_one(READER_FROM_CURSOR, "abc-2", "a");
    struct rig_reader *late = rig_open_one(READER_FROM_CURSOR, "abc-3", "a");
    rig_flush(early);
    rig_flush(late);
    cr_assert_str_eq(early->log, "freshet.gap|abc-3|{\"reason\":\"evicted\",\"last\":\"abc-2\",\"next\":\"abc-4\"}\n"
                                 "|abc-4|y\n");
    cr_assert_str_eq(late->log, "|abc-4|y\n");
    rig_close(late);
    rig_close(early);
    rig_close(first);
    rig_close(other);
}

Test(core_source, no_channels_lost_is_no_mark)
{
    struct rig_reader *r = rig_open_now("a");
    uint64_t before = rig.source.sequence;
    unsigned wakes = rig.wakes;
    ingress_lost(&rig.source, NULL, 0);
    cr_assert_eq(rig.source.sequence, before);
    cr_assert_eq(rig.wakes, wakes);
    rig_close(r);
}

Test(core_source, one_mark_has_one_number_in_all_channels)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", "c", NULL});
    rig_flush(r);
    uint64_t before = rig.source.sequence;
    ingress_lost(&rig.source, rig.channels, 2);
    cr_assert_eq(rig.source.sequence, before + 1);
    cr_assert_eq(atomic_load(&rig.source.published), before + 1);
    for (size_t i = 0; i != 2; ++i) {
        const struct entry *mark = channel_entry(rig.channels[i], rig.channels[i]->ring.head - 1);
        cr_assert_null(mark->segment);
        cr_assert_eq(mark->sequence, before + 1);
    }
    cr_assert_eq(rig.channels[2]->ring.head, rig.channels[2]->ring.tail);
    rig_close(r);
}

Test(core_source, a_channel_keeps_a_pointer_for_its_source)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a.*");
    int subscription;
    cr_assert_null(ingress_source_data(rig.channels[0]));
    ingress_set_source_data(rig.channels[0], &subscription);
    cr_assert_eq(ingress_source_data(rig.channels[0]), &subscription);
    cr_assert_str_eq(ingress_pattern(rig.channels[0]), "a.*");
    rig_close(r);
}

/* ---- several sources ---- */

static struct channel *second_channel;

static void open_second(struct source *source, struct channel *channel)
{
    (void)source;
    second_channel = channel;
    ingress_opened(channel);
}

static void close_second(struct source *source, struct channel *channel)
{
    (void)source;
    ingress_closed(channel);
}

Test(core_source, each_source_counts_for_itself)
{
    static const struct source_ops ops = {.open = open_second, .close = close_second};
    struct source second;
    source_init(&second, &ops, SOURCES_MAX - 1, 0xdef);
    hub_add_source(&rig.hub, &second);

    struct rig_reader *a = rig_open_one(READER_FROM_NOW, NULL, "a");
    struct reader_options options = {
        .route = &rig.route,
        .source = &second,
        .subjects = (const char *const[]){"a"},
        .subject_count = 1,
        .follow = true,
    };
    struct rig_reader *b = rig_open_with(&options);
    rig_flush(a);
    rig_flush(b);
    cr_assert_neq(second_channel, rig.channels[0], "the same pattern of another source is another channel");
    rig_publish_n("a", "a", 0, 5);
    struct message message = {.subject = "a", .subject_len = 1, .data = "other", .data_len = 5};
    ingress_append(second_channel, &message);
    rig_flush(a);
    RIG_EXPECT(b, "|def-2|other\n", "a horizon of its own");
    cr_assert_eq(rig_events(a), 5);
    rig_close(a);
    rig_close(b);
    hub_release_views(&rig.hub);
    registry_close_all(&rig.registry);
    source_dispose(&second);
}

/* ---- several publishers ---- */

enum { PUBLISHERS = 4, PUBLISHED = 3000 };

static void *publish_many(void *arg)
{
    struct message message = {.subject = "t.x", .subject_len = 3, .data = "x", .data_len = 1};
    for (unsigned i = 0; i != PUBLISHED; ++i)
        ingress_append(arg, &message);
    return NULL;
}

Test(core_source, publishers_share_one_order)
{
    static const char *const patterns[] = {"t.*", "t.>", NULL};
    pthread_t threads[PUBLISHERS];
    rig.route.history.events = PUBLISHERS * PUBLISHED;
    rig.route.history.bytes = 1 << 30;
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, patterns);
    rig_flush(r);
    for (unsigned i = 0; i != PUBLISHERS; ++i)
        pthread_create(&threads[i], NULL, publish_many, rig.channels[i % 2]);
    for (unsigned i = 0; i != PUBLISHERS; ++i)
        pthread_join(threads[i], NULL);
    rig_turn();
    cr_assert_eq(rig.source.sequence, 2 + PUBLISHERS * PUBLISHED);
    uint64_t next[2] = {rig.channels[0]->ring.tail, rig.channels[1]->ring.tail};
    for (uint64_t sequence = 3; sequence <= rig.source.sequence; ++sequence) {
        unsigned found = 0;
        for (unsigned i = 0; i != 2; ++i) {
            if (next[i] != rig.channels[i]->ring.head &&
                channel_entry(rig.channels[i], next[i])->sequence == sequence) {
                ++next[i];
                ++found;
            }
        }
        cr_assert_eq(found, 1, "number %u", (unsigned)sequence);
    }
    rig_close(r);
}
