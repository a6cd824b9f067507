/* config.c - fuzzes the configuration: errors are reported, and accepted files are valid */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"

struct errors {
    unsigned count;
};

/* One line each, which names the file, and which a terminal can show. */
static void on_error(void *arg, const char *message)
{
    struct errors *errors = arg;

    ++errors->count;
    FUZZ_CHECK(strncmp(message, "f.yaml:", 7) == 0 && message[7] != '\0');
    for (const char *p = message; *p != '\0'; ++p)
        FUZZ_CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void check_patterns(char *const *patterns, unsigned count)
{
    for (unsigned i = 0; i != count; ++i)
        FUZZ_CHECK(subject_check_pattern(patterns[i], strlen(patterns[i])) == SUBJECT_OK);
}

static void check_route(const struct config *config, const struct config_route *route)
{
    const struct config_history *history = &route->history;
    struct route again;
    const char *detail;

    FUZZ_CHECK(route_compile(&again, route->path) == NULL && route_compare(&again, &route->compiled) == 0);
    FUZZ_CHECK((route->subjects_count != 0) != (route->allow_count != 0));
    FUZZ_CHECK(!route->publish || route->subjects_count <= 1);
    for (unsigned i = 0; i != route->subjects_count; ++i) {
        FUZZ_CHECK(route_check_subject(&route->compiled, route->subjects[i], &detail) == NULL);
        FUZZ_CHECK(!route->publish || strpbrk(route->subjects[i], "*>") == NULL);
    }
    check_patterns(route->allow, route->allow_count);
    FUZZ_CHECK(route->heartbeat_ms >= 0 && route->retry_ms >= 0);
    FUZZ_CHECK((history->store == POLICY_STORE_JETSTREAM) == (history->stream != NULL));
    FUZZ_CHECK(history->source <= config->streams_count);
    if (history->source != 0)
        FUZZ_CHECK(history->stream != NULL && strcmp(config->streams[history->source - 1].name, history->stream) == 0);
    /* Credentials with "*" would let a page of any origin act with the user's cookies. */
    for (unsigned i = 0; route->cors.credentials && i != route->cors.origins_count; ++i)
        FUZZ_CHECK(strcmp(route->cors.origins[i], "*") != 0);
    FUZZ_CHECK(route->auth.required || (!route->auth.jwt && route->auth.request == NULL));
    FUZZ_CHECK(!route->auth.required || route->auth.jwt || route->auth.request != NULL);
    FUZZ_CHECK(!route->auth.jwt || route->auth.keys < config->key_files_count);
}

static void check_config(const struct config *config)
{
    FUZZ_CHECK(config->workers >= 1 && config->workers <= 64);
    for (unsigned i = 0; i != config->listen_count; ++i)
        FUZZ_CHECK((config->listen[i].certificate != NULL) == (config->listen[i].key != NULL));
    for (unsigned i = 0; i != config->routes_count; ++i) {
        check_route(config, &config->routes[i]);
        if (i != 0)
            FUZZ_CHECK(route_compare(&config->routes[i - 1].compiled, &config->routes[i].compiled) < 0);
    }
    FUZZ_CHECK(config->streams_count <= CONFIG_STREAMS_MAX);
    FUZZ_CHECK(config->limits.streams <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text yaml = fuzz_rest(&input);
    struct errors errors = {0};
    struct config *config = config_parse("f.yaml", yaml.s, yaml.len, on_error, &errors);

    FUZZ_CHECK((config == NULL) == (errors.count != 0));
    if (config != NULL)
        check_config(config);
    config_destroy(config);
    free(yaml.s);
    return 0;
}
