/* core_expiry.c - streams that end at a time, and work for a later turn */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "gateway/base/thread.h"

TestSuite(core_expiry, .init = rig_start, .fini = rig_stop);

#define SECOND INT64_C(1000000000)

static struct rig_reader *open_until(int64_t expires_ns, const char *cursor)
{
    struct reader_options options = {
        .route = &rig.route,
        .source = &rig.source,
        .subjects = (const char *const[]){"a"},
        .subject_count = 1,
        .start = cursor != NULL ? READER_FROM_CURSOR : READER_FROM_NOW,
        .cursor_text = cursor,
        .cursor_len = cursor != NULL ? strlen(cursor) : 0,
        .follow = true,
        .expires_ns = expires_ns,
    };
    return rig_open_with(&options);
}

static void advance_to(struct rig_reader *r, int64_t now_ns)
{
    while (rig.now_ns < now_ns) {
        rig.now_ns += rig.now_ns + SECOND / 10 < now_ns ? SECOND / 10 : now_ns - rig.now_ns;
        rig_flush(r);
    }
}

Test(core_expiry, an_idle_stream_ends_when_its_time_has_come)
{
    static const int64_t lives[] = {SECOND / 2, 3 * SECOND, 20 * SECOND, 200 * SECOND, 5000 * SECOND};
    for (size_t i = 0; i != sizeof(lives) / sizeof(lives[0]); ++i) {
        int64_t end = rig.now_ns + lives[i];
        struct rig_reader *r = open_until(end, NULL);
        rig_flush(r);
        advance_to(r, end - 1);
        cr_assert_not(r->final, "not before");
        advance_to(r, end + 2 * WHEEL_TICK_NS);
        cr_assert(r->final, "within two ticks");
        cr_assert(strstr(r->log, "{\"reason\":\"expired\"}") != NULL, "%s", r->log);
        cr_assert(r->parser.retry_ms >= 1500 && r->parser.retry_ms <= 2500);
        cr_assert_eq(r->reader.reason, CLOSE_EXPIRED);
        rig_close(r);
    }
    cr_assert_eq(rig_metric(METRIC_CLOSED_EXPIRED), 5);
}

Test(core_expiry, without_heartbeat_and_write_timeout_it_ends_all_the_same)
{
    rig.route.heartbeat_ms = 0;
    rig.hub.write_timeout_ns = 0;
    int64_t end = rig.now_ns + 100 * SECOND;
    struct rig_reader *r = open_until(end, NULL);
    struct rig_reader *forever = open_until(0, NULL);
    rig_flush(r);
    rig_flush(forever);
    advance_to(r, end + 2 * WHEEL_TICK_NS);
    cr_assert(r->final);
    cr_assert_not(forever->final);
    rig_close(forever);
    rig_close(r);
}

Test(core_expiry, one_in_flight_ends_when_it_can_send)
{
    int64_t end = rig.now_ns + SECOND;
    struct rig_reader *r = open_until(end, NULL);
    rig_turn();
    cr_assert(r->flying);
    rig_publish("a", "a", "x");
    for (int i = 0; i != 30; ++i) {
        rig.now_ns += SECOND / 10;
        r->progress_ns = rig.now_ns;
        rig_turn();
    }
    cr_assert_not(r->final);
    cr_assert_eq(r->sends, 1);
    rig_flush(r);
    cr_assert(r->final);
    cr_assert_str_eq(r->log, "freshet.bye|abc-1|{\"reason\":\"expired\"}\n");
    rig_close(r);
}

/* Events that it was never sent are there for a client that reconnects with its cursor. */
Test(core_expiry, nothing_is_missed_by_who_comes_back)
{
    int64_t end = rig.now_ns + SECOND;
    struct rig_reader *r = open_until(end, NULL);
    rig_flush(r);
    rig_publish("a", "a", "before");
    rig_flush(r);
    rig_publish("a", "a", "unsent");
    rig.now_ns = end + WHEEL_TICK_NS;
    rig_flush(r);
    cr_assert(r->final);
    rig_publish("a", "a", "between");
    struct rig_reader *again = open_until(rig.now_ns + SECOND, sse_parser_last_event_id(&r->parser));
    rig_flush(again);
    rig_publish("a", "a", "after");
    rig_flush(again);
    static char both[2 * sizeof(r->log)];
    snprintf(both, sizeof(both), "%s%s", r->log, again->log);
    char *bye = strstr(both, "freshet.bye");
    cr_assert(bye != NULL);
    const char *rest = strchr(bye, '\n') + 1;
    memmove(bye, rest, strlen(rest) + 1);
    cr_assert_str_eq(both, "|abc-2|before\n|abc-3|unsent\n|abc-4|between\n|abc-5|after\n");
    rig_close(again);
    rig_close(r);
}

Test(core_expiry, one_whose_time_is_over_already_is_told_so)
{
    struct rig_reader *r = open_until(rig.now_ns - SECOND / 2, NULL);
    rig_flush(r);
    rig.now_ns += 2 * WHEEL_TICK_NS;
    rig_flush(r);
    cr_assert(r->final);
    cr_assert_not(r->refused);
    rig_close(r);
}

Test(core_expiry, revoked_while_it_opens_is_a_refusal)
{
    rig.hold_open = true;
    struct rig_reader *r = open_until(rig.now_ns + SECOND, NULL);
    rig_turn();
    reader_end(&r->reader, CLOSE_REVOKED);
    cr_assert(r->refused && r->refusal == READER_REVOKED);
    rig_close(r);
}

/* ---- work for a later turn ---- */

struct job {
    struct turn_later later;
    unsigned number;
};

static unsigned done[256];
static size_t done_count;

static void run_job(struct turn_later *later)
{
    CHECK_THREAD(&rig.hub);
    done[done_count++] = LIST_ENTRY(later, struct job, later)->number;
}

Test(core_expiry, deferred_work_waits_for_the_sockets_to_be_read_once_more)
{
    struct job jobs[3];
    for (unsigned i = 0; i != 3; ++i) {
        jobs[i] = (struct job){.later.run = run_job, .number = i};
        turn_defer(&rig.hub, &jobs[i].later);
    }
    cr_assert(turn_run(&rig.hub, rig.now_ns), "the loop doesn't sleep meanwhile");
    cr_assert_eq(done_count, 0);
    list_remove(&jobs[1].later.link);
    cr_assert_not(turn_run(&rig.hub, rig.now_ns));
    cr_assert_eq(done_count, 2);
    cr_assert(done[0] == 0 && done[1] == 2);
    turn_defer(&rig.hub, &jobs[1].later);
    list_remove(&jobs[1].later.link);
    rig_turn();
    cr_assert_eq(done_count, 2, "taken back before its first turn");
}

Test(core_expiry, deferred_work_of_one_turn_is_bounded)
{
    static struct job jobs[256];
    for (unsigned i = 0; i != 256; ++i) {
        jobs[i] = (struct job){.later.run = run_job, .number = i};
        turn_defer(&rig.hub, &jobs[i].later);
    }
    turn_run(&rig.hub, rig.now_ns);
    cr_assert(turn_run(&rig.hub, rig.now_ns));
    cr_assert(done_count != 0 && done_count < 256, "%zu", done_count);
    rig_turn();
    cr_assert_eq(done_count, 256);
    for (unsigned i = 0; i != 256; ++i)
        cr_assert_eq(done[i], i);
}

Test(core_expiry, a_shutdown_leaves_no_deferred_work)
{
    static struct job jobs[100];
    for (unsigned i = 0; i != 100; ++i) {
        jobs[i] = (struct job){.later.run = run_job, .number = i};
        turn_defer(&rig.hub, &jobs[i].later);
    }
    turn_shutdown(&rig.hub);
    cr_assert_eq(done_count, 100);
}
