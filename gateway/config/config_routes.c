/* config_routes.c - the routes of a configuration: defaults filled in, templates compiled, conflicts found */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_schema.h"
#include "gateway/config/config_value.h"
#include "gateway/config/options.h"
#include "proto/subject.h"

#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
/* What servers take. */
#define STREAM_NAME_MAX 255

static char **copy_strings(const char *const *from, unsigned count)
{
    char **to = check_calloc(count, sizeof(*to));

    for (unsigned i = 0; i != count; ++i)
        to[i] = check_strdup(from[i]);
    return to;
}

static void check_cors(const struct config_scope *scope, const struct raw_cors *cors)
{
    for (unsigned i = 0; i != cors->origins_count; ++i) {
        const char *origin = cors->origins[i], *wrong = config_check_origin(origin);
        bool is_any = strcmp(origin, "*") == 0;
        char key[32];

        snprintf(key, sizeof(key), "cors.origins[%u]", i);
        if (wrong != NULL)
            config_scope_error(scope, key, "%s %s", config_show(origin).text, wrong);
        else if (is_any && cors->origins_count != 1)
            config_scope_error(scope, key, "\"*\" is any origin and stands alone");
        else if (is_any && cors->credentials)
            config_scope_error(scope, key, "\"*\" is not possible with credentials: true; list the origins");
    }
}

/* As a server names its streams: they become tokens of subjects, and folders. */
static void check_stream_name(const struct config_scope *scope, const char *name)
{
    bool has_control = false;

    for (const char *p = name; *p != '\0'; ++p)
        has_control |= (unsigned char)*p < 0x20 || *p == 0x7f;
    if (has_control || strpbrk(name, " .*>/\\") != NULL)
        config_scope_error(scope, "history.stream",
                           "%s is no name of a stream: it has a blank, '.', '*', '>', '/', '\\' or a control byte",
                           config_show(name).text);
    else if (strlen(name) > STREAM_NAME_MAX)
        config_scope_error(scope, "history.stream", "%s is longer than %d bytes", config_show(name).text,
                           STREAM_NAME_MAX);
}

/* The name of the stream stays where raw keeps it. */
static void apply_store(const struct config_scope *scope, const struct raw_policy *raw, struct config_history *history)
{
    if (raw->history.store != NULL)
        history->store = *raw->history.store;
    if (history->store != POLICY_STORE_JETSTREAM && raw->history.stream != NULL)
        config_scope_error(scope, "history.stream", "goes with \"store: jetstream\" only");
    if (history->store != POLICY_STORE_JETSTREAM && raw->history.live != NULL)
        config_scope_error(scope, "history.live", "goes with \"store: jetstream\" only");
    if (raw->history.stream != NULL) {
        check_stream_name(scope, raw->history.stream);
        history->stream = (char *)(uintptr_t)raw->history.stream;
    }
    if (raw->history.live != NULL)
        history->live = *raw->history.live;
}

/* A route that keeps its history elsewhere has nothing of the JetStream that defaults may name. */
static void settle_store(const struct config_scope *scope, struct config_history *history)
{
    if (history->store != POLICY_STORE_JETSTREAM) {
        history->stream = NULL;
        history->live = CONFIG_LIVE_CONSUMER;
    } else if (history->stream == NULL) {
        config_scope_error(scope, "history.stream", "is missing; \"store: jetstream\" needs the name of a stream");
    } else {
        history->stream = check_strdup(history->stream);
    }
}

/* What a route has of its own, or from defaults, but never mixed. Stays where raw keeps it. */
struct replaced {
    const struct raw_cors *cors;
    const struct raw_auth *auth;
    const char *presence;
};

/* What raw has goes over what route has. */
static void apply_policy(const struct config_scope *scope, const struct raw_policy *raw, struct config_route *route,
                         struct replaced *replaced)
{
    static const struct config_range retry = {SECOND / 10, HOUR, false, "100ms to 1h"};
    static const struct config_range heartbeat = {SECOND, HOUR, true, "1s to 1h, or 0 for never"};
    static const struct config_range events = {1, 1000000, false, "1 to 1000000"};
    static const struct config_range bytes = {1 << 10, 1 << 30, false, "1KiB to 1GiB"};
    static const struct config_range linger = {0, 24 * HOUR, true, "0 to 24h"};
    uint64_t count = route->history.events;

    config_read_duration(scope, "retry", raw->retry, &retry, &route->retry_ms);
    config_read_duration(scope, "heartbeat", raw->heartbeat, &heartbeat, &route->heartbeat_ms);
    config_read_number(scope, "history.events", raw->history.events, &events, &count);
    route->history.events = (uint32_t)count;
    config_read_size(scope, "history.bytes", raw->history.bytes, &bytes, &route->history.bytes);
    config_read_duration(scope, "history.linger", raw->history.linger, &linger, &route->history.linger_ms);
    apply_store(scope, raw, &route->history);
    if (raw->slow != NULL)
        route->slow = *raw->slow;
    if (raw->event != NULL)
        route->event = *raw->event;
    if (raw->format != NULL)
        route->format = *raw->format;
    if (raw->cors != NULL) {
        check_cors(scope, raw->cors);
        replaced->cors = raw->cors;
    }
    if (raw->auth != NULL)
        replaced->auth = raw->auth;
    if (raw->presence != NULL)
        replaced->presence = raw->presence;
}

/* The words that options.def has for choices are the enums' zeros, which base_config's tests hold it to. */
static void apply_builtins(const struct config_scope *scope, struct config_route *route)
{
    const struct raw_policy builtins = {
        .retry = options_builtin("defaults.retry"),
        .heartbeat = options_builtin("defaults.heartbeat"),
        .history.events = options_builtin("defaults.history.events"),
        .history.bytes = options_builtin("defaults.history.bytes"),
        .history.linger = options_builtin("defaults.history.linger"),
    };

    apply_policy(scope, &builtins, route, NULL);
}

static void check_control(const struct config_scope *scope, const char *key, const char *pattern)
{
    if (config_is_control_subject(pattern))
        config_scope_error(scope, key, "%s is the gateways' own; no stream carries it, and nobody publishes there",
                           config_show(pattern).text);
}

static bool any_client_ca(const struct config *config)
{
    bool any = false;

    for (unsigned i = 0; i != config->listen_count; ++i)
        any |= config->listen[i].client_ca != NULL;
    return any;
}

static void check_subject(const struct config_scope *scope, const struct config *config,
                          const struct config_route *route, unsigned i)
{
    const char *subject = route->subjects[i], *detail, *wrong;
    char key[32];

    snprintf(key, sizeof(key), "subjects[%u]", i);
    wrong = route_check_subject(&route->compiled, subject, &detail);
    if (wrong != NULL && strcmp(detail, subject) != 0)
        config_scope_error(scope, key, "%s %s (at %s)", config_show(subject).text, wrong, config_show(detail).text);
    else if (wrong != NULL)
        config_scope_error(scope, key, "%s %s", config_show(subject).text, wrong);
    else
        check_control(scope, key, subject);
    if (wrong == NULL)
        config_check_claims(scope, key, subject, &route->auth, any_client_ca(config));
    for (unsigned j = 0; j != i; ++j) {
        if (strcmp(subject, route->subjects[j]) == 0)
            config_scope_error(scope, key, "%s is listed already", config_show(subject).text);
    }
}

static void check_allow(const struct config_scope *scope, const char *pattern, unsigned i)
{
    enum subject_verdict verdict = subject_check_pattern(pattern, strlen(pattern));
    char key[32];

    snprintf(key, sizeof(key), "allow[%u]", i);
    if (verdict != SUBJECT_OK)
        config_scope_error(scope, key, "%s %s", config_show(pattern).text, subject_verdict_text(verdict));
    else if (config_is_control_subject(pattern))
        check_control(scope, key, pattern);
    else if (strpbrk(pattern, "{}") != NULL)
        config_scope_error(scope, key, "%s has a brace; path parameters only go into subjects",
                           config_show(pattern).text);
}

static void read_subjects(const struct config_scope *scope, const struct raw_route *raw, struct config_route *route)
{
    route->subjects = copy_strings(raw->subjects, raw->subjects_count);
    route->subjects_count = raw->subjects_count;
    route->allow = copy_strings(raw->allow, raw->allow_count);
    route->allow_count = raw->allow_count;
    if (raw->subjects_count == 0 && raw->allow_count == 0)
        config_scope_error(scope, "path", "the route has neither subjects nor allow; it takes one of them");
    if (raw->subjects_count != 0 && raw->allow_count != 0)
        config_scope_error(scope, "allow", "the route has subjects too; it takes only one of them");
    for (unsigned i = 0; i != raw->allow_count; ++i)
        check_allow(scope, raw->allow[i], i);
}

/* A message goes to one subject: what the route stands for has to be literal once it is expanded. */
static void check_publish(const struct config_scope *scope, const struct config_route *route)
{
    if (route->subjects_count > 1)
        config_scope_error(scope, "subjects", "a route that publishes has exactly one subject");
    for (unsigned i = 0; i != route->subjects_count; ++i) {
        char key[32];

        snprintf(key, sizeof(key), "subjects[%u]", i);
        if (strpbrk(route->subjects[i], "*>") != NULL)
            config_scope_error(scope, key, "%s is a pattern; publishing takes a literal subject",
                               config_show(route->subjects[i]).text);
    }
}

static void read_replaced(const struct config_scope *scope, const struct replaced *replaced, struct config *config,
                          struct config_route *route)
{
    const struct raw_cors *cors = replaced->cors;

    if (cors != NULL) {
        route->cors.origins = copy_strings(cors->origins, cors->origins_count);
        route->cors.origins_count = cors->origins_count;
        route->cors.credentials = cors->credentials;
    }
    if (replaced->auth != NULL)
        config_read_auth(scope, replaced->auth, config, &route->auth);
}

static void read_headers(const struct config_scope *scope, const struct raw_route *raw, struct config_route *route)
{
    if (raw->headers_count != 0 && !raw->publish)
        config_scope_error(scope, "headers", "goes with \"publish: true\" only");
    route->headers = config_read_headers(scope, "headers", raw->headers, raw->headers_count, true);
    route->headers_count = raw->headers_count;
}

static void read_route(const struct config_scope *scope, const struct raw_route *raw, struct replaced replaced,
                       struct config *config, struct config_route *route)
{
    const char *wrong, *inherited = replaced.presence;

    route->path = check_strdup(raw->path);
    apply_policy(scope, &raw->policy, route, &replaced);
    settle_store(scope, &route->history);
    read_replaced(scope, &replaced, config, route);
    route->publish = raw->publish;
    read_headers(scope, raw, route);
    read_subjects(scope, raw, route);
    if (route->publish)
        check_publish(scope, route);
    wrong = route_compile(&route->compiled, route->path);
    if (wrong != NULL) {
        memset(&route->compiled, 0, sizeof(route->compiled));
        config_scope_error(scope, "path", "%s %s", config_show(route->path).text, wrong);
        return;
    }
    for (unsigned i = 0; i != route->subjects_count; ++i)
        check_subject(scope, config, route, i);
    config_read_presence(scope, raw->policy.presence, inherited, route);
}

/* A path that did not compile is reported already and has no segments, as otherwise only "/". */
static bool is_compiled(const struct config_route *route)
{
    return route->compiled.segment_count != 0 || strcmp(route->path, "/") == 0;
}

static void check_conflicts(const struct config_scope *top, const struct config *config)
{
    for (unsigned i = 0; i != config->routes_count; ++i) {
        for (unsigned j = 0; j != i; ++j) {
            char key[32];

            if (!is_compiled(&config->routes[i]) || !is_compiled(&config->routes[j]) ||
                !route_conflicts(&config->routes[i].compiled, &config->routes[j].compiled))
                continue;
            snprintf(key, sizeof(key), "routes[%u].path", i);
            config_scope_error(top, key, "%s takes the same requests as routes[%u].path, %s",
                               config_show(config->routes[i].path).text, j, config_show(config->routes[j].path).text);
        }
    }
}

/* By insertion: stable, which qsort is not, and there are few. */
static void sort_routes(struct config *config)
{
    for (unsigned i = 1; i < config->routes_count; ++i) {
        struct config_route route = config->routes[i];
        unsigned j = i;

        for (; j != 0 && route_compare(&route.compiled, &config->routes[j - 1].compiled) < 0; --j)
            config->routes[j] = config->routes[j - 1];
        config->routes[j] = route;
    }
}

void config_check_routes(struct config_report *report, const char *folder, const struct raw_config *raw,
                         struct config *config)
{
    const struct config_scope top = {.report = report, .folder = folder, .prefix = ""};
    struct config_scope scope = {.report = report, .folder = folder, .prefix = "defaults."};
    struct replaced replaced = {.cors = NULL};
    struct config_route defaults = {.path = NULL};

    apply_builtins(&scope, &defaults);
    apply_policy(&scope, &raw->defaults.policy, &defaults, &replaced);
    config->routes = check_calloc(raw->routes_count, sizeof(*config->routes));
    config->routes_count = raw->routes_count;
    for (unsigned i = 0; i != raw->routes_count; ++i) {
        snprintf(scope.prefix, sizeof(scope.prefix), "routes[%u].", i);
        config->routes[i] = defaults;
        read_route(&scope, &raw->routes[i], replaced, config, &config->routes[i]);
    }
    check_conflicts(&top, config);
    config_check_questions(&top, config);
    config_check_presences(&top, config);
    config_check_streams(report, config);
    sort_routes(config);
}
