/* source_js_replay.c - stored messages for readers: all of them, in order, once */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "tests/support/replay_channel.h"

Test(source_js_replay, a_hundred_thousand)
{
    rig_start_with(4, 100000, 10);
    struct test_reader *all = reader_start("s.>", FETCH_AFTER, 0, 100000);
    struct test_reader *one = reader_start("s.3", FETCH_AFTER, 50000, 100000);
    struct test_reader *none = reader_start("s.none", FETCH_AFTER, 0, 100000);
    AWAIT(reader_is_done(all) && reader_is_done(one) && reader_is_done(none));
    reader_check(all, 1, 100000, 1);
    reader_check(one, 50003, 99993, 10);
    cr_assert_eq(none->count, 0);
    cr_assert_eq(none->pieces, 1);
    cr_assert_leq(all->largest, FETCH_PIECE_BYTES);
    cr_assert_eq(all->fetch.after, 100000);
    reader_end(all);
    reader_end(one);
    reader_end(none);
    AWAIT(rig_consumers() == 0);
    rig_stop();
}

Test(source_js_replay, up_to_the_target_and_no_further)
{
    rig_start_with(2, 3000, 3);
    struct test_reader *reader = reader_start("s.*", FETCH_AFTER, 1000, 2000);
    AWAIT(reader_is_done(reader));
    reader_check(reader, 1001, 2000, 1);
    cr_assert_eq(reader->fetch.after, 2000);
    /* it can continue from there to a new target */
    reader->fetch.target = 3000;
    reader_go_on(reader, false);
    reader_finish(reader, 1001, 3000, 1);
    rig_stop();
}

Test(source_js_replay, a_target_already_reached_costs_nothing)
{
    rig_start_with(2, 10, 1);
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 10, 10);
    AWAIT(reader_is_done(reader));
    cr_assert_eq(reader->count, 0);
    reader_end(reader);
    rig_stop();
}

Test(source_js_replay, several_patterns)
{
    rig_start_with(2, 10000, 10);
    struct test_reader *reader = reader_create("s.2", FETCH_AFTER, 0, 10000);
    reader_add_pattern(reader, "s.7");
    js_pool_fetch(rig.pool, &reader->fetch);
    reader_finish(reader, 2, 9997, 5);
    rig_stop();
}

Test(source_js_replay, deleted_messages_are_no_gap)
{
    rig_start_with(2, 1000, 1);
    for (uint64_t sequence = 2; sequence <= 1000; sequence += 2)
        jetstream_delete_message(rig.js, "S", sequence);
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 0, 1000);
    AWAIT(reader_is_done(reader));
    reader_check(reader, 1, 999, 2);
    cr_assert_leq(atomic_load(&rig.source.first), 1);
    reader_end(reader);
    rig_stop();
}

Test(source_js_replay, a_start_below_the_first_shows)
{
    rig_start_at(2, NULL);
    jetstream_create(rig.js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}, .max_messages = 400});
    rig_publish(1, 1000, 1);
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 100, 1000);
    AWAIT(reader_is_done(reader));
    reader_check(reader, 601, 1000, 1);
    cr_assert_eq(atomic_load(&rig.source.first), 601);
    reader_end(reader);
    /* and also where nothing at all is left */
    jetstream_purge(rig.js, "S", NULL);
    reader = reader_start("s.>", FETCH_AFTER, 700, 1000);
    AWAIT(reader_is_done(reader));
    cr_assert_eq(reader->count, 0);
    cr_assert_eq(atomic_load(&rig.source.first), 1001);
    reader_end(reader);
    rig_stop();
}

Test(source_js_replay, numbers_of_a_later_incarnation)
{
    rig_start(2);
    rig.base = 5000;
    rig_publish(1, 1000, 1);
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 4000, 6000);
    struct test_reader *older = reader_start("s.>", FETCH_AFTER, 4000, 4500);
    AWAIT(reader_is_done(reader) && reader_is_done(older));
    cr_assert_eq(reader->count, 1000);
    cr_assert_eq(reader->sequences[0], 5001);
    cr_assert_eq(reader->fetch.after, 6000);
    cr_assert_eq(older->count, 0);
    reader_end(reader);
    reader_end(older);
    rig_stop();
}

Test(source_js_replay, large_messages)
{
    rig_start(2);
    size_t size = 600 * 1024;
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    for (uint64_t n = 1; n <= 12; ++n) {
        memset(text, ' ', size);
        text[size] = '\0';
        snprintf(text, 24, "%llu", (unsigned long long)n);
        text[strlen(text)] = n % 3 == 0 ? ' ' : '\0';
        jetstream_publish(rig.js, "s.large", text);
    }
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 0, 12);
    AWAIT(reader_is_done(reader));
    reader_check(reader, 1, 12, 1);
    cr_assert_geq(reader->largest, size);
    reader_end(reader);
    reader = reader_start("s.>", FETCH_LAST, 0, 12);
    reader_finish(reader, 12, 12, 1);
    free(text);
    rig_stop();
}

/* ---- time ---- */

Test(source_js_replay, since_a_time)
{
    rig_start_with(2, 2000, 2);
    sleep_ms(20); /* the broker's clock is ours, but time stamps of a batch are close together */
    int64_t between = clock_wall_ns();
    rig_publish(2001, 2000, 2);
    struct test_reader *reader = reader_create("s.1", FETCH_TIME, 0, 4000);
    reader->fetch.start_ns = between;
    reader->stopped = true;
    js_pool_fetch(rig.pool, &reader->fetch);
    AWAIT(reader_is_idle(reader));
    cr_assert_eq(reader->fetch.from, FETCH_AFTER);
    while (!reader_is_done(reader)) {
        reader_go_on(reader, true);
        AWAIT(reader_is_idle(reader));
    }
    reader_check(reader, 2001, 3999, 2);
    reader_end(reader);
    struct test_reader *late = reader_create("s.>", FETCH_TIME, 0, 4000);
    late->fetch.start_ns = clock_wall_ns() + INT64_C(60) * 1000000000;
    js_pool_fetch(rig.pool, &late->fetch);
    struct test_reader *early = reader_create("s.>", FETCH_TIME, 0, 4000);
    js_pool_fetch(rig.pool, &early->fetch);
    AWAIT(reader_is_done(late) && reader_is_done(early));
    cr_assert_eq(late->count, 0);
    cr_assert_eq(late->fetch.after, 4000);
    reader_check(early, 1, 4000, 1);
    reader_end(late);
    reader_end(early);
    rig_stop();
}

/* ---- the last of each subject ---- */

Test(source_js_replay, the_last_of_each_subject)
{
    rig_start_with(2, 10000, 1000);
    struct test_reader *all = reader_start("s.*", FETCH_LAST, 0, 10000);
    struct test_reader *two = reader_create("s.7", FETCH_LAST, 0, 10000);
    reader_add_pattern(two, "s.507");
    js_pool_fetch(rig.pool, &two->fetch);
    struct test_reader *none = reader_start("s.none", FETCH_LAST, 0, 10000);
    AWAIT(reader_is_done(all) && reader_is_done(two) && reader_is_done(none));
    reader_check(all, 9001, 10000, 1);
    reader_check(two, 9007, 9507, 500);
    cr_assert_eq(none->count, 0);
    reader_end(all);
    reader_end(two);
    reader_end(none);
    rig_stop();
}

/* What a client keeps per subject, after all events. */
static void check_last_state(struct test_reader *reader, uint64_t last, unsigned subjects)
{
    uint64_t *newest = calloc(subjects, sizeof(*newest));
    for (size_t i = 0; i < reader->count; ++i) {
        cr_assert(i == 0 || reader->sequences[i] > reader->sequences[i - 1]);
        newest[reader->sequences[i] % subjects] = reader->sequences[i];
    }
    for (uint64_t n = last - subjects + 1; n <= last; ++n)
        cr_assert_eq(newest[n % subjects], n, "subject %u has %u instead of %u", (unsigned)(n % subjects),
                     (unsigned)newest[n % subjects], (unsigned)n);
    free(newest);
}

Test(source_js_replay, the_last_while_more_come_and_the_slot_is_given_up)
{
    rig_start_with(1, 20000, 10000);
    struct test_reader *reader = reader_start_stopped("s.>", FETCH_LAST, 0, UINT64_MAX);
    cr_assert_eq(reader->fetch.from, FETCH_LAST);
    uint64_t last = 20000;
    for (unsigned round = 0; round < 3; ++round) {
        AWAIT(rig_consumers() == 0);
        rig_publish(last + 1, 5000, 10000);
        last += 5000;
        reader_go_on(reader, true);
        AWAIT(reader_is_idle(reader));
    }
    reader->fetch.target = last + 5000;
    reader_go_on(reader, false);
    rig_publish(last + 1, 5000, 10000);
    last += 5000;
    AWAIT(reader_is_done(reader));
    if (reader_count(reader) == 0 || reader->sequences[reader->count - 1] != last) {
        /* it was complete as of then: what came later is for the rings, or as here for another piece */
        reader->fetch.target = last;
        reader->fetch.after = reader->sequences[reader->count - 1];
        reader->fetch.from = FETCH_AFTER;
        reader_go_on(reader, false);
        AWAIT(reader_is_done(reader));
    }
    check_last_state(reader, last, 10000);
    reader_end(reader);
    rig_stop();
}

Test(source_js_replay, the_last_under_a_limit_per_subject)
{
    rig_start_at(2, NULL);
    jetstream_create(rig.js, &(struct jetstream_stream){
                                 .name = "S", .subjects = {"s.>"}, .in_memory = true, .max_messages_per_subject = 2});
    rig_publish(1, 8000, 2000);
    struct test_reader *readers[8];
    for (unsigned i = 0; i < 8; ++i)
        readers[i] = reader_start("s.>", FETCH_LAST, 0, 12000);
    /* superseded messages vanish from under the snapshot */
    rig_publish(8001, 4000, 2000);
    for (unsigned i = 0; i < 8; ++i) {
        AWAIT(reader_is_done(readers[i]));
        readers[i]->fetch.after = readers[i]->sequences[readers[i]->count - 1];
        readers[i]->fetch.from = FETCH_AFTER;
        reader_go_on(readers[i], false);
        AWAIT(reader_is_done(readers[i]));
        check_last_state(readers[i], 12000, 2000);
        reader_end(readers[i]);
    }
    rig_stop();
}
