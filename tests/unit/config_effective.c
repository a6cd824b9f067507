/* config_effective.c - the effective configuration has every key of options.def, and no secret */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include <jansson.h>

#include "gateway/config/config_reference.h"

static json_t *effective(const char *yaml)
{
    struct config *config = rig_accept(yaml);
    json_error_t error;
    cr_assert_eq(strstr(config->effective, "s3cret"), NULL, "%s", config->effective);
    json_t *json = json_loads(config->effective, 0, &error);
    cr_assert_neq(json, NULL, "%s", error.text);
    config_destroy(config);
    return json;
}

/* The value at "routes[].history.events": the first of a list. NULL: there is no such key. */
static json_t *at(json_t *json, const char *path)
{
    while (*path != '\0') {
        char key[64];
        size_t len = strcspn(path, ".[");
        snprintf(key, sizeof(key), "%.*s", (int)len, path);
        json = json_object_get(json, key);
        path += len;
        if (strncmp(path, "[]", 2) == 0) {
            json = json_array_get(json, 0);
            path += 2;
        }
        path += *path == '.';
    }
    return json;
}

static const char *text_at(json_t *json, const char *path)
{
    const char *text = json_string_value(at(json, path));
    return text != NULL ? text : "(no text)";
}

/* Every mapping that may be left out is there. */
static const char full[] =
    "workers: 3\n"
    "listen: [{address: \"127.0.0.1:0\"}]\n"
    "admin: {address: \"127.0.0.1:0\", token: s3cret-0123456789abcdef}\n"
    "nats: {url: \"nats://me:s3cret@a:1,tls://s3cret@b:2,nats://c:3\", user: me, password: s3cret,\n"
    "       tls: {}}\n"
    "defaults:\n"
    "  retry: 3s\n"
    "  history: {store: jetstream, stream: S, events: 9}\n"
    "  cors: {origins: [\"https://a.example\"]}\n"
    "  auth: {jwt: {keys: /dev/null, leeway: 1m}}\n"
    "routes:\n"
    "  - {path: /b, subjects: [b], history: {bytes: 2MiB}}\n"
    "  - {path: /c, subjects: [c], history: {store: memory},\n"
    "     cors: {origins: [\"https://b.example\"]}, auth: {public: true}}\n"
    "  - {path: /d, subjects: [d], auth: {jwt: {keys: \"/dev/null\"}}}\n";

static size_t rows;

static void expect_row(void *json, const struct config_reference *row)
{
    cr_expect_neq(at(json, row->path), NULL, "%s", row->path);
    ++rows;
}

Test(base_config_effective, every_option_is_there)
{
    json_t *json = effective(full);
    config_reference_each(expect_row, json);
    cr_assert_gt(rows, 90);
    json_decref(json);
}

Test(base_config_effective, defaults_reach_the_routes_and_secrets_nobody)
{
    json_t *json = effective(full), *first = json_array_get(at(json, "routes"), 0),
           *second = json_array_get(at(json, "routes"), 1);
    cr_expect_eq(json_integer_value(at(json, "workers")), 3);
    cr_expect_str_eq(text_at(json, "log.level"), "info");
    cr_expect_str_eq(text_at(json, "admin.token"), "***");
    cr_expect_str_eq(text_at(json, "nats.password"), "***");
    cr_expect(json_is_null(at(json, "nats.token")));
    cr_expect_str_eq(text_at(json, "nats.user"), "me");
    cr_expect_str_eq(text_at(json, "nats.url"), "nats://***@a:1,tls://***@b:2,nats://c:3");
    cr_expect_str_eq(text_at(first, "retry"), "3s");
    cr_expect_str_eq(text_at(first, "heartbeat"), "15s");
    cr_expect_str_eq(text_at(first, "history.store"), "jetstream");
    cr_expect_str_eq(text_at(first, "history.stream"), "S");
    cr_expect_str_eq(text_at(first, "history.live"), "consumer");
    cr_expect_str_eq(text_at(first, "history.bytes"), "2MiB");
    cr_expect_eq(json_integer_value(at(first, "history.events")), 9);
    cr_expect_str_eq(text_at(first, "cors.origins[]"), "https://a.example");
    cr_expect_str_eq(text_at(first, "auth.jwt.leeway"), "1m");
    cr_expect_str_eq(text_at(second, "history.store"), "memory");
    cr_expect(json_is_null(at(second, "history.stream")));
    cr_expect_str_eq(text_at(second, "cors.origins[]"), "https://b.example");
    cr_expect(json_is_true(at(second, "auth.public")));
    cr_expect(json_is_null(at(second, "auth.jwt")));
    cr_expect_str_eq(text_at(json_array_get(at(json, "routes"), 2), "auth.jwt.leeway"), "10s");
    json_decref(json);
}
