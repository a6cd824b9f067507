/* config_streams.c - routes whose history is a JetStream stream, and the streams gathered from them */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include <stdlib.h>

#include "tests/support/sandbox.h"

#define ROUTE_LIST LISTEN "routes:\n"

static void refuse(const char *yaml, const char *messages)
{
    struct errors errors;
    struct config *config = rig_parse(yaml, &errors);

    cr_expect_null(config, "accepted:\n%s", yaml);
    cr_expect_str_eq(errors.text, messages, "%s\nsays: %swanted: %s", yaml, errors.text, messages);
    config_destroy(config);
}

static const struct config_history *history_of(const struct config *config, const char *path)
{
    unsigned i = 0;

    while (i != config->routes_count && strcmp(config->routes[i].path, path) != 0)
        ++i;
    cr_assert_neq(i, config->routes_count, "no route %s", path);
    return &config->routes[i].history;
}

static void expect_subjects(const struct config_stream *stream, const char *const *subjects)
{
    unsigned i = 0;

    for (; subjects[i] != NULL; ++i) {
        cr_assert_lt(i, stream->subjects_count);
        cr_expect_str_eq(stream->subjects[i], subjects[i]);
    }
    cr_expect_eq(stream->subjects_count, i);
}

Test(base_config_streams, none_without_jetstream)
{
    struct config *config = rig_accept(ROUTE_LIST "  - {path: /a, subjects: [a]}\n");

    cr_expect_eq(config->streams_count, 0);
    cr_expect_null(config->routes[0].history.stream);
    cr_expect_eq(config->routes[0].history.source, 0);
    cr_expect_eq(config->limits.replays, 16);
    config_destroy(config);
}

Test(base_config_streams, a_route_names_its_stream)
{
    static const char *const subjects[] = {"orders.*.>", "orders.*", NULL};
    struct config *config =
        rig_accept(ROUTE_LIST "  - path: /a/{id}\n    subjects: ['orders.{id}.>', 'orders.{id}', 'orders.*']\n"
                              "    history: {store: jetstream, stream: ORDERS_1-x, events: 9}\n"
                              "limits: {replays: 64}\n");
    const struct config_history *history = &config->routes[0].history;

    cr_expect_eq(history->store, POLICY_STORE_JETSTREAM);
    cr_expect_str_eq(history->stream, "ORDERS_1-x");
    cr_expect_eq(history->live, CONFIG_LIVE_CONSUMER);
    cr_expect(history->events == 9 && history->bytes == 4 << 20 && history->linger_ms == 60000);
    cr_expect_eq(history->source, 1);
    cr_assert_eq(config->streams_count, 1);
    cr_expect_eq(config->streams[0].name, history->stream);
    cr_expect_eq(config->streams[0].live, CONFIG_LIVE_CONSUMER);
    cr_expect_eq(config->streams[0].events, 9);
    cr_expect_eq(config->limits.replays, 64);
    expect_subjects(&config->streams[0], subjects);
    config_destroy(config);
}

/* Routes move when they are put into matching order; what refers to their streams has to follow. */
Test(base_config_streams, streams_are_gathered_from_all_routes)
{
    static const char *const a[] = {"a.*.*", "a.>", "a.x.note", "a.chosen.*", NULL}, *const b[] = {"*.b", "b", NULL};
    struct config *config =
        rig_accept("defaults: {history: {store: jetstream, stream: A, events: 5, live: republish}}\n" ROUTE_LIST
                   "  - {path: '/{x}/{y}', subjects: ['a.{x}.{y}']}\n"
                   "  - {path: /all, subjects: ['a.>'], history: {events: 70}}\n"
                   "  - {path: '/{first}', subjects: ['{first}.b', b], history: {stream: B, live: consumer}}\n"
                   "  - {path: /memory, subjects: [m], history: {store: memory}}\n"
                   "  - {path: /none, subjects: [n], history: {store: none}}\n"
                   "  - {path: /note, subjects: ['a.x.note'], publish: true, history: {events: 6}}\n"
                   "  - {path: /any, allow: ['a.chosen.*', 'a.>']}\n");

    cr_assert_eq(config->streams_count, 2);
    cr_expect_str_eq(config->streams[0].name, "A");
    cr_expect_eq(config->streams[0].live, CONFIG_LIVE_REPUBLISH);
    cr_expect_eq(config->streams[0].events, 70);
    expect_subjects(&config->streams[0], a);
    cr_expect_str_eq(config->streams[1].name, "B");
    cr_expect_eq(config->streams[1].live, CONFIG_LIVE_CONSUMER);
    cr_expect_eq(config->streams[1].events, 5);
    expect_subjects(&config->streams[1], b);
    cr_expect_eq(history_of(config, "/{x}/{y}")->source, 1);
    cr_expect_eq(history_of(config, "/all")->source, 1);
    cr_expect_eq(history_of(config, "/note")->source, 1);
    cr_expect_eq(history_of(config, "/any")->source, 1);
    cr_expect_eq(history_of(config, "/{first}")->source, 2);
    cr_expect_eq(history_of(config, "/memory")->source, 0);
    cr_expect_null(history_of(config, "/memory")->stream);
    cr_expect_eq(history_of(config, "/memory")->live, CONFIG_LIVE_CONSUMER);
    cr_expect_eq(history_of(config, "/none")->source, 0);
    cr_expect_null(history_of(config, "/none")->stream);
    config_destroy(config);
}

Test(base_config_streams, defaults_may_leave_the_name_to_routes)
{
    struct config *config = rig_accept("defaults: {history: {store: jetstream}}\n" ROUTE_LIST
                                       "  - {path: /a, subjects: [a], history: {stream: A}}\n"
                                       "  - {path: /b, subjects: [b], history: {stream: B, live: republish}}\n");

    cr_expect_eq(config->streams_count, 2);
    cr_expect_eq(history_of(config, "/b")->live, CONFIG_LIVE_REPUBLISH);
    config_destroy(config);
}

#define ONE(history) ROUTE_LIST "  - {path: /a, subjects: [a], history: {" history "}}\n"

Test(base_config_streams, what_goes_together)
{
    refuse(ONE("store: jetstream"),
           "f.yaml:3: routes[0].history.stream: is missing; \"store: jetstream\" requires a stream name\n");
    refuse("defaults: {history: {store: jetstream}}\n" ROUTE_LIST "  - {path: /a, subjects: [a]}\n",
           "f.yaml:4: routes[0].history.stream: is missing; \"store: jetstream\" requires a stream name\n");
    refuse(ONE("stream: A"), "f.yaml:3: routes[0].history.stream: is only valid with \"store: jetstream\"\n");
    refuse(ONE("store: none, stream: A"),
           "f.yaml:3: routes[0].history.stream: is only valid with \"store: jetstream\"\n");
    refuse(ONE("store: memory, live: republish"),
           "f.yaml:3: routes[0].history.live: is only valid with \"store: jetstream\"\n");
    refuse("defaults: {history: {stream: A}}\n" ROUTE_LIST "  - {path: /a, subjects: [a]}\n",
           "f.yaml:1: defaults.history.stream: is only valid with \"store: jetstream\"\n");
    refuse(ONE("store: jetstream, stream: A, live: push"),
           "f.yaml:3: routes[0].history.live: \"push\" is not one of consumer, republish\n");
}

/* Found by a fuzzer: the name that doesn't end was read beyond the end of the template. */
Test(base_config_streams, a_template_with_an_open_brace_is_only_reported)
{
    refuse(ROUTE_LIST "  - {path: '/{id}', subjects: ['a.{id'], history: {store: jetstream, stream: A}}\n",
           "f.yaml:3: routes[0].subjects[0]: \"a.{id\" has a brace that is not part of a whole token \"{name}\" "
           "(at \"{id\")\n");
}

Test(base_config_streams, names)
{
    static const char *const bad[] = {"A.B", "A B", "*", "A>", "a/b", "a\\\\b", "a\\tb", "a\\x7f"};
    char *name = calloc(1, 257), *yaml;
    struct errors errors;

    for (size_t i = 0; i != sizeof(bad) / sizeof(bad[0]); ++i) {
        yaml = text_format(ONE("store: jetstream, stream: \"%s\""), bad[i]);
        cr_expect_null(rig_parse(yaml, &errors), "%s", yaml);
        cr_expect_eq(errors.count, 1, "%s", errors.text);
        cr_expect_not_null(strstr(errors.text, "f.yaml:3: routes[0].history.stream: \""), "%s", errors.text);
        cr_expect_not_null(strstr(errors.text, "\" is not a valid stream name: "), "%s", errors.text);
        free(yaml);
    }
    memset(name, 'a', 255);
    yaml = text_format(ONE("store: jetstream, stream: %s"), name);
    config_destroy(rig_accept(yaml));
    free(yaml);
    name[255] = 'a';
    yaml = text_format(ONE("store: jetstream, stream: %s"), name);
    cr_expect_null(rig_parse(yaml, &errors));
    cr_expect_not_null(strstr(errors.text, "is longer than 255 bytes"), "%s", errors.text);
    free(yaml);
    free(name);
}

Test(base_config_streams, one_stream_is_followed_in_one_way)
{
    refuse(ROUTE_LIST "  - {path: /b, subjects: [b]}\n"
                      "  - {path: /c, subjects: [c], history: {store: jetstream, stream: S}}\n"
                      "  - {path: /a, subjects: [a], history: {store: jetstream, stream: S, live: republish}}\n",
           "f.yaml:5: routes[2].history.live: \"S\" is followed with live: republish here but with live: consumer in "
           "routes[1]; use one of them\n");
}

Test(base_config_streams, there_is_a_limit)
{
    char yaml[4096] = ROUTE_LIST;

    for (int i = 0; i != CONFIG_STREAMS_MAX; ++i)
        snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
                 "  - {path: /r%d, subjects: [s], history: {store: jetstream, stream: S%d}}\n", i, i);
    config_destroy(rig_accept(yaml));
    snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
             "  - {path: /more, subjects: [s], history: {store: jetstream, stream: MORE}}\n");
    refuse(yaml, "f.yaml:18: routes[15].history.stream: \"MORE\" exceeds the limit of 15 JetStream streams\n");
}

Test(base_config_streams, replays)
{
    refuse(ONE("events: 1") "limits: {replays: 0}\n", "f.yaml:4: limits.replays: \"0\" is out of range: 1 to 64\n");
    refuse(ONE("events: 1") "limits: {replays: 65}\n", "f.yaml:4: limits.replays: \"65\" is out of range: 1 to 64\n");
    refuse(ONE("events: 1") "limits: {replays: all}\n", "f.yaml:4: limits.replays: \"all\" is not a number: 1 to 64\n");
}
