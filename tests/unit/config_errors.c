/* config_errors.c - errors in a configuration, reported with line and key path */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include <stdlib.h>

#include "gateway/base/buffer.h"
#include "tests/support/sandbox.h"

/* A key of a route, of a history, of a cors mapping: always on line 4 (3 for the others). */
#define ROUTE(keys) LISTEN "routes:\n  - path: /a\n    " keys "\n"
#define WITH(keys) LISTEN ROUTES keys "\n"

static struct errors refuse_bytes(const char *yaml, size_t len)
{
    struct errors errors = {0};
    struct config *config = config_parse("f.yaml", yaml, len, errors_add, &errors);

    cr_assert_null(config, "accepted:\n%s", yaml);
    cr_assert_geq(errors.count, 1);
    return errors;
}

static struct errors refuse(const char *yaml)
{
    return refuse_bytes(yaml, strlen(yaml));
}

struct refused {
    const char *yaml;
    const char *message; /* all of it, but for its line end; the only one */
};

static void refuse_all(const struct refused *cases, size_t count)
{
    for (size_t i = 0; i != count; ++i) {
        struct errors errors = refuse(cases[i].yaml);
        char expected[512];

        snprintf(expected, sizeof(expected), "f.yaml:%s\n", cases[i].message);
        cr_expect_str_eq(errors.text, expected, "case %zu:\n%s\nsays: %swanted: %s", i, cases[i].yaml, errors.text,
                         expected);
    }
}
#define REFUSE_ALL(cases) refuse_all(cases, sizeof(cases) / sizeof((cases)[0]))

static const struct refused not_yaml[] = {
    {"", " has no configuration in it"},
    {"# nothing\n", " has no configuration in it"},
    {"- a\n", "1: the file must be a mapping of keys, such as \"routes:\""},
    {"a: [\n", "2: not valid YAML: did not find expected node content, while parsing a flow node"},
    {"a: b\n\tc: d\n",
     "2: not valid YAML: found a tab character that violates indentation, while scanning a plain scalar"},
    {"a: *b\n", "1: not valid YAML: found undefined alias"},
    {"a: b\nc: \xff\n", "2: not valid YAML: invalid leading UTF-8 octet"},
    {WITH("---\n") ROUTES, "5: a second YAML document begins; only one is allowed"},
};

Test(base_config_errors, not_yaml)
{
    REFUSE_ALL(not_yaml);
}

static const struct refused keys[] = {
    {ROUTES, "1: listen: required key is missing"},
    {LISTEN, "1: routes: required key is missing"},
    {LISTEN "routes: []\n", "2: routes: is empty; at least 1 is required"},
    {"listen: []\n" ROUTES, "1: listen: is empty; at least 1 is required"},
    {"listen: [{certificate: /dev/null, key: /dev/null}]\n" ROUTES, "1: listen[0].address: required key is missing"},
    {LISTEN "routes:\n  - subjects: [a]\n", "3: routes[0].path: required key is missing"},
    {WITH("worker: 1"), "3: worker: unknown key (did you mean workers?)"},
    {WITH("frobnicate: 1"), "3: frobnicate: unknown key"},
    {WITH("Workers: 1"), "3: Workers: unknown key (did you mean workers?)"},
    {WITH("nats: {pass: x}"), "3: nats.pass: unknown key (did you mean password?)"},
    {WITH("<<: {}"), "3: …: unknown key"},
    {ROUTE("subjects: [a]\n    history:\n      byts: 1KiB"),
     "6: routes[0].history.byts: unknown key (did you mean bytes?)"},
    {WITH("workers: 1\nworkers: 1"), "4: workers: duplicate key, first set on line 3"},
    {WITH("routes: []"), "3: routes: duplicate key, first set on line 2"},
    {ROUTE("subjects: [a]\n    path: /b"), "5: routes[0].path: duplicate key, first set on line 3"},
    {WITH("nats:\n  url: nats://a\n  'url': nats://b"), "5: nats.url: duplicate key, first set on line 4"},
    {WITH("? [a]\n: b"), "3: has a key that is not plain text"},
};

Test(base_config_errors, keys)
{
    REFUSE_ALL(keys);
}

static const struct refused kinds[] = {
    {"listen: 127.0.0.1:0\n" ROUTES, "1: listen: must be a list, not a single value"},
    {"listen: ['127.0.0.1:0']\n" ROUTES, "1: listen[0]: must be a mapping, not a single value"},
    {WITH("nats: []"), "3: nats: must be a mapping, not a list"},
    {WITH("workers: [1]"), "3: workers: must be a single value, not a list"},
    {WITH("workers: {}"), "3: workers: must be a single value, not a mapping"},
    {ROUTE("subjects: a"), "4: routes[0].subjects: must be a list, not a single value"},
    {ROUTE("subjects: [[a]]"), "4: routes[0].subjects[0]: must be a single value, not a list"},
    {ROUTE("subjects: []"), "4: routes[0].subjects: is empty; at least 1 is required"},
    {WITH("defaults:"), "3: defaults: has no value"},
    {WITH("workers: ~"), "3: workers: has no value"},
    {WITH("nats: {name: null}"), "3: nats.name: has no value"},
    {WITH("nats: {name: ''}"), "3: nats.name: is empty"},
    {WITH("nats: {name: \"a\\0b\"}"), "3: nats.name: has a NUL byte in it"},
    {WITH("log: {level: loud}"), "3: log.level: \"loud\" is not one of error, warn, info, debug"},
    {WITH("log: {level: 2}"), "3: log.level: \"2\" is not one of error, warn, info, debug"},
    {WITH("log: {format: xml}"), "3: log.format: \"xml\" is not one of text, json"},
    {WITH("defaults: {slow: fast}"), "3: defaults.slow: \"fast\" is not one of disconnect, skip, latest"},
    {WITH("defaults: {event: name}"), "3: defaults.event: \"name\" is not one of none, subject, header"},
    {WITH("defaults: {format: json}"), "3: defaults.format: \"json\" is not one of text, base64, cloudevents"},
    {WITH("defaults: {history: {store: disk}}"),
     "3: defaults.history.store: \"disk\" is not one of memory, none, jetstream"},
    {WITH("defaults: {cors: {origins: ['https://a'], credentials: yes}}"),
     "3: defaults.cors.credentials: \"yes\" is not true or false"},
    {WITH("defaults: {cors: {}}"), "3: defaults.cors.origins: required key is missing"},
};

Test(base_config_errors, kinds)
{
    REFUSE_ALL(kinds);
}

#define DURATION "is not a duration, such as 250ms, 15s, 5m or 1h: "

static const struct refused ranges[] = {
    {WITH("workers: 0"), "3: workers: \"0\" is out of range: auto, or 1 to 64"},
    {WITH("workers: 65"), "3: workers: \"65\" is out of range: auto, or 1 to 64"},
    {WITH("workers: many"), "3: workers: \"many\" is not a number: auto, or 1 to 64"},
    {WITH("limits: {connections: -1}"),
     "3: limits.connections: \"-1\" is not a number: 1 to 10000000, or 0 for as many as possible"},
    {WITH("limits: {connections: 10000001}"),
     "3: limits.connections: \"10000001\" is out of range: 1 to 10000000, or 0 for as many as possible"},
    {WITH("limits: {write_timeout: 0}"), "3: limits.write_timeout: \"0\" is out of range: 1s to 1h"},
    {WITH("limits: {write_timeout: 30}"), "3: limits.write_timeout: \"30\" " DURATION "1s to 1h"},
    {WITH("drain: {window: 61m}"), "3: drain.window: \"61m\" is out of range: 0 to 1h"},
    {WITH("drain: {timeout: 0}"), "3: drain.timeout: \"0\" is out of range: 1s to 1h"},
    {WITH("drain: {window: 60s}"), "3: drain.timeout: \"30s\" is shorter than drain.window"},
    {WITH("defaults: {retry: 0}"), "3: defaults.retry: \"0\" is out of range: 100ms to 1h"},
    {WITH("defaults: {retry: 99ms}"), "3: defaults.retry: \"99ms\" is out of range: 100ms to 1h"},
    {WITH("defaults: {retry: 2 s}"), "3: defaults.retry: \"2 s\" " DURATION "100ms to 1h"},
    {WITH("defaults: {heartbeat: 999ms}"),
     "3: defaults.heartbeat: \"999ms\" is out of range: 1s to 1h, or 0 for never"},
    {WITH("defaults: {heartbeat: 2h}"), "3: defaults.heartbeat: \"2h\" is out of range: 1s to 1h, or 0 for never"},
    {WITH("defaults: {history: {events: 0}}"), "3: defaults.history.events: \"0\" is out of range: 1 to 1000000"},
    {WITH("defaults: {history: {events: 1000001}}"),
     "3: defaults.history.events: \"1000001\" is out of range: 1 to 1000000"},
    {WITH("defaults: {history: {events: 1e3}}"), "3: defaults.history.events: \"1e3\" is not a number: 1 to 1000000"},
    {WITH("defaults: {history: {bytes: 1023B}}"), "3: defaults.history.bytes: \"1023B\" is out of range: 1KiB to 1GiB"},
    {WITH("defaults: {history: {bytes: 4MB}}"),
     "3: defaults.history.bytes: \"4MB\" is not a size, such as 64KiB or 4MiB: 1KiB to 1GiB"},
    {WITH("defaults: {history: {bytes: 2GiB}}"), "3: defaults.history.bytes: \"2GiB\" is out of range: 1KiB to 1GiB"},
    {WITH("defaults: {history: {linger: 25h}}"), "3: defaults.history.linger: \"25h\" is out of range: 0 to 24h"},
    {ROUTE("subjects: [a]\n    retry: 2h"), "5: routes[0].retry: \"2h\" is out of range: 100ms to 1h"},
    {ROUTE("subjects: [a]\n    history: {events: none}"),
     "5: routes[0].history.events: \"none\" is not a number: 1 to 1000000"},
};

Test(base_config_errors, ranges)
{
    REFUSE_ALL(ranges);
}

#define ADDRESS(value) "listen: [{address: '" value "'}]\n" ROUTES
#define BAD_ADDRESS(value, reason)                                                                                     \
    {                                                                                                                  \
        ADDRESS(value), "1: listen[0].address: \"" value "\" " reason                                                  \
    }

#define BAD_ADMIN(value)                                                                                               \
    {                                                                                                                  \
        WITH("admin: {address: '" value "'}"), "3: admin.address: a non-loopback admin address requires admin.token"   \
    }

static const struct refused addresses[] = {
    BAD_ADDRESS("127.0.0.1", "has no port (write host:port)"),
    BAD_ADDRESS("[::1]", "has no port (write host:port)"),
    BAD_ADDRESS("8080", "has no port (write host:port)"),
    BAD_ADDRESS(":8080", "has no host (\"*\" is every address of this machine)"),
    BAD_ADDRESS("127.0.0.1:", "has a bad port (at most 65535)"),
    BAD_ADDRESS("127.0.0.1:65536", "has a bad port (at most 65535)"),
    BAD_ADDRESS("127.0.0.1:http", "has a bad port (at most 65535)"),
    BAD_ADDRESS("127.0.0.1:-1", "has a bad port (at most 65535)"),
    BAD_ADDRESS("127.0.0.256:80", "has no valid IPv4 address"),
    BAD_ADDRESS("127.0.1:80", "has no valid IPv4 address"),
    BAD_ADDRESS("::1:80", "has an IPv6 address without [ and ]"),
    BAD_ADDRESS("[::g]:80", "has no valid IPv6 address between [ and ]"),
    BAD_ADDRESS("[]:80", "has no valid IPv6 address between [ and ]"),
    BAD_ADDRESS("[:80", "has a bad character in its host"),
    BAD_ADDRESS("http://localhost:80", "is a URL; write host:port"),
    BAD_ADDRESS("a b:80", "has a bad character in its host"),
    {WITH("admin: {address: here}"), "3: admin.address: \"here\" has no port (write host:port)"},
    {WITH("admin: {}"), "3: admin.address: required key is missing"},
    {"listen:\n  - address: 127.0.0.1:80\n  - address: 127.0.0.1:80\n" ROUTES,
     "3: listen[1].address: \"127.0.0.1:80\" is already the address of listen[0]"},
    {"listen: [{address: '127.0.0.1:80'}]\n" ROUTES "admin: {address: '127.0.0.1:80'}\n",
     "3: admin.address: \"127.0.0.1:80\" is already the address of listen[0]"},
    BAD_ADMIN("*:9090"),
    BAD_ADMIN("0.0.0.0:9090"),
    BAD_ADMIN("[::]:9090"),
    BAD_ADMIN("192.0.2.1:9090"),
    BAD_ADMIN("128.0.0.1:9090"),
    BAD_ADMIN("[::127.0.0.1]:9090"),
    BAD_ADMIN("[2001:db8::1]:9090"),
    BAD_ADMIN("admin.example:9090"),
    BAD_ADMIN("127.example:9090"),
    BAD_ADMIN("localhost.example:9090"),
};

Test(base_config_errors, addresses)
{
    REFUSE_ALL(addresses);
}

static const struct refused routes[] = {
    {ROUTE("retry: 2s"), "3: routes[0].path: the route needs either subjects or allow"},
    {ROUTE("subjects: [a]\n    allow: [b]"), "5: routes[0].allow: the route can't have both subjects and allow"},
    {ROUTE("subjects: ['a.{id}']"),
     "4: routes[0].subjects[0]: \"a.{id}\" names a parameter that the path does not have (at \"{id}\")"},
    {ROUTE("subjects: ['a..b']"), "4: routes[0].subjects[0]: \"a..b\" has an empty token (at \".b\")"},
    {ROUTE("subjects: ['a.>.b']"), NULL},
    {ROUTE("subjects: ['a b']"), NULL},
    {ROUTE("subjects: [$SYS.a]"), NULL},
    {ROUTE("subjects: [a, b, a]"), "4: routes[0].subjects[2]: \"a\" is listed twice"},
    {ROUTE("allow: ['a.>.b']"), NULL},
    {ROUTE("allow: ['_INBOX.>']"), NULL},
    {ROUTE("allow: ['a.{id}']"),
     "4: routes[0].allow[0]: \"a.{id}\" has a brace; path parameters are only allowed in subjects"},
    {LISTEN "routes: [{path: a, subjects: [a]}]", "2: routes[0].path: \"a\" does not begin with '/'"},
    {LISTEN "routes: [{path: '/{id', subjects: [a]}]", NULL},
    {LISTEN "routes: [{path: '/a/', subjects: [a]}]", NULL},
    {LISTEN "routes: [{path: '/{a}/{a}', subjects: [a]}]", NULL},
    {LISTEN "routes:\n  - {path: '/a/{x}', subjects: [a]}\n  - {path: /a/b, subjects: [a]}\n"
            "  - {path: '/a/{y}', subjects: [a]}\n",
     "5: routes[2].path: \"/a/{y}\" matches the same requests as routes[0].path, \"/a/{x}\""},
};

Test(base_config_errors, routes)
{
    for (size_t i = 0; i != sizeof(routes) / sizeof(routes[0]); ++i) {
        /* The wording is proto's; that it is one error, at the right place, is what counts here. */
        struct errors errors = refuse(routes[i].yaml);
        const char *place = strstr(routes[i].yaml, "allow") != NULL     ? "f.yaml:4: routes[0].allow[0]: "
                            : strstr(routes[i].yaml, "path: '") != NULL ? "f.yaml:2: routes[0].path: "
                                                                        : "f.yaml:4: routes[0].subjects[0]: ";

        cr_expect_eq(errors.count, 1, "%s", errors.text);
        if (routes[i].message == NULL)
            cr_expect(strncmp(errors.text, place, strlen(place)) == 0, "%s: %s", place, errors.text);
        else
            refuse_all(&routes[i], 1);
    }
}

#define LITERAL_WANTED "is a pattern; publishing needs a literal subject"

static const struct refused publishes[] = {
    {ROUTE("publish: yes\n    subjects: [a]"), "4: routes[0].publish: \"yes\" is not true or false"},
    {ROUTE("publish: 1\n    subjects: [a]"), "4: routes[0].publish: \"1\" is not true or false"},
    {ROUTE("publish: True\n    subjects: [a]"), "4: routes[0].publish: \"True\" is not true or false"},
    {ROUTE("publish:\n    subjects: [a]"), "4: routes[0].publish: has no value"},
    {ROUTE("publish: [true]\n    subjects: [a]"), "4: routes[0].publish: must be a single value, not a list"},
    {ROUTE("publish: true"), "3: routes[0].path: the route needs either subjects or allow"},
    {WITH("defaults: {publish: true}"), "3: defaults.publish: unknown key"},
    {ROUTE("subjects: [a, b]\n    publish: true"),
     "4: routes[0].subjects: a route that publishes needs exactly one subject"},
    {ROUTE("subjects: ['a.>']\n    publish: true"), "4: routes[0].subjects[0]: \"a.>\" " LITERAL_WANTED},
    {ROUTE("subjects: ['a.*.b']\n    publish: true"), "4: routes[0].subjects[0]: \"a.*.b\" " LITERAL_WANTED},
    {ROUTE("subjects: [a, '*']\n    publish: true"),
     "4: routes[0].subjects: a route that publishes needs exactly one subject\n"
     "f.yaml:4: routes[0].subjects[1]: \"*\" " LITERAL_WANTED},
};

Test(base_config_errors, publishes)
{
    REFUSE_ALL(publishes);
}

/* 33 subjects: one more than a stream may have. */
Test(base_config_errors, too_many_subjects)
{
    char yaml[2048] = ROUTE("subjects:");

    for (int i = 0; i != 33; ++i)
        snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml), "      - s%d\n", i);
    cr_expect_str_eq(refuse(yaml).text, "f.yaml:4: routes[0].subjects: has 33 entries; at most 32 are allowed\n");
}

#define ORIGIN(value) WITH("defaults: {cors: {origins: ['" value "']}}")
#define BAD_ORIGIN(value, reason)                                                                                      \
    {                                                                                                                  \
        ORIGIN(value), "3: defaults.cors.origins[0]: \"" value "\" " reason                                            \
    }

static const struct refused origins[] = {
    BAD_ORIGIN("app.example", "is not an origin: scheme://host[:port] in lower case"),
    BAD_ORIGIN("null", "is not an origin: scheme://host[:port] in lower case"),
    BAD_ORIGIN("HTTPS://app.example", "is not an origin: scheme://host[:port] in lower case"),
    BAD_ORIGIN("https:/app.example", "is not an origin: scheme://host[:port] in lower case"),
    BAD_ORIGIN("https://App.example", "has upper-case letters, which browsers never send"),
    BAD_ORIGIN("https://app.example/", "must be just scheme://host[:port], without a path or trailing '/'"),
    BAD_ORIGIN("https://u@app.example", "must be just scheme://host[:port], without a path or trailing '/'"),
    BAD_ORIGIN("https://*.example", "has a wildcard host (only a plain \"*\" is allowed)"),
    BAD_ORIGIN("https://app.example:443", "has its scheme's default port, which browsers omit"),
    BAD_ORIGIN("http://app.example:80", "has its scheme's default port, which browsers omit"),
    BAD_ORIGIN("https://app.example:0", "has a bad port (1 to 65535)"),
    BAD_ORIGIN("https://app.example:x", "has a bad port (at most 65535)"),
    BAD_ORIGIN("https://", "has no host (\"*\" is every address of this machine)"),
    {WITH("defaults: {cors: {origins: ['*'], credentials: true}}"),
     "3: defaults.cors.origins[0]: \"*\" is not allowed with credentials: true; list the origins"},
    {WITH("defaults: {cors: {origins: ['https://a', '*']}}"),
     "3: defaults.cors.origins[1]: \"*\" allows any origin and must be the only entry"},
};

Test(base_config_errors, origins)
{
    REFUSE_ALL(origins);
}

static const struct refused nats[] = {
    {WITH("nats: {url: 'http://a'}"), "3: nats.url: has a scheme that is neither nats:// nor tls://"},
    {WITH("nats: {url: 'nats://a,,nats://b'}"), "3: nats.url: has an empty entry"},
    {WITH("nats: {url: 'nats://a,'}"), "3: nats.url: has an empty entry"},
    {WITH("nats: {url: 'nats://a/b'}"), "3: nats.url: has a path, which NATS URLs do not have"},
    {WITH("nats: {url: 'nats://a:0'}"), "3: nats.url: has a bad port (1 to 65535)"},
    {WITH("nats: {url: 'nats://a:x'}"), "3: nats.url: has a bad port (at most 65535)"},
    {WITH("nats: {url: 'nats://*:4222'}"), "3: nats.url: has \"*\" as its host"},
    {WITH("nats: {password: hunter2}"), "3: nats.password: requires user"},
    {WITH("nats: {user: u, password: hunter2, token: hunter2}"),
     "3: nats.token: set only one of user/password, token and credentials"},
};

Test(base_config_errors, nats)
{
    REFUSE_ALL(nats);
}

/* Each is wrong somewhere near a secret, by whatever part of the reader finds it. */
static const char *const leaky[] = {
    WITH("nats: {password: hunter2}"),
    WITH("nats: {password: hunter2, password: hunter2}"),
    WITH("nats: {password: [hunter2]}"),
    WITH("nats: {password: {hunter2: hunter2}}"),
    WITH("nats: {passwort: hunter2}"),
    WITH("nats: {token:hunter2}"),
    WITH("nats: {token hunter2}"),
    WITH("nats: {token=hunter2}"),
    WITH("nats: {token: \"hunter2\\0\"}"),
    WITH("nats: {token: hunter2, user: hunter2}"),
    WITH("nats: {url: 'nats://u:hunter2@a:99999'}"),
    WITH("nats: {url: 'http://u:hunter2@a'}"),
    WITH("nats: {url: 'nats://u:hunter2@'}"),
    WITH("nats: {token: *hunter2}"),
    WITH("nats: {token: 'hunter2}"),
    WITH("nats:\n  token: hunter2: x"),
    WITH("nats:\n  token: @hunter2"),
    WITH("nats:\n  token: \"\\hunter2\""),
    WITH("nats: hunter2"),
};

Test(base_config_errors, secrets_stay_secret)
{
    for (size_t i = 0; i != sizeof(leaky) / sizeof(leaky[0]); ++i)
        cr_expect_null(strstr(refuse(leaky[i]).text, "hunter2"), "%s says: %s", leaky[i], refuse(leaky[i]).text);
}

Test(base_config_errors, all_that_is_wrong_is_said)
{
    struct errors errors = refuse("workers: 0\nlisten:\n  - address: nowhere\n    key: /nonexistent/key\nroutes:\n"
                                  "  - path: a\n    subjects: ['a..b']\n    retry: 1\n  - path: /b\n");

    cr_expect_eq(errors.count, 7, "%s", errors.text);
    cr_expect_not_null(strstr(errors.text, "f.yaml:1: workers: "));
    cr_expect_not_null(strstr(errors.text, "f.yaml:3: listen[0].address: "));
    cr_expect_not_null(strstr(errors.text, "f.yaml:4: listen[0].key: requires certificate"));
    cr_expect_not_null(strstr(errors.text, "f.yaml:4: listen[0].key: \"/nonexistent/key\" cannot be read: No such"));
    cr_expect_not_null(strstr(errors.text, "f.yaml:6: routes[0].path: "));
    cr_expect_not_null(strstr(errors.text, "f.yaml:8: routes[0].retry: "));
    cr_expect_not_null(strstr(errors.text, "f.yaml:9: routes[1].path: the route needs either"));

    errors = refuse("listne: []\nroutes:\n  - pth: /a\n    slow: x\n    slow: y\n");
    cr_expect_eq(errors.count, 6, "%s", errors.text);
}

/* Whatever is cut off or broken: refused with a message or taken, never a crash. */
Test(base_config_errors, damaged_files_do_no_harm)
{
    const char *yaml = "workers: 2\nlisten: &l\n  - {address: '[::1]:0'}\nnats: {url: nats://a, tls: {}}\nroutes:\n"
                       "  - path: /a/{x}\n    subjects: [\"a.{x}.>\", b]\n    cors: {origins: ['https://a']}\n"
                       "    history: {store: jetstream, stream: A}\n";
    static const char bytes[] = {':', '[', '{', '}', '*', '&', '!', '|', '-', '"', '\'', '\n', '\0', '\xff'};
    size_t len = strlen(yaml);
    char damaged[512];

    cr_assert_leq(len, sizeof(damaged));
    for (size_t i = 0; i != len; ++i) {
        struct errors errors = {0};

        config_destroy(config_parse("f.yaml", yaml, i, errors_add, &errors));
        for (size_t j = 0; j != sizeof(bytes); ++j) {
            errors = (struct errors){0};
            memcpy(damaged, yaml, len);
            damaged[i] = bytes[j];
            config_destroy(config_parse("f.yaml", damaged, len, errors_add, &errors));
        }
    }
}

Test(base_config_errors, an_alias_to_itself_ends)
{
    refuse("routes: &r\n  - *r\nlisten: *r\n");
    refuse("&a routes: *a\n");
    refuse("&a a: &b {b: *b}\n");
}

/* Two thousand routes that share a list of two thousand patterns: a file of 100 KiB, and millions of values. */
Test(base_config_errors, aliases_do_not_make_a_short_file_long)
{
    struct buffer yaml = {.bytes = NULL};
    struct errors errors;
    char *text;

    buffer_add_text(&yaml, LISTEN "routes:\n  - path: /r\n    allow: &a [");
    for (unsigned i = 0; i != 2100; ++i)
        buffer_add_text(&yaml, i != 0 ? ", a" : "a");
    buffer_add_text(&yaml, "]\n");
    for (unsigned i = 0; i != 2100; ++i)
        buffer_format(&yaml, "  - {path: /r%u, allow: *a}\n", i);
    text = buffer_take(&yaml);
    errors = refuse(text);
    cr_expect_eq(errors.count, 1);
    cr_expect_not_null(strstr(errors.text, "the file has more than 4194304 values, counting aliases"));
    free(text);
}

Test(base_config_errors, files)
{
    struct errors errors = {0};
    char *path = sandbox_path("none.yaml"), *expected;

    cr_expect_null(config_load(path, errors_add, &errors));
    expected = text_format("%s: cannot be read: No such file or directory\n", path);
    cr_expect_str_eq(errors.text, expected);
    free(expected);
    free(path);

    errors = (struct errors){0};
    cr_expect_null(config_load(sandbox_dir(), errors_add, &errors));
    cr_expect_not_null(strstr(errors.text, ": cannot be read: Is a directory\n"));

    errors = refuse("listen: [{address: '*:0', certificate: /, key: /nonexistent/key}]\n" ROUTES);
    cr_expect_str_eq(errors.text, "f.yaml:1: listen[0].certificate: \"/\" is a folder, not a file\n"
                                  "f.yaml:1: listen[0].key: \"/nonexistent/key\" cannot be read: No such file or "
                                  "directory\n");
}
