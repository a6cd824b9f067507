/* config_presence.c - the gateway's name, and the subjects on which its routes say who is there */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/config/config_check.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_value.h"
#include "proto/subject.h"

#define NAME_MAX 64
#define ROUTE_NAME "{route}"

/* /rooms/{id} as one token of a subject: rooms_id. */
static void write_route_name(const char *path, char *dst, size_t size)
{
    size_t len = 0;
    for (const char *p = path; *p != '\0' && len + 1 < size; ++p) {
        bool is_kept = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '-';
        if (is_kept)
            dst[len++] = *p;
        else if (len != 0 && dst[len - 1] != '_' && strcmp(p, "}") != 0)
            dst[len++] = '_';
    }
    while (len != 0 && dst[len - 1] == '_')
        --len;
    dst[len] = '\0';
    if (len == 0)
        snprintf(dst, size, "root");
}

static char *put_route_name(const char *subject, const char *path)
{
    char name[SUBJECT_MAX];
    const char *at = strstr(subject, ROUTE_NAME);
    if (at == NULL)
        return check_strdup(subject);
    write_route_name(path, name, sizeof(name));
    size_t size = strlen(subject) + strlen(name) + 1;
    char *whole = check_malloc(size);
    snprintf(whole, size, "%.*s%s%s", (int)(at - subject), subject, name, at + strlen(ROUTE_NAME));
    return whole;
}

static bool has_parameter_route(const struct config_route *route)
{
    bool has = false;
    for (size_t i = 0; i != route->compiled.segment_count; ++i) {
        const struct route_segment *segment = &route->compiled.segments[i];
        has |= segment->is_param && segment->len == 5 && memcmp(segment->text, "route", 5) == 0;
    }
    return has;
}

static void check_presence(const struct config_scope *scope, const struct config_route *route, const char *raw)
{
    const char *subject = route->presence, *detail, *wrong = route_check_subject(&route->compiled, subject, &detail);
    if (wrong != NULL)
        config_scope_error(scope, "presence", "%s %s", config_show(raw).text, wrong);
    else if (strpbrk(subject, "*>") != NULL)
        config_scope_error(scope, "presence", "%s is a pattern; it is published to", config_show(raw).text);
    else if (*subject == '{')
        config_scope_error(scope, "presence", "%s begins with what the client chooses", config_show(raw).text);
    else if (route_is_personal(subject))
        config_scope_error(scope, "presence",
                           "%s has a claim or a certificate's name; only {route} and the path's "
                           "parameters go there",
                           config_show(raw).text);
    else if (config_is_control_subject(subject))
        config_scope_error(scope, "presence", "%s is what gateways are told on", config_show(raw).text);
    else if (strstr(raw, ROUTE_NAME) != NULL && has_parameter_route(route))
        config_scope_error(scope, "presence", "{route} is a parameter of this path, and the name of the route here");
}

void config_read_presence(const struct config_scope *scope, const char *own, const char *inherited,
                          struct config_route *route)
{
    const char *raw = own != NULL ? own : inherited;
    if (own != NULL && route->publish)
        config_scope_error(scope, "presence", "goes with streams; nobody stays on a route that publishes");
    if (raw == NULL || route->publish || strcmp(raw, "none") == 0)
        return;
    route->presence = put_route_name(raw, route->path);
    check_presence(scope, route, raw);
}

/* Each message of a route is held against them, so there are few. */
void config_check_presences(const struct config_scope *top, const struct config *config)
{
    unsigned distinct = 0;
    for (unsigned i = 0; i != config->routes_count; ++i) {
        const char *presence = config->routes[i].presence;
        bool is_known = presence == NULL;
        char key[48];
        for (unsigned j = 0; j != i && !is_known; ++j)
            is_known = config->routes[j].presence != NULL && strcmp(config->routes[j].presence, presence) == 0;
        distinct += !is_known;
        snprintf(key, sizeof(key), "routes[%u].presence", i);
        if (!is_known && distinct == CONFIG_PRESENCES_MAX + 1)
            config_scope_error(top, key, "%s is one subject too many; at most %d are possible",
                               config_show(presence).text, CONFIG_PRESENCES_MAX);
    }
}

char *config_read_gateway_name(const struct config_scope *scope, const char *name)
{
    if (name == NULL)
        return NULL;
    enum subject_verdict verdict = subject_check_literal(name, strlen(name));
    if (verdict != SUBJECT_OK)
        config_scope_error(scope, "name", "%s %s; it is one token of a subject", config_show(name).text,
                           subject_verdict_text(verdict));
    else if (strchr(name, '.') != NULL)
        config_scope_error(scope, "name", "%s has a '.'; it is one token of a subject", config_show(name).text);
    else if (strlen(name) > NAME_MAX)
        config_scope_error(scope, "name", "%s is longer than %d bytes", config_show(name).text, NAME_MAX);
    return check_strdup(name);
}
