/* config_routes.c - the routes of a configuration: templates compiled, contradictions found, put in order */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/config/config_presence.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_streams.h"
#include "gateway/config/config_text.h"

/* ---- what a route and defaults may both have ---- */

/* The origins themselves have been checked one by one. */
static void check_cors(const struct config_scope *scope, const struct config_cors *cors)
{
    for (unsigned i = 0; i != cors->origins_count; ++i) {
        char key[32];
        if (strcmp(cors->origins[i], "*") != 0)
            continue;
        snprintf(key, sizeof(key), "cors.origins[%u]", i);
        if (cors->origins_count != 1)
            config_report_key(scope, key, "\"*\" allows any origin and must be the only entry");
        else if (cors->credentials) /* Fetch, "CORS protocol and credentials": browsers refuse the pair */
            config_report_key(scope, key, "\"*\" is not allowed with credentials: true; list the origins");
    }
}

/* Of auth as it is written; what a route inherits is reported where defaults have it. */
static void check_auth(const struct config_scope *scope, const struct config_auth *auth)
{
    static const char *const others[] = {"auth.jwt",   "auth.request", "auth.from",   "auth.cookie",
                                         "auth.query", "auth.timeout", "auth.headers"};
    bool has_other = false;
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
        has_other |= config_report_has(scope, others[i]);
    if (auth->is_public && has_other)
        config_report_key(scope, "auth.public", "true can't be combined with other auth keys");
    if (!auth->is_public && !auth->jwt && auth->request == NULL)
        config_report_key(scope, "auth", "requires jwt, request or public: true");
}

static void check_policy(const struct config_scope *scope, const struct config_route *route)
{
    if (config_report_has(scope, "cors"))
        check_cors(scope, &route->cors);
    if (config_report_has(scope, "auth"))
        check_auth(scope, &route->auth);
}

/* ---- one route ---- */

static void settle_auth(struct config *config, struct config_auth *auth)
{
    auth->required = auth->jwt || auth->request != NULL;
    /* public: true is the same as no auth, also when a reload compares them */
    auth->is_public = false;
    if (!auth->jwt)
        return;
    CHECK(auth->keys_file != NULL && auth->cookie != NULL && auth->query != NULL);
    if (auth->from == 0)
        auth->from = CONFIG_FROM_HEADER | CONFIG_FROM_COOKIE | CONFIG_FROM_QUERY;
    /* Routes that name one file share its keys, and the streams that each token may have. */
    for (auth->keys = 0; auth->keys != config->key_files_count; ++auth->keys) {
        if (strcmp(config->key_files[auth->keys], auth->keys_file) == 0)
            return;
    }
    config->key_files = check_realloc(config->key_files, (config->key_files_count + 1) * sizeof(*config->key_files));
    config->key_files[config->key_files_count++] = auth->keys_file;
}

static bool has_client_ca(const struct config *config)
{
    bool has = false;
    for (unsigned i = 0; i != config->listen_count; ++i)
        has |= config->listen[i].client_ca != NULL;
    return has;
}

/* The route has to ask for the token or certificate that its subject template takes values from. */
static void check_claims(const struct config_scope *scope, const char *key, const char *subject,
                         const struct config_auth *auth, const struct config *config)
{
    if (strstr(subject, "{token.") != NULL && !auth->jwt)
        config_report_key(scope, key, "%s uses a token claim, but the route's auth has no jwt",
                          config_report_quote(subject).text);
    /* One listener is enough: on the others the route answers 403. */
    if (strstr(subject, "{certificate.") != NULL && !has_client_ca(config))
        config_report_key(scope, key, "%s uses a certificate name, but no listener has a client_ca",
                          config_report_quote(subject).text);
}

static void check_subject(const struct config_scope *scope, const struct config *config,
                          const struct config_route *route, unsigned i)
{
    const char *subject = route->subjects[i], *detail, *wrong;
    struct config_quoted quoted = config_report_quote(subject);
    char key[32];
    snprintf(key, sizeof(key), "subjects[%u]", i);
    wrong = route_check_subject(&route->compiled, subject, &detail);
    if (wrong != NULL && strcmp(detail, subject) != 0)
        config_report_key(scope, key, "%s %s (at %s)", quoted.text, wrong, config_report_quote(detail).text);
    else if (wrong != NULL)
        config_report_key(scope, key, "%s %s", quoted.text, wrong);
    else if (config_text_is_control(subject))
        config_report_key(scope, key, "%s is reserved for gateways; clients can't read it or publish to it",
                          quoted.text);
    if (wrong == NULL)
        check_claims(scope, key, subject, &route->auth, config);
}

/* A message goes to one subject: what the route stands for has to be literal once it is expanded. */
static void check_publish(const struct config_scope *scope, const struct config_route *route)
{
    if (route->subjects_count > 1)
        config_report_key(scope, "subjects", "a route that publishes needs exactly one subject");
    for (unsigned i = 0; i != route->subjects_count; ++i) {
        char key[32];
        snprintf(key, sizeof(key), "subjects[%u]", i);
        if (strpbrk(route->subjects[i], "*>") != NULL)
            config_report_key(scope, key, "%s is a pattern; publishing needs a literal subject",
                              config_report_quote(route->subjects[i]).text);
    }
}

static void check_sources(const struct config_scope *scope, const struct config_route *route)
{
    if (route->history.store == POLICY_STORE_JETSTREAM && route->history.stream == NULL)
        config_report_key(scope, "history.stream", "is missing; \"store: jetstream\" requires a stream name");
    if (route->subjects_count == 0 && route->allow_count == 0)
        config_report_key(scope, "path", "the route needs either subjects or allow");
    if (route->subjects_count != 0 && route->allow_count != 0)
        config_report_key(scope, "allow", "the route can't have both subjects and allow");
    if (route->publish)
        check_publish(scope, route);
}

static void check_route(const struct config_scope *scope, struct config *config, struct config_route *route)
{
    CHECK(route->path != NULL && route->compiled.segment_count == 0);
    check_policy(scope, route);
    settle_auth(config, &route->auth);
    check_sources(scope, route);
    const char *wrong = route_compile(&route->compiled, route->path);
    if (wrong != NULL) {
        memset(&route->compiled, 0, sizeof(route->compiled)); /* its first segments may conflict with other paths */
        config_report_key(scope, "path", "%s %s", config_report_quote(route->path).text, wrong);
        return;
    }
    for (unsigned i = 0; i != route->subjects_count; ++i)
        check_subject(scope, config, route, i);
    config_presence_check(scope, route);
}

/* ---- all routes ---- */

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
            config_report_key(top, key, "%s matches the same requests as routes[%u].path, %s",
                              config_report_quote(config->routes[i].path).text, j,
                              config_report_quote(config->routes[j].path).text);
        }
    }
}

/* The member at that offset is a subject; each message of a route is held against all of them, so there are few. */
static void check_few(const struct config_scope *top, const struct config *config, const char *key, size_t offset,
                      unsigned most)
{
    unsigned distinct = 0;
    CHECK(offset <= sizeof(struct config_route) - sizeof(char *));
    for (unsigned i = 0; i != config->routes_count; ++i) {
        const char *subject, *other;
        memcpy(&subject, (const char *)&config->routes[i] + offset, sizeof(subject));
        bool is_known = subject == NULL;
        for (unsigned j = 0; j != i && !is_known; ++j) {
            memcpy(&other, (const char *)&config->routes[j] + offset, sizeof(other));
            is_known = other != NULL && strcmp(other, subject) == 0;
        }
        distinct += !is_known;
        char path[48];
        snprintf(path, sizeof(path), "routes[%u].%s", i, key);
        if (!is_known && distinct == most + 1)
            config_report_key(top, path, "%s exceeds the limit of %u different subjects",
                              config_report_quote(subject).text, most);
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

void config_routes_check(struct config_report *report, struct config *config)
{
    const struct config_scope top = {.report = report, .prefix = ""};
    struct config_scope scope = {.report = report, .prefix = "defaults."};
    CHECK(config->defaults.path == NULL && config->key_files_count == 0);
    check_policy(&scope, &config->defaults);
    for (unsigned i = 0; i != config->routes_count; ++i) {
        snprintf(scope.prefix, sizeof(scope.prefix), "routes[%u].", i);
        check_route(&scope, config, &config->routes[i]);
    }
    check_conflicts(&top, config);
    check_few(&top, config, "auth.request", offsetof(struct config_route, auth.request), CONFIG_QUESTIONS_MAX);
    check_few(&top, config, "presence", offsetof(struct config_route, presence), CONFIG_PRESENCES_MAX);
    config_streams_check(report, config);
    /* Last: until here messages name a route by its place in the file. */
    sort_routes(config);
}
