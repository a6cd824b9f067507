/* core_reauthorize.c - which streams continue under a new configuration */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "gateway/core/reauthorize.h"
#include "gateway/core/drain.h"

TestSuite(core_allowed, .init = rig_start, .fini = rig_stop);

#define SECOND_NS INT64_C(1000000000)

static void on_config_error(void *arg, const char *message)
{
    (void)arg;
    cr_assert_fail("%s", message);
}

/* route: the lines of one route, after its dash. */
static struct config *config_of(const char *route)
{
    char yaml[1024];
    int len = snprintf(yaml, sizeof(yaml), "listen: [{address: \"127.0.0.1:0\"}]\nroutes:\n  - %s\n", route);
    return config_parse("test", yaml, (size_t)len, on_config_error, NULL);
}

/* A reader of the first configuration's route, and whether the second still allows it. */
static bool is_allowed(const char *before, const char *after, const char *const *subjects)
{
    struct config *old = config_of(before), *new = config_of(after);
    struct reader_options options = {
        .route = &old->routes[0], .source = &rig.source, .subjects = subjects, .follow = true};
    while (subjects[options.subject_count] != NULL)
        ++options.subject_count;
    struct rig_reader *r = rig_open_with(&options);
    bool allowed = reauthorize_allows(new, &r->reader);
    rig_close(r);
    config_destroy(old);
    config_destroy(new);
    return allowed;
}

#define ONE(subject) ((const char *const[]){subject, NULL})

Test(core_allowed, by_template)
{
    static const char before[] = "{path: \"/o/{id}\", subjects: [\"o.{id}.new\"]}";
    static const struct {
        const char *after;
        bool allowed;
    } cases[] = {
        {"{path: \"/o/{id}\", subjects: [\"o.{id}.new\"]}", true},
        {"{path: \"/o/{id}\", subjects: [\"o.{id}.new\"], retry: 9s, heartbeat: 0, event: subject}", true},
        {"{path: \"/o/{id}\", subjects: [\"x\", \"o.{id}.>\"]}", true},
        {"{path: \"/o/{id}\", subjects: [\"o.{id}.*\"]}", true},
        {"{path: \"/o/{id}\", subjects: [\"o.*.new\"]}", true},
        {"{path: \"/o/{id}\", subjects: [\"o.{id}.old\"]}", false},
        {"{path: \"/o/{id}\", subjects: [\"o.{id}\"]}", false},
        {"{path: \"/o/{id}\", allow: [\"o.>\"]}", true},
        {"{path: \"/o/{id}\", allow: [\"o.2.>\"]}", false},
        {"{path: \"/o/{id}\", subjects: [\"o.{id}.new\"], publish: true}", false},
        {"{path: \"/o/{id}\", subjects: [\"o.{id}.new\"], auth: {request: ask.me}}", false},
        {"{path: \"/p/{id}\", subjects: [\"o.{id}.new\"]}", false},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        cr_expect_eq(is_allowed(before, cases[i].after, ONE("o.1.new")), cases[i].allowed, "%s", cases[i].after);
}

Test(core_allowed, by_choice)
{
    static const char before[] = "{path: /p, allow: [\"a.>\", \"b.>\"]}";
    static const char *const both[] = {"a.1", "b.*", NULL};
    cr_expect(is_allowed(before, "{path: /p, allow: [\"a.>\", \"b.>\"]}", both));
    cr_expect(is_allowed(before, "{path: /p, allow: [\"*.*\"]}", both));
    cr_expect_not(is_allowed(before, "{path: /p, allow: [\"a.>\"]}", both));
    cr_expect_not(is_allowed(before, "{path: /p, allow: [\"a.>\", \"b.1\"]}", both));
    cr_expect(is_allowed(before, "{path: /p, allow: [\"a.>\"]}", ONE("a.1")));
    cr_expect_not(is_allowed(before, "{path: /p, subjects: [\"a.1\"]}", ONE("a.1")), "it was the client's choice");
}

Test(core_allowed, by_the_demands_on_clients)
{
    static const char *const variants[] = {
        "{path: /p, subjects: [s], auth: {request: ask.a}}",
        "{path: /p, subjects: [s], auth: {request: ask.b}}",
        "{path: /p, subjects: [s], auth: {request: ask.a, timeout: 3s}}",
        "{path: /p, subjects: [s], auth: {request: ask.a, headers: [x-tenant]}}",
        "{path: /p, subjects: [s]}",
    };
    for (size_t i = 0; i != sizeof(variants) / sizeof(variants[0]); ++i) {
        for (size_t j = 0; j != sizeof(variants) / sizeof(variants[0]); ++j)
            cr_expect_eq(is_allowed(variants[i], variants[j], ONE("s")), i == j, "%zu, %zu", i, j);
    }
}

/* ---- the walk ---- */

static unsigned over;

static void on_over(struct eviction_walk *walk)
{
    (void)walk;
    ++over;
}

static struct rig_reader *open_from(const struct config *config, const void *origin)
{
    struct reader_options options = {.route = &config->routes[0],
                                     .source = &rig.source,
                                     .subjects = ONE("s"),
                                     .subject_count = 1,
                                     .follow = true,
                                     .origin = origin};
    struct rig_reader *r = rig_open_with(&options);
    rig_flush(r);
    return r;
}

#define MANY 100

Test(core_allowed, who_came_by_a_listener_that_is_gone_ends_in_time)
{
    static const int here, gone;
    const void *const origins[] = {&gone};
    struct config *config = config_of("{path: /p, subjects: [s]}");
    struct reauthorize_walk walk = {
        .walk = {.judge = reauthorize_judge, .over = on_over}, .config = config, .gone = origins, .gone_count = 1};
    struct rig_reader *stays = open_from(config, &here), *many[MANY];
    unsigned ended = 0;
    for (unsigned i = 0; i != MANY; ++i)
        many[i] = open_from(config, &gone);
    drain_begin_parting(&rig.hub, 10 * SECOND_NS);
    evict_start(&rig.hub, &walk.walk);
    rig_turn();
    cr_assert(over == 1 && walk.walk.ended == MANY);
    rig.now_ns += 5 * SECOND_NS;
    rig_turn();
    for (unsigned i = 0; i != MANY; ++i)
        ended += many[i]->final;
    cr_assert_eq(ended, MANY / 2);
    /* a revocation in between finds those that still wait */
    const struct eviction eviction = {.subject = "s"};
    struct eviction_walk revoke = {.eviction = &eviction, .over = on_over};
    evict_start(&rig.hub, &revoke);
    rig_turn();
    cr_assert_eq(revoke.ended, MANY / 2 + 1);
    cr_assert_str_eq(stays->log, "freshet.bye|abc-1|{\"reason\":\"revoked\"}\n");
    cr_assert_str_eq(many[0]->log, "freshet.bye|abc-1|{\"reason\":\"drain\"}\n");
    cr_assert_str_eq(many[MANY - 1]->log, "freshet.bye|abc-1|{\"reason\":\"revoked\"}\n");
    for (unsigned i = 0; i != MANY; ++i)
        rig_close(many[i]);
    rig_close(stays);
    config_destroy(config);
}

Test(core_allowed, a_drain_takes_those_that_part_along)
{
    static const int gone;
    const void *const origins[] = {&gone};
    struct config *config = config_of("{path: /p, subjects: [s]}");
    struct reauthorize_walk walk = {
        .walk = {.judge = reauthorize_judge, .over = on_over}, .config = config, .gone = origins, .gone_count = 1};
    struct rig_reader *parts = open_from(config, &gone), *stays = open_from(config, NULL);
    drain_begin_parting(&rig.hub, 100 * SECOND_NS);
    evict_start(&rig.hub, &walk.walk);
    rig_turn();
    cr_assert(!parts->final && !stays->final);
    drain_begin(&rig.hub, SECOND_NS);
    rig.now_ns += SECOND_NS;
    rig_turn();
    cr_assert(parts->final && stays->final);
    rig_close(parts);
    rig_close(stays);
    config_destroy(config);
}

Test(core_allowed, who_may_not_go_on_is_asked_back)
{
    struct config *before = config_of("{path: /p, subjects: [s]}"), *after = config_of("{path: /q, subjects: [s]}");
    struct reauthorize_walk walk = {.walk = {.judge = reauthorize_judge, .over = on_over}, .config = after};
    struct rig_reader *r = open_from(before, NULL);
    r->parser.retry_ms = -1;
    evict_start(&rig.hub, &walk.walk);
    rig_turn();
    cr_assert(r->final && r->reader.reason == CLOSE_REVOKED);
    cr_assert_str_eq(r->log, "freshet.bye|abc-1|{\"reason\":\"revoked\"}\n");
    cr_assert_gt(r->parser.retry_ms, 0);
    rig_close(r);
    config_destroy(before);
    config_destroy(after);
}
