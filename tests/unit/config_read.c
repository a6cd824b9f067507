/* config_read.c - the values of an accepted configuration */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/base/buffer.h"
#include "gateway/config/config_number.h"
#include "gateway/config/config_reload.h"
#include "gateway/config/config_table.h"
#include "tests/support/sandbox.h"

#define WITH(keys) LISTEN ROUTES keys "\n"

static const struct config_route *find_route(const struct config *config, const char *path)
{
    const struct config_route *route = NULL;

    for (unsigned i = 0; i != config->routes_count; ++i) {
        if (strcmp(config->routes[i].path, path) == 0)
            route = &config->routes[i];
    }
    cr_assert_not_null(route, "%s", path);
    return route;
}

Test(base_config, built_in_values)
{
    struct config *config = rig_accept(LISTEN ROUTES);
    const struct config_route *route = &config->routes[0];
    cpu_set_t set;

    cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    cr_expect_eq(config->workers, CPU_COUNT(&set) < 64 ? (unsigned)CPU_COUNT(&set) : 64);
    cr_assert_eq(config->listen_count, 1);
    cr_expect_str_eq(config->listen[0].address, "127.0.0.1:0");
    cr_expect_null(config->listen[0].certificate);
    cr_expect_null(config->listen[0].key);
    cr_expect_null(config->admin_address);
    cr_expect_str_eq(config->nats.url, "nats://127.0.0.1:4222");
    cr_expect_str_eq(config->nats.name, "freshet");
    cr_expect(config->nats.user == NULL && config->nats.password == NULL && config->nats.token == NULL);
    cr_expect(!config->nats.tls.enabled);
    cr_expect_eq(config->limits.connections, 0);
    cr_expect_eq(config->limits.write_timeout_ms, 30000);
    cr_expect_eq(config->drain.window_ms, 20000);
    cr_expect_eq(config->drain.timeout_ms, 30000);
    cr_expect_eq(config->limits.replays, 16);
    cr_expect_eq(config->log.level, LOG_INFO);
    cr_expect_eq(config->log.format, LOG_TEXT);
    cr_assert_eq(config->routes_count, 1);
    cr_assert_eq(route->subjects_count, 1);
    cr_expect_str_eq(route->subjects[0], "a");
    cr_expect_eq(route->allow_count, 0);
    cr_expect_eq(route->retry_ms, 2000);
    cr_expect_eq(route->heartbeat_ms, 15000);
    cr_expect_eq(route->history.store, POLICY_STORE_MEMORY);
    cr_expect_eq(route->history.events, 1024);
    cr_expect_eq(route->history.bytes, 4 << 20);
    cr_expect_eq(route->history.linger_ms, 60000);
    cr_expect_eq(route->slow, POLICY_SLOW_DISCONNECT);
    cr_expect_eq(route->event, POLICY_EVENT_NONE);
    cr_expect_eq(route->format, POLICY_FORMAT_TEXT);
    cr_expect_eq(route->cors.origins_count, 0);
    config_destroy(config);
}

/* The text of a mapping in which each key that has a built-in value has it, as the file would write it. */
static void write_builtins(struct buffer *yaml, unsigned mapping)
{
    const char *before = "{";

    CONFIG_TABLE_EACH(option, mapping)
    {
        bool is_mapping = option->type == CONFIG_TYPE_MAPPING && !option->is_list && !option->is_whole;

        if (!is_mapping && (option->builtin == NULL || option->only_with != NULL || mapping == CONFIG_ADMIN))
            continue;
        buffer_format(yaml, "%s%s: ", before, option->key);
        if (is_mapping)
            write_builtins(yaml, option->keys);
        else
            buffer_format(yaml, "'%s'", option->builtin);
        before = ", ";
    }
    buffer_add_text(yaml, *before == '{' ? "{}" : "}");
}

/* Writing the built-in values out must change nothing: each is one that the file may have, and means the same there. */
Test(base_config, built_in_values_are_those_of_the_option_table)
{
    struct buffer written = {.bytes = NULL};
    char changes[CONFIG_CHANGES_MAX], *yaml;
    struct config *a = rig_accept(LISTEN ROUTES), *b;

    CONFIG_TABLE_EACH(option, CONFIG_TOP)
    {
        if (option->is_list || option->builtin == NULL)
            continue;
        buffer_format(&written, "%s: '%s'\n", option->key, option->builtin);
    }
    CONFIG_TABLE_EACH(option, CONFIG_TOP)
    {
        if (option->is_list || option->type != CONFIG_TYPE_MAPPING || option->keys == CONFIG_ADMIN)
            continue;
        buffer_format(&written, "%s: ", option->key);
        write_builtins(&written, option->keys);
        buffer_add_text(&written, "\n");
    }
    buffer_add_text(&written, LISTEN ROUTES);
    yaml = buffer_take(&written);
    b = rig_accept(yaml);
    cr_expect_str_eq(config_reload_changes(a, b, changes), "nothing", "%s", yaml);
    cr_expect_str_eq(a->effective, b->effective);
    config_destroy(a);
    config_destroy(b);
    free(yaml);
}

/* What a row says must fit its member, and the keys that it names must be there. */
Test(base_config, option_table_hangs_together)
{
    CONFIG_TABLE_EACH(option, ~0U)
    {
        bool is_mapping = option->type == CONFIG_TYPE_MAPPING, is_number = config_number_is_kept(option) && !is_mapping;
        char range[CONFIG_RANGE_MAX];

        cr_expect_eq(is_number, option->type != CONFIG_TYPE_MAPPING && option->type <= CONFIG_TYPE_CHOICE, "%s",
                     option->key);
        cr_expect(option->type != CONFIG_TYPE_FLAG || option->storage == CONFIG_STORED_FLAG, "%s", option->key);
        cr_expect(option->type != CONFIG_TYPE_DURATION || option->storage == CONFIG_STORED_64, "%s", option->key);
        cr_expect(option->type != CONFIG_TYPE_CHOICE ||
                      (option->choices != NULL && option->storage == CONFIG_STORED_32),
                  "%s", option->key);
        cr_expect((option->type == CONFIG_TYPE_NETWORK) == (option->storage == CONFIG_STORED_NETWORKS), "%s",
                  option->key);
        cr_expect(option->storage != CONFIG_STORED_32 || option->is_list || option->most <= UINT32_MAX, "%s",
                  option->key);
        cr_expect_leq(option->least, option->most, "%s", option->key);
        cr_expect(!is_mapping || config_table_next(option->keys, NULL) != NULL, "%s", option->key);
        cr_expect(option->zero == NULL || option->least > 0, "%s", option->key);
        if (is_number && option->type != CONFIG_TYPE_FLAG && option->type != CONFIG_TYPE_CHOICE)
            cr_expect_gt(strlen(config_number_range(option, range)), 0);
        if (option->needs != NULL)
            config_table_sibling(option, option->needs);
        if (option->only_with != NULL)
            config_table_sibling(option, option->only_with);
        cr_expect(is_mapping || option->help[strlen(option->help) - 1] == '.', "%s", option->key);
    }
}

Test(base_config, everything_set)
{
    struct config *config =
        rig_accept("workers: 3\n"
                   "listen:\n  - address: '[::1]:8443'\n  - address: '*:0'\n  - {address: localhost:0}\n"
                   "admin: {address: '127.0.0.1:9090'}\n"
                   "nats:\n  url: nats://a:4222, tls://b\n  user: u\n  password: p:{}\n  name: gw\n"
                   "limits: {connections: 1000, write_timeout: 1s}\n"
                   "drain: {window: 0, timeout: 1s}\n"
                   "log: {level: debug, format: json}\n"
                   "routes:\n  - path: /\n    allow: ['public.>', 'a.*']\n    retry: 100ms\n    heartbeat: 0\n"
                   "    history: {store: none, events: 1, bytes: 1GiB, linger: 24h}\n    slow: latest\n"
                   "    event: header\n    format: cloudevents\n"
                   "    cors: {origins: ['https://a.example', 'http://[::1]:3000'], credentials: true}\n");
    const struct config_route *route = &config->routes[0];

    cr_expect_eq(config->workers, 3);
    cr_assert_eq(config->listen_count, 3);
    cr_expect_str_eq(config->listen[0].address, "[::1]:8443");
    cr_expect_str_eq(config->admin_address, "127.0.0.1:9090");
    cr_expect_str_eq(config->nats.url, "nats://a:4222, tls://b");
    cr_expect_str_eq(config->nats.user, "u");
    cr_expect_str_eq(config->nats.password, "p:{}");
    cr_expect_str_eq(config->nats.name, "gw");
    cr_expect(config->nats.tls.enabled);
    cr_expect_eq(config->limits.connections, 1000);
    cr_expect_eq(config->limits.write_timeout_ms, 1000);
    cr_expect_eq(config->drain.window_ms, 0);
    cr_expect_eq(config->drain.timeout_ms, 1000);
    cr_expect(config->log.level == LOG_DEBUG && config->log.format == LOG_JSON);
    cr_expect_eq(route->compiled.segment_count, 0);
    cr_assert_eq(route->allow_count, 2);
    cr_expect_str_eq(route->allow[1], "a.*");
    cr_expect(route->retry_ms == 100 && route->heartbeat_ms == 0);
    cr_expect(route->history.store == POLICY_STORE_NONE && route->history.events == 1);
    cr_expect(route->history.bytes == 1 << 30 && route->history.linger_ms == 24 * 3600 * 1000);
    cr_expect(route->slow == POLICY_SLOW_LATEST && route->event == POLICY_EVENT_HEADER);
    cr_expect_eq(route->format, POLICY_FORMAT_CLOUDEVENTS);
    cr_assert_eq(route->cors.origins_count, 2);
    cr_expect_str_eq(route->cors.origins[1], "http://[::1]:3000");
    cr_expect(route->cors.credentials);
    config_destroy(config);
}

static const char *const accepted[] = {
    WITH("workers: auto"),
    WITH("workers: '64'"),
    WITH("nats: {}"),
    WITH("nats: {url: demo.example}"),
    WITH("nats: {url: 'nats://u:p%40ss@[::1]:4222,nats://b'}"),
    WITH("nats: {token: 12345}"),
    WITH("limits: {}\nlog: {}\ndefaults: {}"),
    WITH("defaults: {cors: {origins: []}}"),
    WITH("defaults: {cors: {origins: ['*']}}"),
    WITH("defaults: {cors: {origins: [capacitor://localhost, 'http://localhost:5173']}}"),
    WITH("defaults: &d {retry: 1s}"),
    "---\n" LISTEN ROUTES "...\n",
    "\xef\xbb\xbf" LISTEN ROUTES,
    LISTEN "routes: [{path: /a, subjects: &s [a, b]}, {path: /b, subjects: *s}]\n",
    "listen: [{address: '127.0.0.1:0'}, {address: '127.0.0.1:0'}]\n" ROUTES "admin: {address: '127.0.0.1:0'}\n",
    WITH("admin: {address: '127.1.2.3:9090'}"),
    WITH("admin: {address: '[::1]:9090'}"),
    WITH("admin: {address: '[0:0::1]:9090'}"),
    WITH("admin: {address: 'localhost:9090'}"),
    LISTEN "routes: [{path: '/{a}/b', subjects: ['x.{a}']}, {path: '/b/{a}', subjects: ['x.{a}.>', 'y.*.{a}']}]\n",
};

Test(base_config, also_accepted)
{
    for (size_t i = 0; i != sizeof(accepted) / sizeof(accepted[0]); ++i)
        config_destroy(rig_accept(accepted[i]));
}

Test(base_config, routes_that_publish)
{
    struct config *config = rig_accept(LISTEN "routes:\n  - {path: /none, subjects: [a]}\n"
                                              "  - {path: /no, subjects: ['a.>', b], publish: false}\n"
                                              "  - {path: '/one/{id}', subjects: ['a.{id}.b'], publish: true}\n"
                                              "  - {path: /any, allow: ['a.>', 'b.*'], publish: true}\n");

    cr_expect(!find_route(config, "/none")->publish);
    cr_expect(!find_route(config, "/no")->publish);
    cr_expect(find_route(config, "/one/{id}")->publish);
    cr_expect(find_route(config, "/any")->publish);
    config_destroy(config);
}

Test(base_config, empty_tls_mapping_turns_tls_on)
{
    struct config *config = rig_accept(WITH("nats: {url: 'nats://a', tls: {}}"));

    cr_expect(config->nats.tls.enabled);
    cr_expect_null(config->nats.tls.ca);
    config_destroy(config);
    config = rig_accept(WITH("nats: {url: 'TLS://a'}"));
    cr_expect(config->nats.tls.enabled);
    config_destroy(config);
}

Test(base_config, routes_override_defaults_key_by_key)
{
    struct config *config = rig_accept(LISTEN "defaults:\n  retry: 9s\n  slow: skip\n  event: subject\n"
                                              "  history: {store: none, events: 7, linger: 1s}\n"
                                              "  cors: {origins: ['https://d.example'], credentials: true}\n"
                                              "routes:\n  - {path: /plain, subjects: [a]}\n"
                                              "  - path: /own\n    subjects: [a]\n    retry: 1s\n    event: none\n"
                                              "    history: {store: memory, bytes: 1MiB}\n"
                                              "    cors: {origins: ['https://o.example']}\n"
                                              "  - path: /closed\n    subjects: [a]\n    cors: {origins: []}\n");
    const struct config_route *plain = find_route(config, "/plain"), *own = find_route(config, "/own");

    cr_expect(plain->retry_ms == 9000 && plain->heartbeat_ms == 15000);
    cr_expect(plain->slow == POLICY_SLOW_SKIP && plain->event == POLICY_EVENT_SUBJECT);
    cr_expect(plain->history.store == POLICY_STORE_NONE && plain->history.events == 7);
    cr_expect(plain->history.bytes == 4 << 20 && plain->history.linger_ms == 1000);
    cr_assert_eq(plain->cors.origins_count, 1);
    cr_expect_str_eq(plain->cors.origins[0], "https://d.example");
    cr_expect(plain->cors.credentials);

    cr_expect(own->retry_ms == 1000 && own->slow == POLICY_SLOW_SKIP && own->event == POLICY_EVENT_NONE);
    cr_expect(own->history.store == POLICY_STORE_MEMORY && own->history.events == 7);
    cr_expect(own->history.bytes == 1 << 20 && own->history.linger_ms == 1000);
    cr_assert_eq(own->cors.origins_count, 1);
    cr_expect_str_eq(own->cors.origins[0], "https://o.example");
    cr_expect(!own->cors.credentials);
    cr_expect_eq(find_route(config, "/closed")->cors.origins_count, 0);
    config_destroy(config);
}

Test(base_config, routes_are_in_matching_order)
{
    static const char *const paths[] = {"/a/b/{c}", "/a/{b}/c", "/a/{b}/{c}", "/{a}/b/c"};
    struct config *config = rig_accept(LISTEN "routes:\n  - {path: '/{a}/b/c', subjects: ['x.{a}']}\n"
                                              "  - {path: '/a/{b}/{c}', subjects: ['x.{b}.{c}']}\n"
                                              "  - {path: '/a/{b}/c', subjects: ['x.{b}']}\n"
                                              "  - {path: '/a/b/{c}', subjects: ['x.{c}']}\n");

    for (unsigned i = 0; i != 4; ++i) {
        const struct config_route *route = &config->routes[i];

        cr_expect_str_eq(route->path, paths[i]);
        /* Compiled segments point into the path of this route, wherever it has moved. */
        for (size_t j = 0; j != route->compiled.segment_count; ++j) {
            const char *text = route->compiled.segments[j].text;

            cr_expect(text > route->path && text < route->path + strlen(route->path));
        }
    }
    config_destroy(config);
}

Test(base_config, files_are_relative_to_the_configuration)
{
    char *path = sandbox_path("freshet.yaml"), *folder = sandbox_path("folder"), *certificate, *yaml;
    struct config *config;

    cr_assert_eq(mkdir(folder, 0700), 0);
    certificate = text_format("%s/server.crt", folder);
    sandbox_write(certificate, "not looked at here");
    yaml = text_format("listen: [{address: '*:0', certificate: %s/server.crt, key: '%s'}]\n" ROUTES
                       "nats: {tls: {ca: %s/server.crt}}\n",
                       strrchr(folder, '/') + 1, certificate, strrchr(folder, '/') + 1);
    sandbox_write(path, yaml);
    config = rig_load(path);
    cr_expect_str_eq(config->listen[0].certificate, certificate);
    cr_expect_str_eq(config->listen[0].key, certificate);
    cr_expect_str_eq(config->nats.tls.ca, certificate);
    config_destroy(config);
    free(yaml);
    free(certificate);
    free(folder);
    free(path);
}

/* As a user would: the file copied beside certificates made by certs/make-dev-certs, here stand-ins. */
Test(base_config, the_example_is_accepted)
{
    char *yaml = sandbox_read(FRESHET_SOURCE_DIR "/docs/freshet.example.yaml"), *docs = sandbox_path("docs");
    char *file = text_format("%s/freshet.yaml", docs), *certs = text_format("%s/../certs", docs);
    char *dev = text_format("%s/dev", certs), *certificate = text_format("%s/server.crt", dev);
    char *key = text_format("%s/server.key", dev);
    struct config *config;

    cr_assert_eq(mkdir(docs, 0700), 0);
    cr_assert_eq(mkdir(certs, 0700), 0);
    cr_assert_eq(mkdir(dev, 0700), 0);
    sandbox_write(certificate, "");
    sandbox_write(key, "");
    sandbox_write(file, yaml);
    config = rig_load(file);
    cr_expect_geq(config->routes_count, 2);
    cr_expect_geq(config->listen_count, 2);
    config_destroy(config);
    free(key);
    free(certificate);
    free(dev);
    free(certs);
    free(file);
    free(docs);
    free(yaml);
}
