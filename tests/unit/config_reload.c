/* config_reload.c - what may change without a restart, and how the rest is reported */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include "gateway/config/config_reload.h"

TestSuite(base_config_reload);

#define ROUTE "routes: [{path: /r, subjects: [r]}]\n"
#define STREAM(name) "{path: /" name ", subjects: [" name "], history: {store: jetstream, stream: " name "}}"

static struct errors errors;

static struct config *parse(const char *yaml)
{
    struct config *config = rig_parse(yaml, &errors);
    cr_assert_not_null(config, "%s", errors.text);
    return config;
}

Test(base_config_reload, what_needs_a_restart_is_named)
{
    static const struct {
        const char *first, *next, *text; /* text: the whole report */
    } cases[] = {
        {"workers: 2\n" ROUTE, "workers: 3\n" ROUTE, "workers: 3 instead of 2 needs a restart\n"},
        {"watchdog: 10s\n" ROUTE, "watchdog: 0\n" ROUTE, "watchdog: this change needs a restart\n"},
        {"info: false\n" ROUTE, "info: true\n" ROUTE, "info: this change needs a restart\n"},
        {"limits: {replays: 1}\n" ROUTE, "limits: {replays: 2}\n" ROUTE,
         "limits.replays: 2 instead of 1 needs a restart\n"},
        {"nats: {url: \"nats://a:1\", user: u, password: p}\n" ROUTE,
         "nats: {url: \"nats://b:1\", user: u, password: q, name: n}\n" ROUTE,
         "nats.url: this change needs a restart\nnats.password: this change needs a restart\n"
         "nats.name: this change needs a restart\n"},
        {"nats: {url: \"nats://a:1\"}\n" ROUTE, "nats: {url: \"nats://a:1\", tls: {}}\n" ROUTE,
         "nats.tls: this change needs a restart\n"},
        {"routes: [" STREAM("A") "]\n", "routes: [" STREAM("A") ", " STREAM("B") "]\n",
         "routes[].history.stream: following stream B needs a restart\n"},
        {"routes: [" STREAM("A") "]\n",
         "routes: [{path: /A, subjects: [A], history: {store: jetstream, stream: A, live: republish}}]\n",
         "routes[].history.live: changing it for stream A needs a restart\n"},
        {"routes: [{path: /A, publish: true, subjects: [A], history: {store: jetstream, stream: A}}]\n",
         "routes: [" STREAM("A") "]\n",
         "routes[].history.stream: stream A was only used for publishing; reading it needs a restart\n"},
        {ROUTE, "routes: [{path: /r, subjects: [r], auth: {request: ask.me}}]\n",
         "auth: adding the first route with auth needs a restart\n"},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char first_yaml[1024], next_yaml[1024];
        snprintf(first_yaml, sizeof(first_yaml), LISTEN "%s", cases[i].first);
        snprintf(next_yaml, sizeof(next_yaml), LISTEN "%s", cases[i].next);
        struct config *first = parse(first_yaml), *next = parse(next_yaml);
        cr_expect_not(config_reload_check(first, next, errors_add, &errors), "%zu", i);
        cr_expect_str_eq(errors.text, cases[i].text);
        config_destroy(first);
        config_destroy(next);
    }
}

Test(base_config_reload, the_rest_may_change)
{
    char changes[CONFIG_CHANGES_MAX];
    struct config *first = parse(LISTEN ROUTE);
    struct config *next =
        parse("listen: [{address: \"127.0.0.1:1\"}, {address: \"127.0.0.1:2\"}]\n"
              "admin: {address: \"127.0.0.1:3\"}\n"
              "limits: {streams: 7, connections: 9, idle: 5s}\n"
              "drain: {window: 1s}\nlog: {level: debug, format: json}\n"
              "routes: [{path: /r, subjects: [r], cors: {origins: [\"*\"]}}, {path: /s, allow: [s]}]\n");
    cr_expect(config_reload_check(first, next, errors_add, &errors), "%s", errors.text);
    cr_expect_str_eq(config_reload_changes(first, next, changes), "listen, admin, limits, drain, log, routes");
    cr_expect_str_eq(config_reload_changes(first, first, changes), "nothing");
    cr_expect_str_eq(config_find_route(next, "/s")->path, "/s");
    cr_expect_null(config_find_route(next, "/t"));
    config_destroy(first);
    config_destroy(next);
}

Test(base_config_reload, each_part_of_a_route_counts)
{
    static const char *const routes[] = {
        "{path: /r, subjects: [r]}",
        "{path: /r, subjects: [r, s]}",
        "{path: /r, allow: [r]}",
        "{path: /r, subjects: [r], retry: 9s}",
        "{path: /r, subjects: [r], heartbeat: 9s}",
        "{path: /r, subjects: [r], history: {events: 9}}",
        "{path: /r, subjects: [r], slow: skip}",
        "{path: /r, subjects: [r], event: subject}",
        "{path: /r, subjects: [r], format: base64}",
        "{path: /r, subjects: [r], cors: {origins: [\"https://a.example\"]}}",
        "{path: /r, subjects: [r], cors: {origins: [\"https://a.example\"], credentials: true}}",
        "{path: /r, subjects: [r], publish: true}",
        "{path: /r, subjects: [r], publish: true, headers: [x-a]}",
        "{path: /r, subjects: [r], auth: {request: a}}",
        "{path: /r, subjects: [r], auth: {request: a, timeout: 3s}}",
        "{path: /r, subjects: [r], auth: {request: a, headers: [x-a]}}",
        "{path: /r, subjects: [r], presence: p}",
    };
    enum { COUNT = sizeof(routes) / sizeof(routes[0]) };
    struct config *configs[COUNT];
    char changes[CONFIG_CHANGES_MAX];
    for (size_t i = 0; i != COUNT; ++i) {
        char yaml[512];
        snprintf(yaml, sizeof(yaml), LISTEN "routes: [%s]\n", routes[i]);
        configs[i] = parse(yaml);
        for (size_t j = 0; j <= i; ++j)
            cr_expect_str_eq(config_reload_changes(configs[j], configs[i], changes), i == j ? "nothing" : "routes");
    }
    for (size_t i = 0; i != COUNT; ++i)
        config_destroy(configs[i]);
}

Test(base_config_reload, streams_keep_the_numbers_they_have)
{
    struct config *first = parse(LISTEN "routes: [" STREAM("A") ", " STREAM("B") ", " STREAM("C") "]\n");
    struct config *next = parse(LISTEN "routes: [" STREAM("C") ", " STREAM("A") ", {path: /m, subjects: [m]}]\n");
    cr_assert(config_reload_check(first, next, errors_add, &errors), "%s", errors.text);
    config_reload_adopt(first, next);
    cr_expect_eq(config_find_route(next, "/A")->history.source, 1);
    cr_expect_eq(config_find_route(next, "/C")->history.source, 3);
    cr_expect_eq(config_find_route(next, "/m")->history.source, 0);
    cr_assert_eq(next->streams_count, 3);
    cr_expect_str_eq(next->streams[1].name, "B");
    cr_expect_eq(next->streams[1].subjects_count, 0, "it is not used");
    cr_expect_str_eq(next->streams[2].subjects[0], "C");
    config_destroy(next);
    config_destroy(first);
}
