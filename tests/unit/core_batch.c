/* core_batch.c - what one send holds: stretches of memory and texts of the reader's own, within their bounds */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/batch.h"

#include "tests/unit/core_rig.h"

#include "gateway/core/segment.h"
#include "proto/text.h"

TestSuite(core_batch, .init = rig_start, .fini = rig_stop);

static const struct batch *flying_batch(const struct rig_reader *r)
{
    cr_assert(r->flying);
    return r->reader.batch;
}

static void sent(struct rig_reader *r)
{
    r->flying = false;
    reader_sent(&r->reader);
}

/* ---- pieces ---- */

Test(core_batch, events_that_lie_back_to_back_are_one_piece)
{
    struct rig_reader *r = rig_open_now("a");
    rig_publish_n("a", "a", 0, 5);
    rig_turn();
    cr_assert_eq(flying_batch(r)->count, 1);
    cr_assert_eq(flying_batch(r)->events, 5);
    rig_close(r);
}

Test(core_batch, also_when_they_are_taken_one_by_one)
{
    rig.route.slow = POLICY_SLOW_LATEST;
    rig.route.history.events = 8;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "p.*");
    rig_turn();
    rig_publish_n("p.*", "p.x", 0, 6);
    rig_publish_n("p.*", "p.a", 0, 1);
    rig_publish_n("p.*", "p.b", 0, 1);
    rig_publish_n("p.*", "p.c", 0, 1);
    rig_turn();
    sent(r); /* behind: p.x is left out but for its last, which lies before the three others */
    cr_assert_eq(flying_batch(r)->events, 4);
    cr_assert_leq(flying_batch(r)->count, 3, "the gap and at most a stretch more than one");
    rig_close(r);
}

Test(core_batch, neighbours_in_the_log_that_are_none_in_the_batch_stay_apart)
{
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, (const char *const[]){"a", "b", NULL});
    rig_flush(r);
    rig_publish("a", "a", "1");
    rig_publish("b", "b", "2");
    rig_publish("a", "a", "3"); /* right behind the first in its segment, but the second comes between them */
    rig_turn();
    cr_assert_eq(flying_batch(r)->count, 3);
    cr_assert_str_eq(r->log, "|abc-3|1\n|abc-4|2\n|abc-5|3\n");
    cr_assert_eq(flying_batch(r)->pieces[0].run->refs, 3, "the view's and one for each piece");
    rig_close(r);
}

Test(core_batch, a_piece_for_each_segment)
{
    struct rig_reader *r = rig_open_now("a");
    rig_publish_n("a", "a", 0, 200); /* more than the first, small segments hold */
    rig_turn();
    cr_assert_gt(flying_batch(r)->count, 1);
    for (unsigned i = 1; i != flying_batch(r)->count; ++i)
        cr_assert_neq(flying_batch(r)->pieces[i].run->segment, flying_batch(r)->pieces[i - 1].run->segment);
    cr_assert_eq(flying_batch(r)->events, 200);
    rig_flush(r);
    cr_assert_eq(rig_events(r), 200);
    cr_assert_eq(r->sends, 2);
    rig_close(r);
}

static void publish_large(const char *subject, size_t len)
{
    char *text = check_malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    rig_publish(subject, subject, text);
    free(text);
}

Test(core_batch, a_send_is_bounded_in_bytes_but_for_one_stretch)
{
    rig.route.history.bytes = 64 << 20;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn();
    for (unsigned i = 0; i != 900; ++i)
        publish_large("a", 1000);
    publish_large("a", 500000);
    publish_large("a", 10);
    rig_turn();
    while (r->flying) {
        cr_assert_lt(flying_batch(r)->bytes, r->parser.events > 900 ? 1000000 : BATCH_BYTES + SEGMENT_BYTES_MAX);
        r->log[0] = '\0';
        sent(r);
    }
    cr_assert_eq(r->parser.events, 902);
    cr_assert_geq(r->sends, 900 * 1000 / (BATCH_BYTES + SEGMENT_BYTES_MAX));
    rig_close(r);
}

enum { SUBJECTS = READER_SUBJECTS_MAX };
static char subjects[SUBJECTS][8];
static const char *subject_list[SUBJECTS + 1];

static void name_subjects(void)
{
    for (unsigned i = 0; i != SUBJECTS; ++i) {
        snprintf(subjects[i], sizeof(subjects[i]), "s.%u", i);
        subject_list[i] = subjects[i];
    }
}

Test(core_batch, interleaved_subjects_never_exceed_it)
{
    name_subjects();
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, subject_list);
    rig_turn();
    for (unsigned i = 0; i != 1000; ++i)
        rig_publish_n(subjects[i * 7 % SUBJECTS], subjects[i * 7 % SUBJECTS], i, 1);
    rig_turn();
    while (r->flying) {
        cr_assert_leq(flying_batch(r)->count, BATCH_PIECES);
        sent(r); /* each send is looked at by the rig, too */
        rig_turn();
    }
    cr_assert_eq(rig_events(r), 1000);
    cr_assert_geq(r->sends, 1000 / BATCH_PIECES);
    const char *line = r->log;
    for (unsigned i = 0; i != 1000; ++i) {
        char expected[32];
        int len = snprintf(expected, sizeof(expected), "|abc-%u|%u\n", SUBJECTS + 1 + i, i);
        cr_assert_eq(strncmp(line, expected, (size_t)len), 0, "%.20s", line);
        line += len;
    }
    rig_close(r);
}

Test(core_batch, interleaved_subjects_and_outages_never_exceed_it)
{
    name_subjects();
    struct rig_reader *r = rig_open(READER_FROM_NOW, NULL, true, subject_list);
    rig_turn();
    for (unsigned i = 0; i != 300; ++i) {
        rig_publish_n(subjects[i % SUBJECTS], subjects[i % SUBJECTS], i, i % 3);
        ingress_lost(&rig.source, rig.channels, i % 5 == 0 ? SUBJECTS : 1 + i % SUBJECTS);
    }
    rig_flush(r);
    cr_assert_eq(r->reader.gaps, 300);
    cr_assert_eq(rig_events(r), 600);
    rig_close(r);
}

Test(core_batch, batches_are_used_again)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    for (unsigned i = 0; i != 1000; ++i) {
        r->log[0] = '\0';
        rig_publish_n("a", "a", i, 1 + i % 3);
        rig_flush(r);
    }
    cr_assert_null(r->reader.batch, "an idle reader holds none");
    cr_assert_not_null(rig.hub.batches.free);
    cr_assert_null(rig.hub.batches.free->next_free, "one has done for all");
    rig_close(r);
}

/* ---- room ---- */

Test(core_batch, has_room_for_a_text_and_a_stretch_or_takes_neither)
{
    static const struct {
        uint32_t count;
        uint64_t bytes;
        uint32_t scratch_used;
        bool room;
    } cases[] = {
        {0, 0, 0, true},
        {BATCH_PIECES - 2, 0, 0, true},
        {BATCH_PIECES - 1, 0, 0, false},
        {BATCH_PIECES, 0, 0, false},
        {2, BATCH_BYTES - 1, 0, true},
        {2, BATCH_BYTES, 0, false},
        {2, 0, BATCH_SCRATCH - 480, true},
        {2, 0, BATCH_SCRATCH - 479, false},
        {2, 0, BATCH_SCRATCH, false},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        struct batch batch;
        batch.count = cases[i].count;
        batch.bytes = cases[i].bytes;
        batch.scratch_used = cases[i].scratch_used;
        cr_expect_eq(batch_has_room(&batch), cases[i].room, "case %zu", i);
    }
}

/* ---- texts ---- */

/* The bytes of all pieces of a batch. NUL terminated. */
static const char *wire_of(const struct batch *batch)
{
    static char wire[4096];
    size_t used = 0;
    for (unsigned i = 0; i != batch->count; ++i) {
        cr_assert_lt(used + batch->pieces[i].len, sizeof(wire));
        memcpy(wire + used, batch->pieces[i].base, batch->pieces[i].len);
        used += batch->pieces[i].len;
    }
    wire[used] = '\0';
    cr_assert_eq(batch->bytes, used);
    return wire;
}

Test(core_batch, preamble)
{
    int retry, end = 0;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    cr_assert_eq(sscanf(wire_of(flying_batch(r)), "id: abc-1\nretry: %d\n\n%n", &retry, &end), 1);
    cr_assert_eq((size_t)end, flying_batch(r)->bytes);
    cr_assert(retry >= 1500 && retry <= 2500);
    rig_close(r);
    rig.route.history.store = POLICY_STORE_NONE;
    r = rig_open_one(READER_FROM_NOW, NULL, "a");
    cr_assert_eq(sscanf(wire_of(flying_batch(r)), "retry: %d\n\n%n", &retry, &end), 1);
    cr_assert_eq((size_t)end, flying_batch(r)->bytes);
    rig_close(r);
}

Test(core_batch, heartbeat)
{
    struct rig_reader *r = rig_open_now("a");
    rig.now_ns += 20000000000;
    rig_turn();
    cr_assert_str_eq(wire_of(flying_batch(r)), ": \n\n");
    cr_assert_eq(r->parser.comments, 1);
    cr_assert_eq(r->reader.events, 0);
    rig_close(r);
}

/* A client that is sent away for good is not told when to reconnect. */
Test(core_batch, bye_of_a_revoked_stream)
{
    struct rig_reader *r = rig_open_now("a");
    reader_end(&r->reader, CLOSE_REVOKED);
    cr_assert(r->final);
    cr_assert_str_eq(wire_of(r->reader.batch), "event: freshet.bye\ndata: {\"reason\":\"revoked\"}\n\n");
    rig_close(r);
}

Test(core_batch, bye_names_each_reason)
{
    for (unsigned reason = 0; reason != CLOSE_REASON_COUNT; ++reason) {
        char expected[128];
        if (reason == CLOSE_REVOKED)
            continue;
        int retry;
        struct rig_reader *r = rig_open_now("a");
        reader_end(&r->reader, (enum close_reason)reason);
        cr_assert(r->final);
        cr_assert_eq(r->reader.reason, reason);
        const char *wire = wire_of(r->reader.batch);
        cr_assert_eq(sscanf(wire, "event: freshet.bye\nretry: %d\n", &retry), 1, "%s", wire);
        snprintf(expected, sizeof(expected), "event: freshet.bye\nretry: %d\ndata: {\"reason\":\"%s\"}\n\n", retry,
                 close_reason_label((enum close_reason)reason));
        cr_assert_str_eq(wire, expected);
        rig_close(r);
    }
}

Test(core_batch, a_reader_ends_once)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    reader_end(&r->reader, CLOSE_SHUTDOWN);
    reader_end(&r->reader, CLOSE_SLOW);
    rig_flush(r);
    cr_assert_eq(r->reader.reason, CLOSE_SHUTDOWN);
    reader_end(&r->reader, CLOSE_SLOW);
    cr_assert_eq(rig_events(r), 1);
    rig_close(r);
    cr_assert_eq(rig_metric(METRIC_CLOSED_SHUTDOWN), 1);
    cr_assert_eq(rig_metric(METRIC_CLOSED_SLOW), 0);
}

/* ---- cursors that a client made up ---- */

struct hostile {
    const char *what;
    const char *unit; /* repeated up to the length */
    size_t unit_len, len;
    const char *shown; /* as "last" */
};

#define UNIT(s) s, sizeof(s) - 1
#define TEN(s) s s s s s s s s s s
#define FORTY(s) TEN(s) TEN(s) TEN(s) TEN(s)

static const struct hostile hostile[] = {
    {"quotes", UNIT("\""), 1000, "\"" FORTY("\\\"") "\""},
    {"backslashes", UNIT("\\"), 1000, "\"" FORTY("\\\\") "\""},
    {"control bytes", UNIT("\x01"), 1000, "\"" FORTY("\\u0001") "\""},
    {"NUL", UNIT("\0"), 1000, "\"" FORTY("\\u0000") "\""},
    {"line ends", UNIT("\r\n"), 1000, "\"" TEN("\\r\\n") TEN("\\r\\n") "\""},
    {"two-byte characters", UNIT("\xc3\xa9"), 1000, "\"" TEN("\xc3\xa9") TEN("\xc3\xa9") "\""},
    {"three-byte characters, cut within one", UNIT("\xe2\x82\xac"), 1000, "null"},
    {"invalid UTF-8", UNIT("\xff"), 1000, "null"},
    {"invalid UTF-8 at the end of the part shown", UNIT("0123456789012345678901234567890123456789\xff"), 41,
     "\"0123456789012345678901234567890123456789\""},
    {"half a character", UNIT("\xc3"), 1, "null"},
    {"empty", UNIT(""), 0, "null"},
    {"one quote", UNIT("\""), 1, "\"\\\"\""},
    {"a field", UNIT("\n\nevent: x\ndata: y\n\n"), 1000,
     "\"\\n\\nevent: x\\ndata: y\\n\\n\\n\\nevent: x\\ndata: y\\n\\n\""},
};

static void check_hostile(const struct hostile *row, size_t marks)
{
    char *cursor = check_malloc(row->len); /* not a byte more, and no NUL */
    for (size_t i = 0; i != row->len; ++i)
        cursor[i] = row->unit[i % row->unit_len];
    struct reader_options options = rig_options(READER_FROM_CURSOR, true, subject_list, SUBJECTS);
    options.cursor_text = cursor;
    options.cursor_len = row->len;
    struct rig_reader *r = rig_open_with(&options);
    rig_flush(r);
    char expected[512];
    snprintf(expected, sizeof(expected), "|{\"reason\":\"unknown-id\",\"last\":%s,\"next\":\"abc-", row->shown);
    cr_expect_not_null(strstr(r->log, expected), "%s: %.400s", row->what, r->log);
    cr_expect_eq(rig_events(r), 1 + marks + SUBJECTS, "%s: %zu events", row->what, rig_events(r));
    for (const char *line = r->log; (line = strstr(line, "freshet.gap|")) != NULL;) {
        const char *data = strchr(line + sizeof("freshet.gap|") - 1, '|') + 1;
        cr_expect(text_is_json(data, strcspn(data, "\n")), "%s: %.*s", row->what, (int)strcspn(data, "\n"), data);
        line = data;
    }
    rig_close(r);
    free(cursor);
}

Test(core_batch, whatever_a_cursor_is_made_of)
{
    name_subjects();
    struct rig_reader *first = rig_open(READER_FROM_NOW, NULL, true, subject_list);
    rig_turn();
    for (unsigned i = 0; i != SUBJECTS; ++i)
        rig_publish(subjects[i], subjects[i], "x");
    for (size_t marks = 0; marks != 4; ++marks) {
        for (size_t i = 0; i != sizeof(hostile) / sizeof(hostile[0]); ++i)
            check_hostile(&hostile[i], marks);
        ingress_lost(&rig.source, rig.channels, SUBJECTS);
    }
    rig_close(first);
}

Test(core_batch, without_ids_a_cursor_is_shown_all_the_same)
{
    rig.route.history.store = POLICY_STORE_NONE;
    struct rig_reader *r = rig_open_one(READER_FROM_CURSOR, "\"from\nelsewhere\"", "a");
    rig_flush(r);
    cr_assert_str_eq(r->log,
                     "freshet.gap||{\"reason\":\"unknown-id\",\"last\":\"\\\"from\\nelsewhere\\\"\",\"next\":null}\n");
    rig_close(r);
}
