/* core_slow.c - readers that fall out of their ring, under each policy */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

static void start_small(void)
{
    rig_start();
    rig.route.history.events = 4;
}

TestSuite(core_slow, .init = start_small, .fini = rig_stop);

/* A reader with one send in flight while the ring turns over. */
static struct rig_reader *fall_behind(const char *pattern)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, pattern);
    rig_turn();
    cr_assert(r->flying);
    return r;
}

Test(core_slow, disconnect_says_why_and_resumes_with_a_gap)
{
    rig.route.slow = POLICY_SLOW_DISCONNECT;
    struct rig_reader *r = fall_behind("a");
    rig_publish_n("a", "a", 0, 10);
    RIG_EXPECT(r, "freshet.bye|abc-1|{\"reason\":\"slow\"}\n");
    cr_assert(r->final);
    cr_assert(r->parser.retry_ms >= 1500 && r->parser.retry_ms <= 2500);
    cr_assert_eq(r->reader.reason, CLOSE_SLOW);
    rig_close(r);
}

Test(core_slow, skip_tells_and_goes_on)
{
    rig.route.slow = POLICY_SLOW_SKIP;
    struct rig_reader *r = fall_behind("a");
    rig_publish_n("a", "a", 0, 10);
    RIG_EXPECT(r, "freshet.gap|abc-7|{\"reason\":\"slow\",\"last\":\"abc-1\",\"next\":\"abc-8\"}\n"
                  "|abc-8|6\n|abc-9|7\n|abc-10|8\n|abc-11|9\n");
    rig_close(r);
}

Test(core_slow, latest_sends_the_newest_of_each_subject)
{
    rig.route.slow = POLICY_SLOW_LATEST;
    struct rig_reader *r = fall_behind("p.*");
    rig_publish_n("p.*", "p.x", 0, 10);
    rig_publish_n("p.*", "p.y", 10, 1);
    rig_publish_n("p.*", "p.x", 11, 1);
    rig_publish_n("p.*", "p.z", 12, 1); /* kept: x=9, y=10, x=11, z=12 */
    RIG_EXPECT(r, "freshet.gap|abc-10|{\"reason\":\"slow\",\"last\":\"abc-1\",\"next\":\"abc-11\"}\n"
                  "|abc-12|10\n|abc-13|11\n|abc-14|12\n");
    cr_assert_not(r->reader.is_conflating);
    rig_publish_n("p.*", "p.x", 13, 2);
    rig_flush(r);
    cr_assert(strstr(r->log, "|abc-15|13\n|abc-16|14\n") != NULL, "a reader that has caught up gets everything");
    rig_close(r);
}

Test(core_slow, a_reader_in_flight_keeps_its_bytes)
{
    struct rig_reader *r = rig_open_now("a");
    rig_publish("a", "a", "held");
    rig_turn();
    cr_assert(r->flying);
    const struct piece piece = r->reader.batch->pieces[0];
    char copy[256];
    cr_assert_lt(piece.len, sizeof(copy));
    memcpy(copy, piece.base, piece.len);
    rig_publish_n("a", "a", 0, 5000); /* whatever held the event has long been evicted */
    rig_turn();
    cr_assert_eq(memcmp(copy, piece.base, piece.len), 0);
    rig_close(r);
}

Test(core_slow, the_ring_is_bounded_in_bytes)
{
    rig.route.history.events = 1024;
    rig.route.history.bytes = 1000;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    char big[3000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    rig_publish_n("a", "a", 0, 200);
    cr_assert_leq(rig.channels[0]->ring.bytes, 1000);
    rig_publish("a", "a", big);
    cr_assert_eq(rig.channels[0]->ring.head - rig.channels[0]->ring.tail, 1, "the newest event is kept, however large");
    rig_close(r);
}
