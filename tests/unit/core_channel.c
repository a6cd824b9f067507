/* core_channel.c - channels are shared, linger, and forget in order */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "gateway/core/reserved.h"

#include <pthread.h>

TestSuite(core_channel, .init = rig_start, .fini = rig_stop);

Test(core_channel, the_same_question_is_the_same_channel)
{
    struct rig_reader *a = rig_open_one(READER_FROM_NOW, NULL, "a");
    struct rig_reader *b = rig_open_one(READER_FROM_NOW, NULL, "a");
    cr_assert_eq(rig.channel_count, 1);
    rig.route.format = POLICY_FORMAT_BASE64;
    struct rig_reader *c = rig_open_one(READER_FROM_NOW, NULL, "a");
    cr_assert_eq(rig.channel_count, 2, "another form is another channel");
    rig_close(a);
    rig_close(b);
    rig_close(c);
}

Test(core_channel, lingers_then_closes)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_close(r);
    rig.now_ns += 2000000000; /* the hub's view goes first */
    rig_turn();
    cr_assert_eq(rig.channel_count, 1);
    int64_t idle = rig.channels[0]->idle_since_ns;
    registry_sweep(&rig.registry, idle + 59000000000);
    cr_assert_eq(rig.channel_count, 1);
    registry_sweep(&rig.registry, idle + 60000000000);
    cr_assert_eq(rig.channel_count, 0);
    cr_assert_eq(registry_channel_count(&rig.registry), 0);
}

Test(core_channel, keeps_receiving_while_it_lingers)
{
    struct rig_reader *r = rig_open_now("a");
    rig_close(r);
    rig.now_ns += 2000000000;
    rig_turn();
    rig_publish_n("a", "a", 0, 3);
    r = rig_open_one(READER_FROM_CURSOR, "abc-1", "a");
    RIG_EXPECT(r, "|abc-2|0\n|abc-3|1\n|abc-4|2\n");
    rig_close(r);
}

/* A reload may declare a subject that an open stream's pattern matches: its channel is judged again. */
Test(core_channel, what_is_declared_later_no_longer_arrives)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "rooms.>");
    struct rig_reader *other = rig_open_one(READER_FROM_NOW, NULL, "rooms.7");
    rig_publish("rooms.>", "rooms.7.presence", "seen");
    cr_assert(reserved_declare("rooms.*.presence"));
    rig_publish("rooms.>", "rooms.7.presence", "secret");
    rig_publish("rooms.>", "rooms.7", "public");
    rig_publish("rooms.7", "rooms.7", "public");
    rig_flush(r);
    rig_flush(other);
    cr_assert_null(strstr(r->log, "secret"));
    cr_assert_not_null(strstr(r->log, "seen"));
    cr_assert_not_null(strstr(r->log, "public"));
    cr_assert_not_null(strstr(other->log, "public"));
    rig_close(r);
    rig_close(other);
}

Test(core_channel, reserved_subjects_never_arrive)
{
    struct rig_reader *r = rig_open_now(">");
    rig_publish(">", "$JS.API.INFO", "secret");
    rig_publish(">", "_INBOX.x", "secret");
    rig_publish(">", "a", "x");
    RIG_EXPECT(r, "|abc-2|x\n");
    rig_close(r);
}

Test(core_channel, ring_and_segments_turn_over)
{
    rig.route.history.events = 100;
    struct rig_reader *r = rig_open_now("a.*");
    for (unsigned i = 0; i != 3000; ++i) {
        char subject[16];
        snprintf(subject, sizeof(subject), "a.%u", i % 7);
        rig_publish_n("a.*", subject, i, 1);
        if (i % 50 == 49) {
            r->log[0] = '\0';
            rig_flush(r);
            cr_assert_eq(rig_events(r), 50);
        }
    }
    cr_assert_eq(rig.channels[0]->ring.head - rig.channels[0]->ring.tail, 100);
    rig_close(r);
}

static void *publish_binary(void *arg)
{
    rig_publish("a", "a", arg);
    return NULL;
}

/* Where AddressSanitizer is, it can be asked. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

Test(core_channel, a_thread_that_ends_leaves_nothing_behind)
{
    char bytes[] = "\xff\xfe";
    pthread_t thread;
    struct rig_reader *r = rig_open_now("a");
    pthread_create(&thread, NULL, publish_binary, bytes);
    pthread_join(thread, NULL);
    RIG_EXPECT(r, "freshet.binary|abc-2|//4=\n");
    rig_close(r);
    if (__lsan_do_recoverable_leak_check != NULL)
        cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);
}

Test(core_channel, a_wake_is_coalesced)
{
    struct rig_reader *r = rig_open_now("a");
    unsigned before = rig.wakes;
    rig_publish_n("a", "a", 0, 100);
    cr_assert_eq(rig.wakes, before + 1);
    rig_close(r);
}

Test(core_channel, fan_out_goes_in_slices)
{
    enum { MANY = 3000 };
    static struct rig_reader *many[MANY];
    for (unsigned i = 0; i != MANY; ++i) {
        many[i] = rig_open_one(READER_FROM_NOW, NULL, "big");
        rig_flush(many[i]);
    }
    struct rig_reader *few = rig_open_now("small");
    rig_publish("big", "big", "x");
    rig_publish("small", "small", "x");
    cr_assert(turn_run(&rig.hub, rig.now_ns), "one turn does not do them all");
    cr_assert(few->flying, "a small channel does not wait for a large one");
    rig_turn();
    for (unsigned i = 0; i != MANY; ++i) {
        cr_assert(many[i]->flying);
        rig_close(many[i]);
    }
    rig_close(few);
}
