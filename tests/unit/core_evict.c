/* core_evict.c - revoked streams end, the right ones, a bounded number in a turn */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "gateway/core/evict.h"
#include "gateway/core/identity.h"
#include "gateway/core/turn.h"

TestSuite(core_evict, .init = rig_start, .fini = rig_stop);

static struct config_route other_route;

static struct rig_reader *open_for(const struct identity *identity, const struct config_route *route,
                                   const char *const *subjects)
{
    struct reader_options options = {
        .route = route,
        .source = &rig.source,
        .subjects = subjects,
        .start = READER_FROM_NOW,
        .follow = true,
        .identity = identity,
    };
    while (subjects[options.subject_count] != NULL)
        ++options.subject_count;
    return rig_open_with(&options);
}

static unsigned over;

static void on_over(struct eviction_walk *walk)
{
    (void)walk;
    ++over;
}

static uint64_t evict(const struct eviction *eviction)
{
    struct eviction_walk walk = {.eviction = eviction, .over = on_over};
    over = 0;
    evict_start(&rig.hub, &walk);
    rig_turn();
    cr_assert_eq(over, 1);
    return walk.ended;
}

Test(core_evict, all_that_is_named_has_to_match)
{
    static const struct identity alice = {.sub = "alice", .jti = "1"}, bob = {.sub = "bob", .jti = "2"}, nobody = {0};
    static const char *const one[] = {"orders.1", NULL}, *const wide[] = {"news", "orders.*", NULL};
    static const struct {
        struct eviction eviction;
        unsigned ended; /* bits: alice on /a one, bob on /a wide, bob on /b one, identity without names, none */
    } cases[] = {
        {{.sub = "alice"}, 1},
        {{.sub = "bob"}, 2 + 4},
        {{.sub = "bob", .route = "/b"}, 4},
        {{.sub = "bob", .jti = "1"}, 0},
        {{.sub = "bob", .jti = "2"}, 2 + 4},
        {{.jti = "1"}, 1},
        {{.jti = ""}, 0},
        {{.sub = "alic"}, 0},
        {{.route = "/a"}, 1 + 2 + 8 + 16},
        {{.route = "/"}, 0},
        {{.subject = "orders.1"}, 31},
        {{.subject = "orders.2"}, 2},
        {{.subject = "news"}, 2},
        {{.subject = "*.1"}, 31},
        {{.subject = "orders.>", .sub = "alice"}, 1},
        {{.subject = "orders.1.>"}, 0},
        {{.subject = "news", .route = "/b"}, 0},
    };
    rig.route.path = (char[]){"/a"};
    other_route = rig.route;
    other_route.path = (char[]){"/b"};
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        struct rig_reader *readers[] = {
            open_for(&alice, &rig.route, one),  open_for(&bob, &rig.route, wide), open_for(&bob, &other_route, one),
            open_for(&nobody, &rig.route, one), open_for(NULL, &rig.route, one),
        };
        unsigned ended = 0;
        for (unsigned j = 0; j != 5; ++j)
            rig_flush(readers[j]);
        uint64_t count = evict(&cases[i].eviction);
        for (unsigned j = 0; j != 5; ++j) {
            rig_flush(readers[j]);
            ended |= (unsigned)readers[j]->final << j;
            if (readers[j]->final) {
                cr_assert(strstr(readers[j]->log, "freshet.bye") != NULL);
                cr_assert(strstr(readers[j]->log, "{\"reason\":\"revoked\"}") != NULL);
                cr_assert_eq(readers[j]->reader.reason, CLOSE_REVOKED);
            }
            rig_close(readers[j]);
        }
        cr_assert_eq(ended, cases[i].ended, "case %zu: %x", i, ended);
        cr_assert_eq(count, (unsigned)__builtin_popcount(ended));
    }
}

/* Readers that are gone or ending are not counted again; one that is opening gets a refusal. */
Test(core_evict, in_every_state)
{
    static const struct identity alice = {.sub = "alice"};
    static const char *const a[] = {"a", NULL}, *const b[] = {"b", NULL};
    static const struct eviction eviction = {.sub = "alice"};
    struct rig_reader *idle = open_for(&alice, &rig.route, a), *flying = open_for(&alice, &rig.route, a);
    struct rig_reader *gone = open_for(&alice, &rig.route, a);
    rig_flush(idle);
    rig_flush(gone);
    reader_end(&gone->reader, CLOSE_SLOW);
    rig.hold_open = true;
    struct rig_reader *opening = open_for(&alice, &rig.route, b);
    cr_assert(flying->flying);
    rig_publish("a", "a", "unsent");
    cr_assert_eq(evict(&eviction), 3);
    cr_assert(idle->final && gone->final);
    cr_assert(opening->refused && opening->refusal == READER_REVOKED);
    cr_assert_not(flying->final);
    cr_assert_eq(evict(&eviction), 0);
    rig_flush(flying);
    cr_assert(flying->final);
    cr_assert_str_eq(flying->log, "freshet.bye|abc-1|{\"reason\":\"revoked\"}\n", "and nothing of what came after");
    cr_assert(strstr(gone->log, "slow") != NULL);
    rig_close(idle);
    rig_close(flying);
    rig_close(gone);
    rig_close(opening);
}

/* A browser that is given a retry reconnects; a revoked client has no token to reconnect with. */
Test(core_evict, nobody_is_asked_back)
{
    static const struct identity alice = {.sub = "alice"};
    struct rig_reader *r = open_for(&alice, &rig.route, (const char *const[]){"a", NULL});
    rig_flush(r);
    r->parser.retry_ms = -1;
    evict(&(struct eviction){.sub = "alice"});
    cr_assert(r->final);
    cr_assert_eq(r->parser.retry_ms, -1);
    rig_close(r);
}

enum { MANY = 5000 };
static struct rig_reader *many[MANY];

Test(core_evict, a_walk_takes_turns_and_new_readers_are_not_its)
{
    static const struct identity alice = {.sub = "alice"}, bob = {.sub = "bob"};
    static const char *const a[] = {"a", NULL};
    const struct eviction eviction = {.sub = "alice"}, second = {.sub = "bob"};
    struct eviction_walk walk = {.eviction = &eviction, .over = on_over},
                         walk2 = {.eviction = &second, .over = on_over};
    over = 0;
    for (unsigned i = 0; i != MANY; ++i) {
        many[i] = open_for(i % 5 == 0 ? &bob : &alice, &rig.route, a);
        many[i]->flying = false;
        reader_sent(&many[i]->reader);
    }
    evict_start(&rig.hub, &walk);
    cr_assert(turn_run(&rig.hub, rig.now_ns), "not all in one turn");
    cr_assert(walk.ended != 0 && walk.ended < MANY / 2, "%lu", (unsigned long)walk.ended);
    cr_assert_eq(over, 0);
    evict_start(&rig.hub, &walk2);
    /* the first to be looked at, the last, and one that comes meanwhile */
    rig_close(many[0]);
    rig_close(many[MANY - 1]);
    struct rig_reader *late = open_for(&alice, &rig.route, a);
    rig_flush(late);
    cr_assert_eq(over, 2);
    cr_assert_eq(walk.ended, MANY / 5 * 4 - 1);
    cr_assert_eq(walk2.ended, MANY / 5 - 1);
    cr_assert_not(late->final);
    for (unsigned i = 1; i != MANY - 1; ++i) {
        cr_assert(many[i]->final);
        rig_close(many[i]);
    }
    rig_close(late);
}

/* More at once than share a walk. */
Test(core_evict, many_evictions)
{
    enum { COUNT = 100 };
    static char names[COUNT][8];
    static struct identity identities[COUNT];
    static struct eviction evictions[COUNT];
    static struct eviction_walk walks[COUNT];
    for (unsigned i = 0; i != COUNT; ++i) {
        snprintf(names[i], sizeof(names[i]), "%u", i);
        identities[i] = (struct identity){.sub = names[i]};
        many[i] = open_for(&identities[i], &rig.route, (const char *const[]){"a", NULL});
        rig_flush(many[i]);
    }
    over = 0;
    for (unsigned i = 0; i != COUNT; i += 2) {
        evictions[i].sub = names[i];
        walks[i] = (struct eviction_walk){.eviction = &evictions[i], .over = on_over};
        evict_start(&rig.hub, &walks[i]);
    }
    rig_turn();
    cr_assert_eq(over, COUNT / 2);
    for (unsigned i = 0; i != COUNT; ++i) {
        cr_assert_eq(many[i]->final, i % 2 == 0);
        rig_close(many[i]);
    }
}

Test(core_evict, a_shutdown_in_the_middle_ends_all)
{
    static const struct identity alice = {.sub = "alice"};
    const struct eviction eviction = {.sub = "alice"};
    struct eviction_walk walk = {.eviction = &eviction, .over = on_over};
    over = 0;
    for (unsigned i = 0; i != MANY; ++i) {
        many[i] = open_for(i < MANY / 2 ? NULL : &alice, &rig.route, (const char *const[]){"a", NULL});
        many[i]->flying = false;
        reader_sent(&many[i]->reader);
    }
    evict_start(&rig.hub, &walk);
    turn_run(&rig.hub, rig.now_ns);
    cr_assert_eq(over, 0);
    turn_shutdown(&rig.hub);
    for (unsigned i = 0; i != MANY; ++i)
        cr_assert(many[i]->final);
    rig_turn();
    cr_assert_eq(over, 1);
    for (unsigned i = 0; i != MANY; ++i)
        rig_close(many[i]);
}

/* ---- what is for gateways only ---- */

Test(core_evict, control_messages_reach_no_reader)
{
    struct rig_reader *r = rig_open_now(">");
    rig_publish(">", "freshet.control.revoke", "secret");
    rig_publish(">", "freshet.control.", "secret");
    rig_publish(">", "freshet.controls", "seen");
    rig_flush(r);
    cr_assert_eq(rig_events(r), 1, "%s", r->log);
    cr_assert(strstr(r->log, "seen") != NULL);
    rig_close(r);
}
