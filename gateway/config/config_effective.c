/* config_effective.c - the configuration as it is in effect, for whoever asks a running gateway */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_effective.h"

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_schema.h"
#include "gateway/config/options.h"
#include "proto/units.h"

#define MASK "***"

struct dump {
    struct buffer json;
    bool is_stored;             /* the history that is being written has store: jetstream */
    char path[CONFIG_PATH_MAX]; /* as options.def has it */
};

/* One mapping of the file: what the schema says of it, and where it is; data NULL: nowhere. */
struct mapping {
    const cyaml_schema_field_t *fields;
    const char *data;
};
static const struct mapping nothing = {.fields = NULL};

static const struct options_row *find_row(const char *path)
{
    const struct options_row *row;
    size_t i = 0;

    while ((row = options_at(i)) != NULL && strcmp(row->path, path) != 0)
        ++i;
    return row;
}

/* NULL: there is none. */
static const char *builtin_of(const struct options_row *row)
{
    while (row != NULL && find_row(row->builtin) != NULL)
        row = find_row(row->builtin);
    if (row == NULL || strcmp(row->builtin, "-") == 0 || strcmp(row->builtin, "required") == 0)
        return NULL;
    return row->builtin;
}

/* The field's value in that mapping; NULL: it is not there. */
static const char *value_of(const cyaml_schema_field_t *field, const struct mapping *mapping)
{
    const char *at, *value;

    if (field == NULL || mapping->data == NULL)
        return NULL;
    at = mapping->data + field->data_offset;
    if ((field->value.flags & CYAML_FLAG_POINTER) == 0)
        return at;
    memcpy(&value, at, sizeof(value));
    return value;
}

static const cyaml_schema_field_t *find_field(const struct mapping *mapping, const char *key)
{
    const cyaml_schema_field_t *field = mapping->fields;

    while (field != NULL && field->key != NULL && strcmp(field->key, key) != 0)
        ++field;
    return field != NULL && field->key != NULL ? field : NULL;
}

/* nats://user:password@host, of which there may be several. */
static void write_url(struct buffer *json, const char *text)
{
    struct buffer shown = {.bytes = NULL};

    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        const char *scheme = memmem(text, len, "://", 3), *at = memrchr(text, '@', len);
        size_t kept = scheme != NULL ? (size_t)(scheme - text) + 3 : 0;

        if (at != NULL) {
            buffer_add(&shown, text, kept);
            buffer_add_text(&shown, MASK);
            buffer_add(&shown, at, len - (size_t)(at - text));
        } else {
            buffer_add(&shown, text, len);
        }
        text += len;
        if (*text == ',')
            buffer_add(&shown, text++, 1);
    }
    buffer_add_json(json, shown.bytes, shown.len);
    buffer_dispose(&shown);
}

/* Also one that may be a word instead. */
static bool is_number(const char *type)
{
    return strcmp(type, "number") == 0 || strncmp(type, "auto |", 6) == 0;
}

static void write_text(struct dump *dump, const char *text)
{
    const struct options_row *row = find_row(dump->path);
    uint64_t number;

    if (text == NULL)
        text = builtin_of(row);
    if (text == NULL)
        buffer_add_text(&dump->json, "null");
    else if (row == NULL || strcmp(row->type, "secret") == 0) /* one without a row might be one */
        buffer_add_text(&dump->json, "\"" MASK "\"");
    else if (is_number(row->type) && units_parse_u64(text, strlen(text), &number))
        buffer_format(&dump->json, "%llu", (unsigned long long)number);
    else if (strstr(text, "://") != NULL || strcmp(dump->path, "nats.url") == 0)
        write_url(&dump->json, text);
    else
        buffer_add_json(&dump->json, text, strlen(text));
}

static const char *choice_name(const cyaml_schema_value_t *schema, const char *value)
{
    int number;

    if (value == NULL)
        return NULL;
    CHECK(schema->data_size == sizeof(number));
    memcpy(&number, value, sizeof(number));
    for (uint32_t i = 0; i != schema->enumeration.count; ++i) {
        if (schema->enumeration.strings[i].val == number)
            return schema->enumeration.strings[i].str;
    }
    return NULL;
}

static void write_mapping(struct dump *dump, const struct mapping *mapping, const struct mapping *fallback);

/* What it lists has this to fall back to, where it is a list of mappings. */
static void write_list(struct dump *dump, const cyaml_schema_field_t *field, const struct mapping *mapping,
                       const struct mapping *fallback)
{
    const cyaml_schema_value_t *entry = field->value.sequence.entry;
    const char *values = value_of(field, mapping);
    unsigned count = 0;
    size_t len = strlen(dump->path);

    CHECK(field->count_size == sizeof(count));
    if (mapping->data != NULL)
        memcpy(&count, mapping->data + field->count_offset, sizeof(count));
    if (values == NULL) {
        buffer_add_text(&dump->json, "null");
        return;
    }
    buffer_add_text(&dump->json, "[");
    for (unsigned i = 0; i != count; ++i) {
        buffer_add(&dump->json, ",", i != 0);
        if (entry->type == CYAML_MAPPING) {
            struct mapping one = {entry->mapping.fields, values + (size_t)i * entry->data_size};
            snprintf(dump->path + len, sizeof(dump->path) - len, "[]");
            write_mapping(dump, &one, fallback);
            dump->path[len] = '\0';
        } else {
            write_text(dump, ((const char *const *)(const void *)values)[i]);
        }
    }
    buffer_add_text(&dump->json, "]");
}

/* One that is a pointer is there as a whole or not at all; of any other each key is by itself. */
static void write_submapping(struct dump *dump, const cyaml_schema_field_t *field, const struct mapping *mapping,
                             const cyaml_schema_field_t *other, const struct mapping *fallback)
{
    struct mapping own = {field->value.mapping.fields, value_of(field, mapping)};
    struct mapping theirs = nothing;

    if (other != NULL)
        theirs = (struct mapping){other->value.mapping.fields, value_of(other, fallback)};
    if ((field->value.flags & CYAML_FLAG_POINTER) == 0)
        write_mapping(dump, &own, &theirs);
    else if (own.data != NULL || theirs.data != NULL)
        write_mapping(dump, own.data != NULL ? &own : &theirs, &nothing);
    else
        buffer_add_text(&dump->json, "null");
}

static void write_choice(struct dump *dump, const cyaml_schema_field_t *field, const char *value)
{
    const char *name = choice_name(&field->value, value);

    if (name == NULL)
        name = builtin_of(find_row(dump->path));
    if (strcmp(field->key, "store") == 0)
        dump->is_stored = name != NULL && strcmp(name, "jetstream") == 0;
    write_text(dump, name);
}

static void write_flag(struct dump *dump, const char *value)
{
    const char *builtin = builtin_of(find_row(dump->path));
    bool flag = builtin != NULL && strcmp(builtin, "true") == 0;

    if (value != NULL)
        memcpy(&flag, value, sizeof(flag));
    buffer_add_text(&dump->json, flag ? "true" : "false");
}

static void write_field(struct dump *dump, const cyaml_schema_field_t *field, const struct mapping *mapping,
                        const struct mapping *fallback)
{
    const cyaml_schema_field_t *other = find_field(fallback, field->key);
    const char *value = value_of(field, mapping);

    if (value == NULL)
        value = value_of(other, fallback);
    /* a route that keeps its history elsewhere has nothing of the JetStream that defaults may name */
    if (!dump->is_stored && (strcmp(field->key, "stream") == 0 || strcmp(field->key, "live") == 0)) {
        buffer_add_text(&dump->json, "null");
        return;
    }
    switch (field->value.type) {
    case CYAML_STRING:
        write_text(dump, value);
        break;
    case CYAML_ENUM:
        write_choice(dump, field, value);
        break;
    case CYAML_BOOL:
        CHECK(field->value.data_size == sizeof(bool));
        write_flag(dump, value);
        break;
    case CYAML_MAPPING:
        write_submapping(dump, field, mapping, other, fallback);
        break;
    case CYAML_SEQUENCE:
        write_list(dump, field, mapping, fallback);
        break;
    default:
        CHECK(false); /* the schema has no other kind */
    }
}

static void write_mapping(struct dump *dump, const struct mapping *mapping, const struct mapping *fallback)
{
    size_t len = strlen(dump->path);

    CHECK(mapping->fields != NULL);
    buffer_add_text(&dump->json, "{");
    for (const cyaml_schema_field_t *field = mapping->fields; field->key != NULL; ++field) {
        snprintf(dump->path + len, sizeof(dump->path) - len, "%s%s", len != 0 ? "." : "", field->key);
        buffer_format(&dump->json, "%s\"%s\":", field != mapping->fields ? "," : "", field->key);
        write_field(dump, field, mapping, fallback);
    }
    dump->path[len] = '\0';
    buffer_add_text(&dump->json, "}");
}

char *config_effective(const struct raw_config *raw)
{
    struct dump dump = {.path = ""};
    struct mapping file = {config_schema.mapping.fields, (const char *)raw}, defaults = nothing;
    const cyaml_schema_field_t *field = find_field(&file, "defaults");

    CHECK(field != NULL);
    defaults = (struct mapping){field->value.mapping.fields, value_of(field, &file)};
    write_mapping(&dump, &file, &defaults);
    buffer_add_text(&dump.json, "\n");
    return buffer_take(&dump.json);
}
