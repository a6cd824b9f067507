/* reserved_subjects.c - the subjects that a configuration reserves */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/reserved_subjects.h"

#include <string.h>

#include "gateway/config/config.h"
#include "gateway/core/reserved.h"
#include "proto/subject.h"

/* freshet.presence.{id} as a pattern: freshet.presence.*. The template is checked: braces enclose whole tokens. */
static void write_pattern(const char *subject_template, char dst[static SUBJECT_MAX + 1])
{
    size_t len = 0;
    for (const char *p = subject_template; *p != '\0' && len != SUBJECT_MAX; ++p) {
        dst[len++] = *p == '{' ? '*' : *p;
        if (*p == '{')
            p = strchr(p, '}');
    }
    dst[len] = '\0';
}

static bool reserve_presence(const char *subject_template)
{
    char pattern[SUBJECT_MAX + 1];
    write_pattern(subject_template, pattern);
    return reserved_declare(pattern);
}

bool reserved_subjects_declare(const struct config *config)
{
    bool ok = true;
    for (unsigned i = 0; i != config->routes_count; ++i) {
        const struct config_route *route = &config->routes[i];
        ok = ok && (route->auth.request == NULL || reserved_declare(route->auth.request));
        ok = ok && (route->presence == NULL || reserve_presence(route->presence));
    }
    return ok;
}
