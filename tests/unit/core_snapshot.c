/* core_snapshot.c - a snapshot sees channels and slow readers, a bounded number in a turn, and ends whatever happens */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <jansson.h>

#include "gateway/base/buffer.h"
#include "gateway/core/snapshot.h"
#include "gateway/core/topk.h"
#include "gateway/core/turn.h"

TestSuite(core_survey, .init = rig_start, .fini = rig_stop);

static char *answer;
static unsigned answers;

static void on_done(void *arg, const char *json, size_t len)
{
    json_error_t error;
    json_t *parsed = json_loadb(json, len, 0, &error);
    cr_assert_eq(arg, &answer);
    cr_assert_neq(parsed, NULL, "%s: %.*s", error.text, (int)len, json);
    json_decref(parsed);
    free(answer);
    answer = strndup(json, len);
    ++answers;
}

static struct snapshot *start(unsigned limit, const char *filter)
{
    struct snapshot_options options = {
        .limit = limit, .filter = filter, .filter_len = filter != NULL ? strlen(filter) : 0};
    static char path[] = "/r";
    rig.route.path = path;
    return snapshot_start(&rig.hub, &options, on_done, &answer);
}

static const char *ask(unsigned limit, const char *filter)
{
    unsigned before = answers;
    cr_assert_neq(start(limit, filter), NULL);
    rig_turn();
    cr_assert_eq(answers, before + 1);
    return answer;
}

static bool has(const char *text, const char *piece)
{
    return strstr(text, piece) != NULL;
}

Test(core_survey, channels_by_streams_and_then_by_events)
{
    struct rig_reader *readers[] = {
        rig_open_one(READER_FROM_NOW, NULL, "a.quiet"),
        rig_open_one(READER_FROM_NOW, NULL, "a.busy"),
        rig_open_one(READER_FROM_NOW, NULL, "b.*"),
        rig_open_one(READER_FROM_NOW, NULL, "b.*"),
    };
    rig_publish_n("a.busy", "a.busy", 0, 3);
    for (unsigned i = 0; i != 4; ++i)
        rig_flush(readers[i]);
    const char *text = ask(10, NULL), *b = strstr(text, "b.*"), *busy = strstr(text, "a.busy");
    cr_expect(b < busy && busy < strstr(text, "a.quiet"), "%s", text);
    cr_expect(has(text, "\"streams\":1,\"head\":\"abc-6\",\"events\":3"), "%s", text);
    cr_expect(has(text, "\"channels_total\":3") && has(text, "\"complete\":true"), "%s", text);
    cr_expect(has(ask(1, NULL), "b.*") && !has(answer, "a.busy"), "%s", answer);
    cr_expect(!has(ask(9, "a.*"), "b.*") && has(answer, "a.quiet") && has(answer, "a.busy"), "%s", answer);
    cr_expect(has(ask(9, "bus"), "a.busy") && !has(answer, "a.quiet"), "%s", answer);
    for (unsigned i = 0; i != 4; ++i)
        rig_close(readers[i]);
}

/* A mark of a loss is no event. */
Test(core_survey, marks_do_not_count)
{
    struct rig_reader *reader = rig_open_now("a");
    ingress_lost(&rig.source, rig.channels, 1);
    cr_expect(has(ask(9, NULL), "\"head\":null,\"events\":0,\"bytes\":0"), "%s", answer);
    rig_publish("a", "a", "x");
    ingress_lost(&rig.source, rig.channels, 1);
    cr_expect(has(ask(9, NULL), "\"head\":\"abc-3\",\"events\":1,"), "%s", answer);
    rig_flush(reader);
    rig_close(reader);
}

Test(core_survey, the_slow_are_those_that_something_waits_for)
{
    struct rig_reader *quick = rig_open_one(READER_FROM_NOW, NULL, "s"),
                      *behind = rig_open_one(READER_FROM_NOW, NULL, "s"),
                      *stuck = rig_open_one(READER_FROM_NOW, NULL, "s"), *idle = rig_open_now("other");
    rig_publish_n("s", "s", 0, 2);
    rig_flush(quick);
    rig_flush(stuck);
    rig_publish_n("s", "s", 2, 5);
    rig_turn(); /* all five are on their way to `stuck`; to `behind`, still its first piece */
    rig_flush(quick);
    rig.now_ns += 2000000000;
    ask(9, NULL);
    const char *first = strstr(answer, "\"behind_events\":7,\"stuck_seconds\":2.000,\"age_seconds\":2.000}"),
               *second = strstr(answer, "\"behind_events\":0,\"stuck_seconds\":2.000");
    cr_expect(first != NULL && second > first, "%s", answer);
    cr_expect(has(answer, "{\"route\":\"/r\",\"peer\":\"\",\"subjects\":[\"s\"],"), "%s", answer);
    cr_expect_eq(strstr(second + 2, "behind_events"), NULL, "%s", answer);
    cr_expect(has(ask(9, "other"), "\"slow\":[]"), "%s", answer);
    rig_close(quick);
    rig_close(behind);
    rig_close(stuck);
    rig_close(idle);
}

Test(core_survey, one_that_is_cancelled_or_too_much_says_nothing)
{
    struct snapshot *snapshots[SNAPSHOTS_MAX];
    for (unsigned i = 0; i != SNAPSHOTS_MAX; ++i)
        cr_assert_neq(snapshots[i] = start(1, NULL), NULL);
    cr_assert_eq(start(1, NULL), NULL);
    for (unsigned i = 0; i != SNAPSHOTS_MAX; ++i)
        snapshot_cancel(snapshots[i]);
    cr_assert_eq(start(1, NULL), NULL, "their parts are still on their way");
    rig_turn();
    cr_assert_eq(answers, 0);
    ask(1, NULL);
}

/* A hub whose thread is held: it takes no turns. */
Test(core_survey, a_hub_that_does_not_answer_makes_it_incomplete)
{
    struct hub other;
    struct metrics metrics = {.next = NULL};
    hub_init(&other, &rig.registry, &metrics, rig_wake, NULL);
    registry_add_mailbox(&rig.registry, &other.mailbox);
    cr_assert_neq(start(1, NULL), NULL);
    rig_turn();
    rig.now_ns += 1900000000;
    rig_turn();
    cr_assert_eq(answers, 0);
    rig.now_ns += 200000000;
    rig_turn();
    cr_assert_eq(answers, 1);
    cr_expect(has(answer, "\"complete\":false"), "%s", answer);
    hub_start(&other, rig.now_ns);
    while (turn_run(&other, rig.now_ns)) /* the late part frees what is left */
        ;
    turn_end(&other);
    hub_dispose(&other);
}

static void on_end(void *arg, const char *json, size_t len)
{
    (void)json;
    (void)len;
    ++*(unsigned *)arg;
}

Test(core_survey, a_hub_that_ends_ends_its_snapshots)
{
    struct registry registry;
    struct hub hub;
    struct metrics metrics = {.next = NULL};
    unsigned ended = 0;
    registry_init(&registry);
    hub_init(&hub, &registry, &metrics, rig_wake, NULL);
    registry_add_mailbox(&registry, &hub.mailbox);
    hub_start(&hub, 1);
    cr_assert_neq(snapshot_start(&hub, &(struct snapshot_options){.limit = 1}, on_end, &ended), NULL);
    turn_end(&hub);
    hub_dispose(&hub);
    cr_assert_eq(ended, 1);
    registry_dispose(&registry);
}

/* No turn looks at more than a few thousand. */
Test(core_survey, many_are_seen_in_slices, .timeout = 60)
{
    enum { COUNT = 20000 };
    struct rig_reader **readers = calloc(COUNT, sizeof(struct rig_reader *));
    unsigned turns = 1;
    for (unsigned i = 0; i != COUNT; ++i)
        readers[i] = rig_open_one(READER_FROM_NOW, NULL, i % 2 != 0 ? "odd" : "even");
    start(1, NULL);
    while (answers == 0 && turn_run(&rig.hub, rig.now_ns))
        ++turns;
    cr_expect_geq(turns, COUNT / 2048);
    cr_expect_eq(answers, 1);
    for (unsigned i = 0; i != COUNT; ++i)
        rig_close(readers[i]);
    free(readers);
}

Test(core_survey, top_keeps_the_greatest)
{
    struct topk top, other;
    uint64_t random = 7;
    topk_init(&top, 10);
    topk_init(&other, 10);
    for (unsigned i = 0; i != 2000; ++i) {
        struct topk *one = i % 2 != 0 ? &top : &other;
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t key = i == 1999 ? 1000 : random >> 33 & 511;
        if (topk_wants(one, key))
            topk_add(one, key, strdup("x"));
    }
    topk_merge(&top, &other);
    cr_assert_eq(top.count, 10);
    cr_assert_eq(other.count, 0);
    struct buffer text = {.bytes = NULL};
    topk_write(&top, &text);
    cr_assert_eq(text.len, 19);
    cr_assert_eq(top.rows[0].key, 1000);
    for (unsigned i = 1; i != 10; ++i)
        cr_assert(top.rows[i].key <= top.rows[i - 1].key && top.rows[i].key >= 500);
    buffer_dispose(&text);
    topk_dispose(&top);
    topk_dispose(&other);
}
