/* source_js_replay.c - readers and fills of stored messages that come and go while the broker does, too */
/* SPDX-License-Identifier: MIT */
#include "tests/support/replay_channel.h"
#include "tests/support/stress_options.h"

/*
 * usage: source_js_replay [--quick] [--seed N]
 *
 * Plain C, so that it runs under ThreadSanitizer. A random mix: readers that
 * take everything, that stop in between, that are closed at any moment; fills
 * that are finished or cancelled; and a broker that is killed now and then.
 * Readers that are not closed get all events, once, in order.
 */
#define MESSAGES 20000
#define SUBJECTS 10
#define AT_A_TIME 24

static unsigned seed = 1;

static unsigned dice(unsigned sides)
{
    return (unsigned)rand_r(&seed) % sides;
}

static void run_fills(void)
{
    for (unsigned i = 0; i < 4; ++i) {
        struct channel *channel = make_channel("s.>", MESSAGES, 500 + dice(2000));
        js_pool_fill(rig.pool, channel, dice(MESSAGES));
        if (dice(2) == 0) {
            sleep_ms((int64_t)dice(10));
            if (!js_pool_cancel_fill(rig.pool, channel))
                AWAIT(channel_count(channel, &channel->closed) == 1);
        } else {
            AWAIT(channel_count(channel, &channel->filled) == 1);
            REQUIRE(channel->added == MESSAGES - channel->after && channel->added <= 4 * (uint64_t)channel->capacity);
        }
        free_channel(channel);
    }
}

static struct test_reader *start_reader(unsigned subject)
{
    char pattern[32];
    snprintf(pattern, sizeof(pattern), "s.%u", subject);
    struct test_reader *reader =
        reader_create(subject == SUBJECTS ? "s.>" : pattern, dice(8) == 0 ? FETCH_LAST : FETCH_AFTER, 0, MESSAGES);
    reader->stopped = dice(3) == 0;
    js_pool_fetch(rig.pool, &reader->fetch);
    return reader;
}

static void finish_reader(struct test_reader *reader, unsigned subject)
{
    while (reader->stopped && !reader_is_done(reader)) {
        AWAIT(reader_is_idle(reader));
        if (!reader_is_done(reader))
            reader_go_on(reader, dice(4) != 0);
    }
    AWAIT(reader_is_done(reader));
    if (reader->count > SUBJECTS) { /* not the last ones only */
        bool is_all = subject == SUBJECTS;
        unsigned first = is_all ? 1 : subject == 0 ? SUBJECTS : subject;
        reader_check(reader, first, is_all ? MESSAGES : MESSAGES - SUBJECTS + first, is_all ? 1 : SUBJECTS);
    }
    reader_end(reader);
}

static void run_readers(bool with_kill)
{
    struct test_reader *readers[AT_A_TIME];
    unsigned subjects[AT_A_TIME];
    for (unsigned i = 0; i < AT_A_TIME; ++i) {
        subjects[i] = dice(SUBJECTS + 1);
        readers[i] = start_reader(subjects[i]);
    }
    if (with_kill) {
        sleep_ms((int64_t)dice(100));
        nats_fixture_kill(rig.broker);
        nats_fixture_restart(rig.broker);
    }
    run_fills();
    for (unsigned i = 0; i < AT_A_TIME; ++i) {
        if (dice(3) == 0)
            reader_end(readers[i]);
        else
            finish_reader(readers[i], subjects[i]);
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = 8;
    if (stress_options_read(argc, argv, &seed))
        rounds = 2;
    rig_start_with(6, MESSAGES, SUBJECTS);
    for (unsigned round = 0; round < rounds; ++round)
        run_readers(round % 2 == 1);
    rig_stop();
    return 0;
}
