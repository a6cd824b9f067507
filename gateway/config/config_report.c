/* config_report.c - reports what is wrong in a configuration file, and where */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "gateway/base/check.h"
#include "gateway/config/config_place.h"
#include "gateway/config/config_table.h"

struct config_quoted config_report_quote(const char *value)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    struct config_quoted quoted;
    _Static_assert(sizeof(quoted.text) > sizeof(ellipsis) + 8, "a value that is cut still shows how it begins");
    size_t room = sizeof(quoted.text) - sizeof(ellipsis) - 2, len = strlen(value), keep = len < room ? len : room;
    /* Not in the middle of a character. */
    while (keep < len && keep != 0 && ((unsigned char)value[keep] & 0xc0) == 0x80)
        --keep;
    snprintf(quoted.text, sizeof(quoted.text), "\"%.*s%s\"", (int)keep, value, keep < len ? ellipsis : "");
    /* A terminal that shows the message may obey them. */
    for (char *p = quoted.text; *p != '\0'; ++p) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return quoted;
}

static const yaml_node_t *find_item(yaml_document_t *document, const yaml_node_t *sequence, unsigned long index,
                                    size_t *line)
{
    const yaml_node_t *found;
    if (sequence->type != YAML_SEQUENCE_NODE ||
        index >= (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start))
        return NULL;
    found = yaml_document_get_node(document, sequence->data.sequence.items.start[index]);
    *line = found->start_mark.line + 1;
    return found;
}

/* Down as far as the file has what the path names; NULL: it hasn't all of it. */
static const yaml_node_t *find_node(yaml_document_t *document, const char *path, size_t *line)
{
    const yaml_node_t *node = document != NULL ? yaml_document_get_root_node(document) : NULL;
    *line = node != NULL ? node->start_mark.line + 1 : 0;
    while (node != NULL && *path != '\0') {
        if (*path == '[') {
            char *end;
            node = find_item(document, node, strtoul(path + 1, &end, 10), line);
            path = end + 1;
        } else {
            size_t len = strcspn(path, ".[");
            const yaml_node_pair_t *pair = config_place_pair(document, node, path, len);
            /* The last key that the file has gives the line, where the path names one it lacks. */
            if (pair != NULL)
                *line = yaml_document_get_node(document, pair->key)->start_mark.line + 1;
            node = pair != NULL ? yaml_document_get_node(document, pair->value) : NULL;
            path += len;
        }
        path += *path == '.';
    }
    return node;
}

__attribute__((format(printf, 4, 0))) static void report_with(struct config_report *report, size_t line,
                                                              const char *path, const char *format, va_list args)
{
    char message[2048], number[24] = "";
    CHECK(report->on_error != NULL && report->name != NULL);
    if (line != 0)
        snprintf(number, sizeof(number), "%zu:", line);
    /* The name is cut, so that it leaves room for the reason. */
    int len =
        snprintf(message, sizeof(message), "%.1000s:%s %s%s", report->name, number, path, *path != '\0' ? ": " : "");
    if (len > 0 && (size_t)len < sizeof(message))
        vsnprintf(message + len, sizeof(message) - (size_t)len, format, args);
    ++report->count;
    report->on_error(report->arg, message);
}

void config_report_at(struct config_report *report, size_t line, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_with(report, line, path, format, args);
    va_end(args);
}

static const yaml_node_t *find_key(const struct config_scope *scope, const char *key, char path[static CONFIG_PATH_MAX],
                                   size_t *line)
{
    snprintf(path, CONFIG_PATH_MAX, "%s%s", scope->prefix, key);
    return find_node(scope->report->document, path, line);
}

void config_report_key(const struct config_scope *scope, const char *key, const char *format, ...)
{
    char path[CONFIG_PATH_MAX];
    size_t line;
    va_list args;
    find_key(scope, key, path, &line);
    va_start(args, format);
    report_with(scope->report, line, path, format, args);
    va_end(args);
}

bool config_report_has(const struct config_scope *scope, const char *key)
{
    char path[CONFIG_PATH_MAX];
    size_t line;
    return find_key(scope, key, path, &line) != NULL;
}
