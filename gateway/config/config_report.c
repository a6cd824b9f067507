/* config_report.c - tells what is wrong in a configuration file, and where */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct config_shown config_show(const char *value)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    struct config_shown shown;
    size_t room = sizeof(shown.text) - sizeof(ellipsis) - 2, len = strlen(value), keep = len < room ? len : room;

    /* Not in the middle of a character. */
    while (keep < len && keep != 0 && ((unsigned char)value[keep] & 0xc0) == 0x80)
        --keep;
    snprintf(shown.text, sizeof(shown.text), "\"%.*s%s\"", (int)keep, value, keep < len ? ellipsis : "");
    for (char *p = shown.text; *p != '\0'; ++p) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return shown;
}

/* The value of a mapping's key and the line of the key; NULL when it has none such. */
static yaml_node_t *find_key(yaml_document_t *document, const yaml_node_t *mapping, const char *key, size_t len,
                             size_t *line)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair != mapping->data.mapping.pairs.top; ++pair) {
        yaml_node_t *found = yaml_document_get_node(document, pair->key);

        if (found->type != YAML_SCALAR_NODE || found->data.scalar.length != len ||
            memcmp(found->data.scalar.value, key, len) != 0)
            continue;
        *line = found->start_mark.line + 1;
        return yaml_document_get_node(document, pair->value);
    }
    return NULL;
}

static yaml_node_t *find_item(yaml_document_t *document, const yaml_node_t *sequence, unsigned long index, size_t *line)
{
    yaml_node_t *found;

    if (sequence->type != YAML_SEQUENCE_NODE ||
        index >= (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start))
        return NULL;
    found = yaml_document_get_node(document, sequence->data.sequence.items.start[index]);
    *line = found->start_mark.line + 1;
    return found;
}

/* Goes down as far as the file has what the path names. */
static size_t find_line(yaml_document_t *document, const char *path)
{
    yaml_node_t *node = document != NULL ? yaml_document_get_root_node(document) : NULL;
    size_t line = node != NULL ? node->start_mark.line + 1 : 0;

    while (node != NULL && *path != '\0') {
        if (*path == '[') {
            char *end;

            node = find_item(document, node, strtoul(path + 1, &end, 10), &line);
            path = end + 1;
        } else {
            size_t len = strcspn(path, ".[");

            node = find_key(document, node, path, len, &line);
            path += len;
        }
        path += *path == '.';
    }
    return line;
}

__attribute__((format(printf, 4, 0))) static void report(struct config_report *report, size_t line, const char *path,
                                                         const char *format, va_list args)
{
    char message[2048], number[24] = "";
    int len;

    if (line != 0)
        snprintf(number, sizeof(number), "%zu:", line);
    len = snprintf(message, sizeof(message), "%.1000s:%s %s%s", report->name, number, path, *path != '\0' ? ": " : "");
    if (len > 0 && (size_t)len < sizeof(message))
        vsnprintf(message + len, sizeof(message) - (size_t)len, format, args);
    ++report->count;
    report->on_error(report->arg, message);
}

void config_report(struct config_report *to, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(to, find_line(to->document, path), path, format, args);
    va_end(args);
}

void config_report_at(struct config_report *to, size_t line, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(to, line, path, format, args);
    va_end(args);
}
