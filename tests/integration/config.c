/* config.c - the command line, the configuration check and the exit codes */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/gateway_fixture.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

TestSuite(config, .timeout = 60);

#define RUN(...) gateway_run((const char *const[]){__VA_ARGS__, NULL})

/* Exit code, and the word somewhere in what it said. */
static void require_run(struct run_result result, int code, const char *word)
{
    REQUIRE(result.code == code, "exit code %d, not %d: %s%s", result.code, code, result.out, result.err);
    REQUIRE(strstr(result.out, word) != NULL || strstr(result.err, word) != NULL, "\"%s\" is not in: %s%s", word,
            result.out, result.err);
    run_result_dispose(&result);
}

static char *config_file(const char *yaml)
{
    char *path = sandbox_path("freshet.yaml");

    sandbox_write(path, yaml);
    return path;
}

static const char good[] = "listen: [{address: \"127.0.0.1:0\"}]\n"
                           "nats: {url: \"nats://127.0.0.1:4222\"}\n"
                           "routes: [{path: \"/e/{id}\", subjects: [\"e.{id}\"]}]\n";

Test(config, version_and_help)
{
    struct run_result result = RUN("--help");

    REQUIRE(result.code == 0 && result.err[0] == '\0', "%d: %s", result.code, result.err);
    REQUIRE(strstr(result.out, "--config") && strstr(result.out, "--check") && strstr(result.out, "--dev") &&
                strstr(result.out, "--version"),
            "%s", result.out);
    run_result_dispose(&result);
    result = RUN("--version");
    REQUIRE(result.code == 0 && strncmp(result.out, "freshet ", 8) == 0 && result.out[8] >= '0' && result.out[8] <= '9',
            "%d: %s", result.code, result.out);
    run_result_dispose(&result);
}

Test(config, wrong_usage_is_1_and_named)
{
    require_run(RUN("--frobnicate"), 1, "frobnicate");
    require_run(RUN("--config"), 1, "config");
    require_run(RUN("--config", "/nowhere/freshet.yaml"), 1, "/nowhere/freshet.yaml");
    require_run(RUN("--check", "--config", "/nowhere/freshet.yaml"), 1, "/nowhere/freshet.yaml");
    require_run(RUN("--check"), 1, "--config");
    require_run(gateway_run((const char *const[]){NULL}), 1, "--config");
    require_run(RUN("stray"), 1, "argument");
}

Test(config, a_good_file_passes_the_check)
{
    char *path = config_file(good), *full;
    char *yaml = text_format("workers: auto\n"
                             "listen:\n"
                             "  - {address: \"127.0.0.1:0\", certificate: %s, key: %s}\n"
                             "  - address: \"[::1]:0\"\n"
                             "nats: {url: \"nats://a:4222,nats://b:4222\", user: u, password: p}\n"
                             "defaults: {retry: 250ms, heartbeat: 8s, slow: latest}\n"
                             "routes:\n"
                             "  - path: /a\n"
                             "    allow: [\"public.>\"]\n"
                             "    history: {store: memory, events: 10, bytes: 64KiB, linger: 5m}\n"
                             "    event: header\n"
                             "    format: cloudevents\n"
                             "    cors: {origins: [\"https://app.example\"], credentials: true}\n"
                             "  - {path: /b, subjects: [\"b\"], history: {store: none}, slow: skip, format: base64}\n",
                             sandbox_certificate(), sandbox_key());
    struct run_result result = RUN("--check", "--config", path);

    REQUIRE(result.code == 0, "%d: %s%s", result.code, result.out, result.err);
    run_result_dispose(&result);
    full = config_file(yaml);
    result = RUN("--config", full, "--check");
    REQUIRE(result.code == 0, "%d: %s%s", result.code, result.out, result.err);
    run_result_dispose(&result);
    free(path);
    free(full);
    free(yaml);
}

#define LISTEN "listen: [{address: \"127.0.0.1:0\"}]\n"
#define NATS "nats: {url: \"nats://127.0.0.1:4222\"}\n"
#define ROUTE "routes: [{path: /a, subjects: [\"a\"]}]\n"
#define ROUTE_WITH(more) LISTEN NATS "routes: [{path: /a, subjects: [\"a\"], " more "}]\n"

static const struct {
    const char *yaml, *word;
} bad[] = {
    {"", "has no configuration in it"},
    {LISTEN NATS, "routes"},
    {NATS ROUTE, "listen"},
    {LISTEN NATS ROUTE "bogus: 1\n", "bogus"},
    {LISTEN NATS ROUTE "limits: {bogus: 1}\n", "bogus"},
    {LISTEN NATS ROUTE NATS, "nats"},
    {LISTEN NATS "routes: [{path: /a, subjects: [\"a\"], path: /b}]\n", "path"},
    {LISTEN NATS "routes: [{path: a, subjects: [\"a\"]}]\n", "path"},
    {LISTEN NATS "routes: [{path: \"/a/{b\", subjects: [\"a\"]}]\n", "path"},
    {LISTEN NATS "routes: [{subjects: [\"a\"]}]\n", "path"},
    {LISTEN NATS "routes: [{path: /a}]\n", "subjects"},
    {LISTEN NATS "routes: [{path: /a, subjects: [\"a..b\"]}]\n", "a..b"},
    {LISTEN NATS "routes: [{path: /a, subjects: [\"$SYS.>\"]}]\n", "$SYS.>"},
    {LISTEN NATS "routes: [{path: /a, subjects: [\"a.{id}\"]}]\n", "id"},
    {LISTEN NATS "routes: [{path: \"/a/{x}\", subjects: [\"a\"]}, {path: \"/a/{y}\", subjects: [\"b\"]}]\n", "/a/{y}"},
    {LISTEN NATS "routes: [{path: /a, allow: [\"a.>.b\"]}]\n", "a.>.b"},
    {ROUTE_WITH("retry: soon"), "soon"},
    {ROUTE_WITH("heartbeat: 15"), "heartbeat"},
    {ROUTE_WITH("history: {bytes: 4MB}"), "4MB"},
    {ROUTE_WITH("history: {events: -1}"), "events"},
    {ROUTE_WITH("history: {store: disk}"), "disk"},
    {ROUTE_WITH("history: {store: jetstream}"), "history.stream"},
    {ROUTE_WITH("history: {store: memory, stream: ORDERS}"), "history.stream"},
    {ROUTE_WITH("history: {store: jetstream, stream: a.b}"), "a.b"},
    {ROUTE_WITH("history: {store: jetstream, stream: ORDERS, live: polling}"), "polling"},
    {ROUTE_WITH("slow: never"), "never"},
    {ROUTE_WITH("event: data"), "event"},
    {ROUTE_WITH("format: xml"), "xml"},
    {ROUTE_WITH("cors: {origins: [\"*\"], credentials: true}"), "credentials"},
    {ROUTE_WITH("cors: {origins: [\"https://a.example/\"]}"), "https://a.example/"},
    {"workers: 0\n" LISTEN NATS ROUTE, "workers"},
    {"workers: many\n" LISTEN NATS ROUTE, "many"},
    {"listen: [{address: \"127.0.0.1:99999\"}]\n" NATS ROUTE, "99999"},
    {"listen: [{address: \"somewhere\"}]\n" NATS ROUTE, "somewhere"},
    {"listen: [{address: \"127.0.0.1:0\", certificate: /nowhere/a.crt, key: /nowhere/a.key}]\n" NATS ROUTE,
     "/nowhere/a.crt"},
    {"listen: [{address: \"127.0.0.1:0\", certificate: /nowhere/a.crt}]\n" NATS ROUTE, "key"},
    {LISTEN "nats: {url: \"http://127.0.0.1\"}\n" ROUTE, "nats.url"},
    {LISTEN NATS ROUTE "log: {level: loud}\n", "loud"},
    {LISTEN NATS ROUTE "\tx: y\n", ""},
    {"just text", ""},
    {"[1, 2", ""},
};

Test(config, a_bad_file_is_refused_and_what_is_wrong_named)
{
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *path = config_file(bad[i].yaml);
        struct run_result result = RUN("--check", "--config", path);
        REQUIRE(result.code == 1, "exit code %d for: %s%s", result.code, bad[i].yaml, result.err);
        REQUIRE(strstr(result.err, path) != NULL || strstr(result.out, path) != NULL, "names the file: %s", result.err);
        REQUIRE(strstr(result.err, bad[i].word) != NULL || strstr(result.out, bad[i].word) != NULL,
                "\"%s\" is not named in: %s%s\nfor: %s", bad[i].word, result.out, result.err, bad[i].yaml);
        run_result_dispose(&result);
        free(path);
    }
}

Test(config, several_mistakes_are_told_at_once)
{
    char *path = config_file(LISTEN NATS "routes:\n"
                                         "  - {path: /a, subjects: [\"a\"], retry: soon}\n"
                                         "  - {path: /b, subjects: [\"b..b\"], heartbeat: never}\n");
    struct run_result result = RUN("--check", "--config", path);

    REQUIRE(result.code == 1);
    REQUIRE(strstr(result.err, "soon") && strstr(result.err, "b..b") && strstr(result.err, "never"), "%s", result.err);
    REQUIRE(strstr(result.err, "routes[1]") != NULL, "the key path: %s", result.err);
    run_result_dispose(&result);
    free(path);
}

Test(config, a_key_of_another_certificate_is_refused)
{
    char *key = sandbox_path("other.key"), *yaml, *path, *log = sandbox_path("openssl.txt");
    char *argv[] = {"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-out",    key,       NULL};
    int status = -1;

    cr_assert(child_wait(child_start(argv, log, log), deadline_in(20000), &status) && status == 0);
    yaml = text_format("listen: [{address: \"127.0.0.1:0\", certificate: %s, key: %s}]\n" NATS ROUTE,
                       sandbox_certificate(), key);
    path = config_file(yaml);
    require_run(RUN("--check", "--config", path), 1, "key");
    require_run(RUN("--config", path), 1, "key");
    free(key);
    free(yaml);
    free(path);
    free(log);
}

Test(config, running_a_bad_file_is_1_as_well)
{
    char *path = config_file(LISTEN NATS ROUTE "bogus: 1\n");

    require_run(RUN("--config", path), 1, "bogus");
    free(path);
}

Test(config, an_address_in_use_is_2)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *yaml, *path, *port;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    port = text_format("%u", ntohs(address.sin_port));
    yaml = text_format("listen: [{address: \"127.0.0.1:%s\"}]\n" NATS ROUTE, port);
    path = config_file(yaml);
    require_run(RUN("--check", "--config", path), 0, "");
    require_run(RUN("--config", path), 2, port);
    close(fd);
    free(yaml);
    free(path);
    free(port);
}

/* Every line of the JSON log is one object with a time, a level and an event. */
Test(config, the_log_may_be_json)
{
    char *yaml = text_format("%slog: {level: debug, format: json}\n", good), *path = config_file(yaml);
    char *log = sandbox_path("json.txt"), *text = NULL, *line, *end;
    char *argv[] = {(char *)(uintptr_t)gateway_binary(), "--config", path, NULL};
    pid_t pid = child_start(argv, log, log);
    int64_t deadline = deadline_in(10000);
    unsigned lines = 0;
    int status;

    do {
        free(text);
        text = sandbox_read(log);
    } while (strstr(text, "\"ready\"") == NULL && now_ms() < deadline && (sleep_ms(5), true));
    kill(pid, SIGTERM);
    cr_assert(child_wait(pid, deadline_in(10000), &status));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x: %s", (unsigned)status, text);
    free(text);
    text = sandbox_read(log);
    for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
        json_t *object = json_loadb(line, (size_t)(end - line), 0, NULL);
        cr_assert(json_is_string(json_object_get(object, "time")) && json_is_string(json_object_get(object, "level")) &&
                      json_is_string(json_object_get(object, "event")),
                  "%.*s", (int)(end - line), line);
        json_decref(object);
    }
    cr_assert_geq(lines, 3, "%s", text);
    cr_assert_eq(*line, '\0', "the last line is whole");
    free(yaml);
    free(path);
    free(log);
    free(text);
}
