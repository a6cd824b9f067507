/* config_access.c - access rules, as the configuration states them */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include <stdlib.h>

#include "gateway/config/config_reload.h"
#include "tests/support/sandbox.h"

#define ROUTE(keys) LISTEN "routes:\n  - path: /a/{id}\n    subjects: [a]\n    " keys "\n"

static struct errors errors;
static char *keys; /* some readable file */

static void make_file(void)
{
    keys = sandbox_path("keys.jwks");
    sandbox_write(keys, "{}");
}
TestSuite(base_config_access, .init = make_file);

/* KEYS in the text stands for the file. */
static struct config *parse(const char *yaml)
{
    const char *mark = strstr(yaml, "KEYS");
    char *text = mark == NULL ? text_format("%s", yaml)
                              : text_format("%.*s%s%s", (int)(mark - yaml), yaml, keys, mark + strlen("KEYS"));
    struct config *config = rig_parse(text, &errors);
    free(text);
    return config;
}

static struct config *accept(const char *yaml)
{
    struct config *config = parse(yaml);

    cr_assert_not_null(config, "%s\nsays %s", yaml, errors.text);
    return config;
}

Test(base_config_access, a_token_and_its_builtins)
{
    struct config *config = accept(ROUTE("auth: {jwt: {keys: KEYS}}"));
    const struct config_auth *auth = &config->routes[0].auth;

    cr_expect(auth->required && auth->jwt && auth->request == NULL);
    cr_assert_eq(config->key_files_count, 1);
    cr_expect_str_eq(config->key_files[auth->keys], keys);
    cr_expect(auth->issuer == NULL && auth->audience == NULL);
    cr_expect_eq(auth->leeway_ms, 10000);
    cr_expect_eq(auth->from, CONFIG_FROM_HEADER | CONFIG_FROM_COOKIE | CONFIG_FROM_QUERY);
    cr_expect_str_eq(auth->cookie, "freshet_token");
    cr_expect_str_eq(auth->query, "access_token");
    config_destroy(config);
}

Test(base_config_access, everything_of_auth)
{
    struct config *config =
        accept(ROUTE("auth: {jwt: {keys: KEYS, issuer: i, audience: a, leeway: 0}, from: [query, header], "
                     "cookie: c, query: q, request: auth.freshet, timeout: 500ms, "
                     "headers: [X-Tenant, cookie]}"));
    const struct config_auth *auth = &config->routes[0].auth;

    cr_expect_str_eq(auth->issuer, "i");
    cr_expect_str_eq(auth->audience, "a");
    cr_expect_eq(auth->leeway_ms, 0);
    cr_expect_eq(auth->from, CONFIG_FROM_HEADER | CONFIG_FROM_QUERY);
    cr_expect_str_eq(auth->cookie, "c");
    cr_expect_str_eq(auth->query, "q");
    cr_expect_str_eq(auth->request, "auth.freshet");
    cr_expect_eq(auth->timeout_ms, 500);
    cr_assert_eq(auth->headers_count, 2);
    cr_expect_str_eq(auth->headers[0], "x-tenant");
    config_destroy(config);
}

/* As a whole: a mix of the two would be what no operator meant. */
Test(base_config_access, a_route_replaces_the_default)
{
    struct config *config = accept(LISTEN "defaults: {auth: {jwt: {keys: KEYS, issuer: i}}}\n"
                                          "routes:\n  - {path: /a, subjects: [a]}\n"
                                          "  - {path: /b, subjects: [b], auth: {public: true}}\n"
                                          "  - {path: /c, subjects: [c], auth: {request: ask.me}}\n");

    cr_expect(config->routes[0].auth.jwt);
    cr_expect(!config->routes[1].auth.required);
    cr_expect(config->routes[2].auth.required && !config->routes[2].auth.jwt && config->routes[2].auth.issuer == NULL);
    cr_expect_eq(config->routes[2].auth.timeout_ms, 2000);
    cr_expect_eq(config->key_files_count, 1);
    config_destroy(config);
}

/* Once, and where it is written, however many routes inherit it. */
Test(base_config_access, a_mistake_in_defaults)
{
    cr_expect_null(parse(LISTEN "defaults:\n  auth: {request: ask.me, timeout: 1h, from: [cookie]}\n"
                                "routes:\n  - {path: /a, subjects: [a]}\n  - {path: /b, subjects: [b]}\n"));
    cr_expect_str_eq(errors.text, "f.yaml:3: defaults.auth.timeout: \"1h\" is out of range: 100ms to 30s\n"
                                  "f.yaml:3: defaults.auth.from: requires auth.jwt\n");
    cr_expect_null(parse(LISTEN "defaults: {auth: {}}\nroutes: [{path: /a, subjects: [a]}]\n"));
    cr_expect_str_eq(errors.text, "f.yaml:2: defaults.auth: requires jwt, request or public: true\n");
}

/* To a reload, too, it is no auth at all. */
Test(base_config_access, public_is_the_absence_of_auth)
{
    struct config *a = accept(ROUTE("auth: {public: true}")), *b = accept(ROUTE("slow: disconnect"));

    cr_expect(config_reload_same_auth(&a->routes[0], &b->routes[0]));
    config_destroy(a);
    config_destroy(b);
}

Test(base_config_access, networks)
{
    struct config *config =
        accept("listen:\n  - address: '127.0.0.1:0'\n    proxy_protocol: [10.0.0.0/8, '2001:db8::/32', 192.0.2.1]\n"
               "    forwarded: ['::1', 0.0.0.0/0]\nroutes: [{path: /a, subjects: [a]}]\n");
    const struct config_listen *listen = &config->listen[0];
    static const uint8_t ten[16] = {[10] = 0xff, 0xff, 10};

    cr_assert_eq(listen->proxy_protocol_count, 3);
    cr_expect_eq(listen->proxy_protocol[0].bits, 104);
    cr_expect_arr_eq(listen->proxy_protocol[0].address, ten, 16);
    cr_expect_eq(listen->proxy_protocol[1].bits, 32);
    cr_expect_eq(listen->proxy_protocol[2].bits, 128);
    cr_assert_eq(listen->forwarded_count, 2);
    cr_expect_eq(listen->forwarded[0].address[15], 1);
    cr_expect_eq(listen->forwarded[1].bits, 96);
    config_destroy(config);
}

Test(base_config_access, limits)
{
    struct config *config = accept(ROUTE("slow: skip"));

    cr_expect(config->limits.connections_per_address == 0 && config->limits.memory_per_address == 0);
    cr_expect(config->limits.streams_total == 0 && config->limits.new_streams_total == 0);
    cr_expect(config->limits.streams_per_address == 0 && config->limits.streams_per_token == 0);
    cr_expect(config->limits.history_bytes == 0);
    cr_expect(config->limits.streams == 100 && config->limits.new_streams == 100 && config->limits.handshakes == 1024);
    cr_expect(config->limits.header_bytes == 8192 && config->limits.header_fields == 64);
    cr_expect(config->limits.idle_ms == 60000 && config->limits.connection_age_ms == 0);
    cr_expect_eq(config->watchdog_ms, 10000);
    config_destroy(config);
    config = accept(ROUTE("slow: skip") "watchdog: 0\nlimits: {connections_per_address: 7, new_streams_per_address: 8, "
                                        "memory_per_address: 1MiB, handshakes: 9, streams: 10, new_streams: 11, "
                                        "header_bytes: 16KiB, header_fields: 12, idle: 5s, connection_age: 1h, "
                                        "streams_per_address: 13, streams_per_token: 14, streams_total: 15, "
                                        "new_streams_total: 16, history_bytes: 17MiB}\n"
                                        "admin: {address: '0.0.0.0:0', token: 0123456789abcdef}\n");
    cr_expect(config->limits.connections_per_address == 7 && config->limits.new_streams_per_address == 8);
    cr_expect(config->limits.memory_per_address == 1 << 20 && config->limits.handshakes == 9);
    cr_expect(config->limits.streams == 10 && config->limits.new_streams == 11);
    cr_expect(config->limits.header_bytes == 16384 && config->limits.header_fields == 12);
    cr_expect(config->limits.idle_ms == 5000 && config->limits.connection_age_ms == 3600000);
    cr_expect(config->limits.streams_per_address == 13 && config->limits.streams_per_token == 14);
    cr_expect(config->limits.streams_total == 15 && config->limits.new_streams_total == 16);
    cr_expect(config->limits.history_bytes == 17 << 20);
    cr_expect(config->watchdog_ms == 0);
    cr_expect_str_eq(config->admin_token, "0123456789abcdef");
    config_destroy(config);
}

/* A parameter's name may have a dot: the stream's filter has one token there all the same. */
Test(base_config_access, claims_in_durable_subjects)
{
    struct config *config =
        accept(LISTEN "routes:\n  - path: /a\n    subjects: ['user.{token.sub}.x.>']\n"
                      "    history: {store: jetstream, stream: S}\n    auth: {jwt: {keys: KEYS}}\n");

    cr_expect_str_eq(config->streams[0].subjects[0], "user.*.x.>");
    config_destroy(config);
}

/* Each subject of a question is looked for in each message: there is an end to it. */
Test(base_config_access, too_many_questions)
{
    char yaml[8192];
    size_t len = (size_t)snprintf(yaml, sizeof(yaml), LISTEN "routes:\n");

    for (unsigned i = 0; i != CONFIG_QUESTIONS_MAX + 2; ++i)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len,
                                "  - {path: /%u, subjects: [a], auth: {request: ask.%u}}\n", i, i / 2);
    config_destroy(accept(yaml));
    for (unsigned i = 0; i != CONFIG_QUESTIONS_MAX; ++i)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len,
                                "  - {path: /b%u, subjects: [a], auth: {request: other.%u}}\n", i, i);
    cr_expect_null(parse(yaml));
    cr_expect_str_eq(errors.text, "f.yaml:52: routes[49].auth.request: \"other.15\" exceeds the limit of 32 different "
                                  "subjects\n");
}

static const struct {
    const char *yaml, *message;
} refused[] = {
    {ROUTE("auth: {}"), "f.yaml:5: routes[0].auth: requires jwt, request or public: true"},
    {ROUTE("auth: {public: true, request: a}"),
     "f.yaml:5: routes[0].auth.public: true can't be combined with other auth keys"},
    {ROUTE("auth: {jwt: {}}"), "f.yaml:5: routes[0].auth.jwt.keys: required key is missing"},
    {ROUTE("auth: {jwt: {keys: KEYS}, from: [body]}"),
     "f.yaml:5: routes[0].auth.from[0]: \"body\" is not one of header, cookie, query"},
    {ROUTE("auth: {jwt: {keys: KEYS}, query: since}"),
     "f.yaml:5: routes[0].auth.query: \"since\" is the name of a query parameter of streams"},
    {ROUTE("auth: {jwt: {keys: KEYS}, cookie: 'a b'}"),
     "f.yaml:5: routes[0].auth.cookie: \"a b\" is not a valid name "},
    {ROUTE("auth: {jwt: {keys: KEYS, leeway: 1h}}"), "f.yaml:5: routes[0].auth.jwt.leeway: \"1h\" "},
    {ROUTE("auth: {jwt: {keys: KEYS}, timeout: 1s}"), "f.yaml:5: routes[0].auth.timeout: requires auth.request"},
    {ROUTE("auth: {request: a, from: [cookie]}"), "f.yaml:5: routes[0].auth.from: requires auth.jwt"},
    {ROUTE("auth: {request: 'a.*'}"), "f.yaml:5: routes[0].auth.request: \"a.*\" has a wildcard"},
    {ROUTE("auth: {request: $SYS.x}"), "f.yaml:5: routes[0].auth.request: \"$SYS.x\" "},
    {ROUTE("auth: {request: freshet.control.ask}"),
     "f.yaml:5: routes[0].auth.request: \"freshet.control.ask\" is reserved for gateways"},
    {LISTEN "routes: [{path: /a, subjects: ['freshet.control.>']}]\n",
     "f.yaml:2: routes[0].subjects[0]: \"freshet.control.>\" is reserved for gateways"},
    {LISTEN "routes: [{path: /a, allow: [freshet.control.revoke]}]\n",
     "f.yaml:2: routes[0].allow[0]: \"freshet.control.revoke\" is reserved for gateways"},
    {ROUTE("auth: {request: a, headers: ['x y']}"),
     "f.yaml:5: routes[0].auth.headers[0]: \"x y\" is not a valid header name"},
    {ROUTE("headers: [x-a]"), "f.yaml:5: routes[0].headers: is only valid with \"publish: true\""},
    {ROUTE("publish: true\n    headers: [Nats-Expected-Stream]"),
     "f.yaml:6: routes[0].headers[0]: \"Nats-Expected-Stream\" is reserved for the broker"},
    {ROUTE("publish: true\n    headers: [x-a, X-A]"), "f.yaml:6: routes[0].headers[1]: \"X-A\" is listed twice"},
    {ROUTE("publish: true\n    headers: [cookie]"), "f.yaml:6: routes[0].headers[0]: \"cookie\" is a secret"},
    {LISTEN "routes: [{path: /a, subjects: ['u.{token.sub}']}]\n",
     "f.yaml:2: routes[0].subjects[0]: \"u.{token.sub}\" uses a token claim, but the route's auth has no jwt"},
    {LISTEN "routes: [{path: /a, subjects: ['u.{certificate.cn}']}]\n",
     "f.yaml:2: routes[0].subjects[0]: \"u.{certificate.cn}\" uses a certificate name, but no listener has a "
     "client_ca"},
    {"listen: [{address: '127.0.0.1:0', proxy_protocol: [10.0.0.1/8]}]\nroutes: [{path: /a, subjects: [a]}]\n",
     "f.yaml:1: listen[0].proxy_protocol[0]: \"10.0.0.1/8\" has host bits set after its prefix"},
    {"listen: [{address: '127.0.0.1:0', forwarded: [10.0.0.0/33]}]\nroutes: [{path: /a, subjects: [a]}]\n",
     "f.yaml:1: listen[0].forwarded[0]: \"10.0.0.0/33\" has a bad prefix length (0 to 32)"},
    {"listen: [{address: '127.0.0.1:0', forwarded: [home]}]\nroutes: [{path: /a, subjects: [a]}]\n",
     "f.yaml:1: listen[0].forwarded[0]: \"home\" is not an address or network"},
    {"listen: [{address: '127.0.0.1:0', client_ca: KEYS}]\nroutes: [{path: /a, subjects: [a]}]\n",
     "f.yaml:1: listen[0].client_ca: requires certificate"},
    {ROUTE("slow: skip") "limits: {streams: 101}\n", "f.yaml:6: limits.streams: \"101\" "},
    {ROUTE("slow: skip") "limits: {header_bytes: 17KiB}\n", "f.yaml:6: limits.header_bytes: \"17KiB\" "},
    {ROUTE("slow: skip") "watchdog: 10ms\n", "f.yaml:6: watchdog: \"10ms\" "},
    {ROUTE("slow: skip") "admin: {address: '127.0.0.1:0', token: short}\n",
     "f.yaml:6: admin.token: has to be at least 16 printable ASCII characters without blanks"},
};

Test(base_config_access, refused)
{
    for (size_t i = 0; i != sizeof(refused) / sizeof(refused[0]); ++i) {
        struct config *config = parse(refused[i].yaml);

        cr_expect_null(config, "accepted: %s", refused[i].yaml);
        cr_expect(strncmp(errors.text, refused[i].message, strlen(refused[i].message)) == 0, "case %zu says %s, not %s",
                  i, errors.text, refused[i].message);
        cr_expect(strchr(errors.text, '\n') == errors.text + strlen(errors.text) - 1, "one problem: %s", errors.text);
        config_destroy(config);
    }
}
