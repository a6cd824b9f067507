/* admin_token.c - with a token the admin listener answers only requests that carry it; probes get a bare yes or no */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

#define TOKEN "s3cret-0123456789abcdef"

static const char yaml[] = "admin: {address: \"127.0.0.1:0\", token: \"" TOKEN "\"}\n"
                           "routes:\n  - {path: /s, subjects: [\"s\"]}\n";

static struct rig rig;
static struct http_client *client;

static void setup(void)
{
    rig_start(&rig, yaml);
    client = http_client_create_admin(rig.gateway, HTTP_H1C);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(admin_token, .init = setup, .fini = teardown, .timeout = 60);

static struct http_stream *get(const char *path, const char *header)
{
    return http_request(client, "GET", path, NULL, header, NULL);
}

Test(admin_token, opens_everything)
{
    struct http_stream *response = get("/metrics", "authorization: Bearer " TOKEN);

    REQUIRE(response->status == 200 && strstr(response->body, "freshet_build_info") != NULL);
    REQUIRE(get("/metrics", "authorization: bearer  " TOKEN)->status == 200);
    REQUIRE(get("/streams", "authorization: Bearer " TOKEN)->status == 200);
    response = get("/config", "authorization: Bearer " TOKEN);
    REQUIRE(response->status == 200 && strstr(response->body, "s3cret") == NULL);
    REQUIRE_STR(json_field(json_field(response->body, "admin"), "token"), "***");
    REQUIRE(strstr(get("/readyz", "authorization: Bearer " TOKEN)->body, "nats: ok\n") != NULL);
    response = get("/nowhere/eyJhbGciOiJFUzI1NiJ9", "authorization: Bearer " TOKEN);
    REQUIRE(response->status == 404 && strstr(response->body, "no page at /nowhere/: ") != NULL, "%s", response->body);
}

Test(admin_token, without_it_there_is_nothing_to_see)
{
    static const char *const wrong[] = {
        "authorization: Bearer s3cret-0123456789abcdeF",
        "authorization: Bearer s3cret-0123456789abcde",
        "authorization: Bearer " TOKEN "0",
        "authorization: Bearer " TOKEN TOKEN,
        "authorization: Bearer ",
        "authorization: Bearer",
        "authorization: Basic " TOKEN,
        "authorization: " TOKEN,
        "x-authorization: Bearer " TOKEN,
        "cookie: freshet_token=" TOKEN,
    };
    static const char with_query[] = "/metrics?access_token=" TOKEN;
    static const char *const paths[] = {"/metrics", "/streams", "/config", "/", "/nowhere", with_query};

    for (size_t i = 0; i != sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct http_stream *response = get("/metrics", wrong[i]);
        REQUIRE(response->status == 401, "%s: %d", wrong[i], response->status);
        REQUIRE_STR(http_header(response, "www-authenticate"), "Bearer realm=\"freshet admin\"");
        REQUIRE(strstr(response->body, "s3cret") == NULL && strstr(response->body, "freshet_") == NULL);
    }
    for (size_t i = 0; i != sizeof(paths) / sizeof(paths[0]); i++)
        REQUIRE(get(paths[i], NULL)->status == 401, "%s", paths[i]);
    REQUIRE(http_request(client, "POST", "/metrics", "x", NULL)->status == 401);
    REQUIRE(gateway_wait_log(rig.gateway, "admin-refused", 5000));
    char *log = gateway_log(rig.gateway);
    REQUIRE(strstr(log, "s3cret") == NULL);
    free(log);
}

static bool waits_for_status(const char *path, int status)
{
    int64_t deadline = deadline_in(10000);

    while (get(path, NULL)->status != status) {
        if (now_ms() > deadline)
            return false;
        http_pump(client, 20);
    }
    return true;
}

Test(admin_token, probes_learn_whether_but_not_why)
{
    struct http_stream *response;

    REQUIRE_STR(get("/livez", NULL)->body, "alive\n");
    REQUIRE_STR(get("/readyz", NULL)->body, "ready\n");
    nats_fixture_kill(rig.nats);
    REQUIRE(waits_for_status("/readyz", 503));
    response = get("/readyz", "authorization: Bearer wrong-wrong-wrong-wrong");
    REQUIRE(response->status == 503 && strstr(response->body, "NATS") == NULL, "%s", response->body);
    response = get("/readyz", "authorization: Bearer " TOKEN);
    REQUIRE(response->status == 503 && strstr(response->body, "NATS") != NULL, "%s", response->body);
    REQUIRE(get("/livez", NULL)->status == 200);
}
