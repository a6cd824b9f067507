/* config_walk.c - holds a YAML document against the schema and explains each difference */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_walk.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "gateway/config/config_report.h"

struct walk {
    struct config_report *report;
    size_t len;
    char path[CONFIG_PATH_MAX];
};

static void push_key(struct walk *walk, const char *key)
{
    /*
     * Keys of the schema are plain words. An unknown one is shown up to its
     * first odd byte: "{token:secret}" is one key to YAML.
     */
    size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), room;

    room = sizeof(walk->path) - walk->len;
    walk->len += (size_t)snprintf(walk->path + walk->len, room, "%s%.*s%s", walk->len != 0 ? "." : "",
                                  len < 40 ? (int)len : 40, key, key[len] != '\0' || len > 40 ? "\xe2\x80\xa6" : "");
}

static void push_index(struct walk *walk, size_t index)
{
    walk->len += (size_t)snprintf(walk->path + walk->len, sizeof(walk->path) - walk->len, "[%zu]", index);
}

static void pop(struct walk *walk, size_t len)
{
    walk->len = len;
    walk->path[len] = '\0';
}

/* Levenshtein distance of two short words; anything long is far away. */
static size_t distance(const char *a, const char *b)
{
    size_t row[33], a_len = strlen(a), b_len = strlen(b);

    if (a_len > 32 || b_len > 32)
        return 32;
    for (size_t j = 0; j <= b_len; ++j)
        row[j] = j;
    for (size_t i = 1; i <= a_len; ++i) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; ++j) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

/* The key that was probably meant: two slips away at most, or abbreviated; NULL when none is near. */
static const char *find_similar(const cyaml_schema_field_t *fields, const char *key)
{
    const char *similar = NULL;
    size_t nearest = strlen(key) / 2 < 2 ? strlen(key) / 2 : 2;

    for (const cyaml_schema_field_t *field = fields; field->key != NULL; ++field) {
        size_t far = strlen(key) >= 3 && strncmp(field->key, key, strlen(key)) == 0 ? 1 : distance(key, field->key);

        if (far <= nearest && (similar == NULL || far < nearest)) {
            similar = field->key;
            nearest = far;
        }
    }
    return similar;
}

static void report_unknown(struct walk *walk, size_t line, const cyaml_schema_field_t *fields, const char *key)
{
    const char *similar = find_similar(fields, key);

    if (similar != NULL)
        config_report_at(walk->report, line, walk->path, "unknown key (did you mean %s?)", similar);
    else
        config_report_at(walk->report, line, walk->path, "unknown key");
}

static void walk_value(struct walk *walk, const yaml_node_t *node, size_t line, const cyaml_schema_value_t *schema);

/* The line of an earlier key of the same name, 0 when there is none. */
static size_t earlier_line(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *until)
{
    yaml_document_t *document = walk->report->document;
    const yaml_node_t *key = yaml_document_get_node(document, until->key);

    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair != until; ++pair) {
        const yaml_node_t *other = yaml_document_get_node(document, pair->key);

        if (other->type == YAML_SCALAR_NODE &&
            strcmp((char *)other->data.scalar.value, (char *)key->data.scalar.value) == 0)
            return other->start_mark.line + 1;
    }
    return 0;
}

static void walk_pair(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
                      const cyaml_schema_field_t *fields)
{
    const yaml_node_t *key = yaml_document_get_node(walk->report->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(walk->report->document, pair->value);
    size_t line = key->start_mark.line + 1, len = walk->len, earlier;
    const cyaml_schema_field_t *field = fields;
    const char *name;

    if (key->type != YAML_SCALAR_NODE || strlen((char *)key->data.scalar.value) != key->data.scalar.length) {
        config_report_at(walk->report, line, walk->path, "has a key that is not plain text");
        return;
    }
    name = (const char *)key->data.scalar.value;
    push_key(walk, name);
    while (field->key != NULL && strcmp(field->key, name) != 0)
        ++field;
    earlier = earlier_line(walk, mapping, pair);
    if (field->key == NULL)
        report_unknown(walk, line, fields, name);
    else if (earlier != 0)
        config_report_at(walk->report, line, walk->path, "duplicate key, it is on line %zu already", earlier);
    else
        walk_value(walk, value, line, &field->value);
    pop(walk, len);
}

static bool has_key(struct walk *walk, const yaml_node_t *mapping, const char *key)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair != mapping->data.mapping.pairs.top; ++pair) {
        const yaml_node_t *found = yaml_document_get_node(walk->report->document, pair->key);

        if (found->type == YAML_SCALAR_NODE && strcmp((char *)found->data.scalar.value, key) == 0)
            return true;
    }
    return false;
}

static void walk_mapping(struct walk *walk, const yaml_node_t *node, size_t line, const cyaml_schema_field_t *fields)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair != node->data.mapping.pairs.top; ++pair)
        walk_pair(walk, node, pair, fields);
    for (const cyaml_schema_field_t *field = fields; field->key != NULL; ++field) {
        size_t len = walk->len;

        if ((field->value.flags & CYAML_FLAG_OPTIONAL) != 0 || has_key(walk, node, field->key))
            continue;
        push_key(walk, field->key);
        config_report_at(walk->report, line, walk->path, "is missing, and required");
        pop(walk, len);
    }
}

static void walk_sequence(struct walk *walk, const yaml_node_t *node, size_t line, const cyaml_schema_value_t *schema)
{
    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items);

    if (count < schema->sequence.min)
        config_report_at(walk->report, line, walk->path, "is empty; it takes at least %u", schema->sequence.min);
    if (count > schema->sequence.max)
        config_report_at(walk->report, line, walk->path, "has %zu entries; at most %u are possible", count,
                         schema->sequence.max);
    for (size_t i = 0; i != count; ++i) {
        const yaml_node_t *item = yaml_document_get_node(walk->report->document, items[i]);
        size_t len = walk->len;

        push_index(walk, i);
        walk_value(walk, item, item->start_mark.line + 1, schema->sequence.entry);
        pop(walk, len);
    }
}

static void walk_enum(struct walk *walk, const char *value, size_t line, const cyaml_schema_value_t *schema)
{
    char choices[128];
    size_t len = 0;

    for (uint32_t i = 0; i != schema->enumeration.count; ++i) {
        if (strcmp(value, schema->enumeration.strings[i].str) == 0)
            return;
        len += (size_t)snprintf(choices + len, sizeof(choices) - len, "%s%s", i != 0 ? ", " : "",
                                schema->enumeration.strings[i].str);
    }
    config_report_at(walk->report, line, walk->path, "%s is none of %s", config_show(value).text, choices);
}

static bool is_null(const yaml_node_t *node)
{
    const char *value = (const char *)node->data.scalar.value;

    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*value == '\0' || strcmp(value, "~") == 0 || strcasecmp(value, "null") == 0);
}

/* Never shows the text of a CYAML_STRING: it may be a password. */
static void walk_scalar(struct walk *walk, const yaml_node_t *node, size_t line, const cyaml_schema_value_t *schema)
{
    const char *value = (const char *)node->data.scalar.value;

    if (strlen(value) != node->data.scalar.length)
        config_report_at(walk->report, line, walk->path, "has a NUL byte in it");
    else if (schema->type == CYAML_ENUM)
        walk_enum(walk, value, line, schema);
    else if (schema->type == CYAML_BOOL && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        config_report_at(walk->report, line, walk->path, "%s is neither true nor false", config_show(value).text);
    else if (schema->type == CYAML_STRING && node->data.scalar.length < schema->string.min)
        config_report_at(walk->report, line, walk->path, "is empty");
}

static void walk_value(struct walk *walk, const yaml_node_t *node, size_t line, const cyaml_schema_value_t *schema)
{
    static const char *const found[] = {
        [YAML_SCALAR_NODE] = "a single value", [YAML_SEQUENCE_NODE] = "a list", [YAML_MAPPING_NODE] = "a mapping"};
    yaml_node_type_t wanted = schema->type == CYAML_MAPPING    ? YAML_MAPPING_NODE
                              : schema->type == CYAML_SEQUENCE ? YAML_SEQUENCE_NODE
                                                               : YAML_SCALAR_NODE;

    if (node->type == YAML_SCALAR_NODE && is_null(node))
        config_report_at(walk->report, line, walk->path, "has no value");
    else if (node->type != wanted)
        config_report_at(walk->report, line, walk->path, "must be %s, not %s", found[wanted], found[node->type]);
    else if (wanted == YAML_MAPPING_NODE)
        walk_mapping(walk, node, line, schema->mapping.fields);
    else if (wanted == YAML_SEQUENCE_NODE)
        walk_sequence(walk, node, line, schema);
    else
        walk_scalar(walk, node, line, schema);
}

void config_walk(struct config_report *report, const cyaml_schema_value_t *schema)
{
    struct walk walk = {.report = report};
    const yaml_node_t *root = yaml_document_get_root_node(report->document);

    if (root == NULL)
        config_report_at(report, 0, "", "holds no configuration");
    else if (root->type != YAML_MAPPING_NODE)
        config_report_at(report, root->start_mark.line + 1, "",
                         "the file must be a mapping of keys, such as \"routes:\"");
    else
        walk_mapping(&walk, root, root->start_mark.line + 1, schema->mapping.fields);
}
