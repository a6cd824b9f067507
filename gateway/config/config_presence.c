/* config_presence.c - the subjects on which the routes of a configuration say who is there */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_presence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_text.h"
#include "proto/subject.h"

#define ROUTE_NAME "{route}"

/* /rooms/{id} as one token of a subject: rooms_id. */
static void write_route_name(const char *path, char *dst, size_t size)
{
    size_t len = 0;
    for (const char *p = path; *p != '\0' && len + 1 < size; ++p) {
        /* No '_' in front: the name may be the subject's first token, where that is reserved. */
        bool is_kept = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '-';
        if (is_kept)
            dst[len++] = *p;
        else if (len != 0 && dst[len - 1] != '_' && strcmp(p, "}") != 0)
            dst[len++] = '_';
    }
    while (len != 0 && dst[len - 1] == '_')
        --len;
    dst[len] = '\0';
    if (len == 0) /* "/": a token must not be empty */
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

static void check_presence(const struct config_scope *scope, const struct config_route *route, const char *written)
{
    const char *subject = route->presence, *detail, *wrong = route_check_subject(&route->compiled, subject, &detail);
    if (wrong != NULL)
        config_report_key(scope, "presence", "%s %s", config_report_quote(written).text, wrong);
    else if (strpbrk(subject, "*>") != NULL)
        config_report_key(scope, "presence", "%s is a pattern; presence needs a literal subject",
                          config_report_quote(written).text);
    else if (route_is_personal(subject))
        config_report_key(scope, "presence",
                          "%s uses a claim or a certificate name; only {route} and path parameters are allowed",
                          config_report_quote(written).text);
    else if (*subject == '{') /* a path's segment may be $SYS or _INBOX */
        config_report_key(scope, "presence", "%s must not begin with a path parameter",
                          config_report_quote(written).text);
    else if (config_text_is_control(subject)) /* a gateway would take it for a revocation */
        config_report_key(scope, "presence", "%s is reserved for gateways", config_report_quote(written).text);
    else if (strstr(written, ROUTE_NAME) != NULL && has_parameter_route(route))
        config_report_key(scope, "presence", "{route} is ambiguous: this path has a parameter of that name");
}

void config_presence_check(const struct config_scope *scope, struct config_route *route)
{
    char *written = route->presence;
    CHECK(route->path != NULL && *route->path == '/');
    /* a route that publishes may inherit one, for its defaults are those of all routes; it may not ask for one */
    if (route->publish && config_report_has(scope, "presence"))
        config_report_key(scope, "presence", "is for routes with streams; a route that publishes has none");
    route->presence = NULL;
    if (written != NULL && !route->publish && strcmp(written, "none") != 0) {
        route->presence = put_route_name(written, route->path);
        check_presence(scope, route, written);
    }
    free(written);
}
