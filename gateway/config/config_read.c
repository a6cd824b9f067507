/* config_read.c - reads a YAML document into a struct config by the table, and explains what doesn't fit */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "gateway/base/check.h"
#include "gateway/base/ip.h"
#include "gateway/config/config.h"
#include "gateway/config/config_number.h"
#include "gateway/config/config_place.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_similar.h"
#include "gateway/config/config_table.h"
#include "gateway/config/config_text.h"

/* A file without aliases has fewer values than bytes: only with them, or by inheriting, can it become more. */
#define VALUES_MAX CONFIG_FILE_MAX
_Static_assert(VALUES_MAX <= UINT32_MAX, "a list of as many entries has a count that is an unsigned");

struct reader {
    struct config_report *report;
    const char *folder;
    size_t values;     /* read so far */
    bool is_broken;    /* something isn't of the right form */
    bool is_inherited; /* reads what `defaults` have, whose mistakes are reported there */
    bool is_builtin;   /* reads what the table has, which has none */
    size_t line;       /* of the key or the list's entry that is being read */
    size_t len;        /* of path */
    char path[CONFIG_PATH_MAX];
};

/* ---- reports ---- */

__attribute__((format(printf, 2, 3))) static void reader_report(struct reader *reader, const char *format, ...)
{
    char reason[1024];
    va_list args;
    CHECK(!reader->is_builtin);
    if (reader->is_inherited)
        return;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    config_report_at(reader->report, reader->line, reader->path, "%s", reason);
}

/* Reports the fault of a value, which is shown unless it is a secret. */
static void report_value(struct reader *reader, const struct config_option *option, const char *text,
                         const char *reason)
{
    if (config_text_is_secret(option->type))
        reader_report(reader, "%s", reason);
    else
        reader_report(reader, "%s %s", config_report_quote(text).text, reason);
}

#define REPORT_BROKEN(reader, ...) (reader_report(reader, __VA_ARGS__), (void)((reader)->is_broken = true))

/*
 * Keys of the table are plain words. An unknown one is shown up to its first
 * odd byte: "{token:secret}" is one key to YAML.
 */
static void push_key(struct reader *reader, const char *key)
{
    size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    reader->len += (size_t)snprintf(reader->path + reader->len, sizeof(reader->path) - reader->len, "%s%.*s%s",
                                    reader->len != 0 ? "." : "", len < 40 ? (int)len : 40, key,
                                    key[len] != '\0' || len > 40 ? "\xe2\x80\xa6" : "");
    CHECK(reader->len < sizeof(reader->path));
}

static void push_index(struct reader *reader, size_t index)
{
    reader->len += (size_t)snprintf(reader->path + reader->len, sizeof(reader->path) - reader->len, "[%zu]", index);
    CHECK(reader->len < sizeof(reader->path));
}

static void pop_to(struct reader *reader, size_t len, size_t line)
{
    reader->len = len;
    reader->path[len] = '\0';
    reader->line = line;
}

/* ---- single values ---- */

/* The text as it is kept, for the member to own. Header names are case-insensitive (RFC 9110 5.1). */
static char *make_text(struct reader *reader, const struct config_option *option, const char *text)
{
    bool is_relative = option->type == CONFIG_TYPE_PATH && *text != '/';
    const char *folder = is_relative ? reader->folder : "";
    size_t size = strlen(folder) + strlen(text) + 1;
    char *kept = check_malloc(size);
    snprintf(kept, size, "%s%s", folder, text);
    if (option->type == CONFIG_TYPE_HEADER || option->type == CONFIG_TYPE_MESSAGE_HEADER) {
        for (char *p = kept; *p != '\0'; ++p)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
    }
    return kept;
}

static void check_file(struct reader *reader, const char *path)
{
    struct stat status;
    /* stat alone needs no right to read the file. */
    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        reader_report(reader, "%s cannot be read: %s", config_report_quote(path).text, strerror(errno));
    else if (S_ISDIR(status.st_mode))
        reader_report(reader, "%s is a folder, not a file", config_report_quote(path).text);
}

static char *read_text(struct reader *reader, const struct config_option *option, const char *text)
{
    /* Kept even if it is wrong: the checks of the second step find no NULL where a value is required. */
    char *kept = make_text(reader, option, text);
    const char *wrong = config_text_check(option->type, text);
    if (wrong != NULL)
        report_value(reader, option, text, wrong);
    if (option->type == CONFIG_TYPE_PATH)
        check_file(reader, kept);
    return kept;
}

/* Leaves a value that is wrong as it was. */
static void read_number(struct reader *reader, const struct config_option *option, const char *text, char *member)
{
    char room[CONFIG_REASON_MAX];
    uint64_t number = 0;
    const char *wrong = config_number_parse(option, text, &number, room);
    if (wrong != NULL) {
        report_value(reader, option, text, wrong);
        /* what else is right may depend on one of these */
        reader->is_broken |= option->type == CONFIG_TYPE_FLAG || option->type == CONFIG_TYPE_CHOICE;
    } else if (option->storage == CONFIG_STORED_FLAG) {
        *(bool *)member = number != 0;
    } else if (option->storage == CONFIG_STORED_64) {
        memcpy(member, &number, sizeof(number));
    } else {
        uint32_t bits = (uint32_t)number, before;
        CHECK(option->storage == CONFIG_STORED_32 && number <= UINT32_MAX);
        memcpy(&before, member, sizeof(before));
        bits |= option->is_list ? before : 0; /* a list of words is one number, a bit for each */
        memcpy(member, &bits, sizeof(bits));
    }
}

static void store_scalar(struct reader *reader, const struct config_option *option, const char *text, char *member)
{
    CHECK(option->type != CONFIG_TYPE_MAPPING && text != NULL);
    if (config_number_is_kept(option)) {
        read_number(reader, option, text, member);
    } else if (option->storage == CONFIG_STORED_NETWORKS) {
        const char *wrong = config_text_network(text, (struct ip_network *)(void *)member);
        if (wrong != NULL)
            report_value(reader, option, text, wrong);
    } else {
        CHECK(option->storage == CONFIG_STORED_TEXT || option->storage == CONFIG_STORED_TEXTS);
        char *kept = read_text(reader, option, text);
        memcpy(member, &kept, sizeof(kept));
    }
}

static bool is_null(const yaml_node_t *node)
{
    const char *value = (const char *)node->data.scalar.value;
    /* YAML 1.2 10.3.2; only if plain: in quotes each of these is a text. */
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*value == '\0' || strcmp(value, "~") == 0 || strcasecmp(value, "null") == 0);
}

/* Shows no value before its type is known to be no secret. */
static void read_scalar(struct reader *reader, const struct config_option *option, const yaml_node_t *node,
                        char *member)
{
    const char *text = (const char *)node->data.scalar.value;
    /* For these the message about an unknown word says more: it lists the possible ones. */
    bool is_word = option->type == CONFIG_TYPE_FLAG || option->type == CONFIG_TYPE_CHOICE;
    if (strlen(text) != node->data.scalar.length)
        REPORT_BROKEN(reader, "has a NUL byte in it");
    else if (*text == '\0' && !is_word)
        REPORT_BROKEN(reader, "is empty");
    else
        store_scalar(reader, option, text, member);
}

/* An alias of an alias of an alias … makes a short file a very long one. */
static bool is_too_much(struct reader *reader)
{
    if (reader->values++ < VALUES_MAX)
        return false;
    if (reader->values == VALUES_MAX + 1) /* once: there may be millions more */
        config_report_at(reader->report, reader->line, reader->path,
                         "the file has more than %u values, counting aliases and inherited ones", VALUES_MAX);
    reader->is_broken = true;
    return true;
}

/* False, and a report: it is of another kind. */
static bool is_of_kind(struct reader *reader, const yaml_node_t *node, yaml_node_type_t wanted)
{
    static const char *const kinds[] = {
        [YAML_SCALAR_NODE] = "a single value", [YAML_SEQUENCE_NODE] = "a list", [YAML_MAPPING_NODE] = "a mapping"};
    if (is_null(node))
        REPORT_BROKEN(reader, "has no value");
    else if (node->type != wanted)
        REPORT_BROKEN(reader, "must be %s, not %s", kinds[wanted], kinds[node->type]);
    return !is_null(node) && node->type == wanted;
}

/* ---- lists ---- */

static void read_mapping(struct reader *reader, unsigned mapping, const struct config_place *place, char *at);

/* member: where this entry is kept. */
static void read_entry(struct reader *reader, const struct config_option *option, const struct config_place *place,
                       const yaml_node_t *node, char *member)
{
    bool is_mapping = option->type == CONFIG_TYPE_MAPPING;
    if (is_too_much(reader) || !is_of_kind(reader, node, is_mapping ? YAML_MAPPING_NODE : YAML_SCALAR_NODE))
        return;
    if (is_mapping) {
        struct config_place inside = config_place_entry(place, option, node);
        read_mapping(reader, option->keys, &inside, member);
    } else {
        read_scalar(reader, option, node, member);
    }
}

/* Lists that say the same twice are mistakes where the entries are names. */
static void check_distinct(struct reader *reader, const struct config_option *option, char *const *texts, size_t last,
                           const yaml_node_t *node)
{
    if (option->type != CONFIG_TYPE_HEADER && option->type != CONFIG_TYPE_MESSAGE_HEADER &&
        option->type != CONFIG_TYPE_TEMPLATE)
        return;
    if (last >= option->most) /* too many, which has been reported */
        return;
    for (size_t i = 0; i != last && texts[last] != NULL; ++i) {
        if (texts[i] != NULL && strcmp(texts[i], texts[last]) == 0)
            report_value(reader, option, (const char *)node->data.scalar.value, "is listed twice");
    }
}

/* Room for that many entries, zeroed, where there is a member for them. */
static char *make_list(const struct config_option *option, size_t entries, char *at)
{
    unsigned count = (unsigned)entries;
    if (option->entry_size == 0)
        return at + option->offset; /* bits of one number */
    CHECK(option->is_list && entries == count);
    char *list = check_calloc(count, option->entry_size);
    memcpy(at + option->offset, &list, sizeof(list));
    memcpy(at + option->count_offset, &count, sizeof(count));
    return list;
}

static void read_list(struct reader *reader, const struct config_option *option, const struct config_place *place,
                      const yaml_node_t *node, char *at)
{
    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items), len = reader->len, line = reader->line;
    if (count < option->least)
        REPORT_BROKEN(reader, "is empty; at least %u is required", (unsigned)option->least);
    if (count > option->most)
        REPORT_BROKEN(reader, "has %zu entries; at most %u are allowed", count, (unsigned)option->most);
    /* Too many are read all the same: what is wrong with the entries is reported at the first try. */
    char *list = make_list(option, count, at);
    for (size_t i = 0; i != count; ++i) {
        const yaml_node_t *item = yaml_document_get_node(place->document, items[i]);
        push_index(reader, i);
        reader->line = item->start_mark.line + 1;
        read_entry(reader, option, place, item, list + i * option->entry_size);
        if (option->storage == CONFIG_STORED_TEXTS)
            check_distinct(reader, option, (char *const *)(void *)list, i, item);
        pop_to(reader, len, line);
    }
}

/* ---- mappings ---- */

/* The option's value, which the place has. */
static void read_value(struct reader *reader, const struct config_option *option, const struct config_place *place,
                       const yaml_node_t *node, char *at)
{
    if (is_too_much(reader) || !is_of_kind(reader, node,
                                           option->is_list                       ? YAML_SEQUENCE_NODE
                                           : option->type == CONFIG_TYPE_MAPPING ? YAML_MAPPING_NODE
                                                                                 : YAML_SCALAR_NODE))
        return;
    if (option->is_list) {
        read_list(reader, option, place, node, at);
    } else if (option->type == CONFIG_TYPE_MAPPING) {
        struct config_place inside = config_place_enter(place, option);
        if (option->storage == CONFIG_STORED_FLAG)
            *(bool *)(at + option->offset) = true; /* also of an empty one: tls: {} */
        read_mapping(reader, option->keys, &inside,
                     at + (option->storage == CONFIG_STORED_INSIDE ? option->offset : 0));
    } else {
        read_scalar(reader, option, node, at + option->offset);
    }
}

static void check_siblings(struct reader *reader, const struct config_option *option, const struct config_place *place)
{
    if (!config_place_has_needed(place, option))
        reader_report(reader, "requires %s", option->needs);
    if (!config_place_is_in_force(place, option))
        reader_report(reader, "is only valid with \"%s\"", option->only_with);
}

static void report_unknown(struct reader *reader, unsigned mapping, const char *name)
{
    const char *similar = config_similar_key(mapping, name);
    if (similar != NULL)
        REPORT_BROKEN(reader, "unknown key (did you mean %s?)", similar);
    else
        REPORT_BROKEN(reader, "unknown key");
}

/* A key of the mapping, which is plain text. */
static void read_key(struct reader *reader, unsigned mapping, const struct config_place *place,
                     const yaml_node_pair_t *pair, char *at)
{
    const char *name = (const char *)yaml_document_get_node(place->document, pair->key)->data.scalar.value;
    const struct config_option *option = config_table_find(mapping, name, strlen(name));
    if (option == NULL) {
        report_unknown(reader, mapping, name);
        return;
    }
    /* libyaml keeps repeated keys, which YAML 1.2 forbids (3.2.1.1): one of the values would silently not count. */
    const yaml_node_pair_t *first = config_place_pair(place->document, place->own, name, strlen(name));
    if (first != pair) {
        REPORT_BROKEN(reader, "duplicate key, first set on line %zu",
                      yaml_document_get_node(place->document, first->key)->start_mark.line + 1);
        return;
    }
    read_value(reader, option, place, yaml_document_get_node(place->document, pair->value), at);
    check_siblings(reader, option, place);
}

static void read_pair(struct reader *reader, unsigned mapping, const struct config_place *place,
                      const yaml_node_pair_t *pair, char *at)
{
    const yaml_node_t *key = yaml_document_get_node(place->document, pair->key);
    size_t len = reader->len, line = reader->line;
    reader->line = key->start_mark.line + 1;
    if (key->type != YAML_SCALAR_NODE || strlen((const char *)key->data.scalar.value) != key->data.scalar.length) {
        REPORT_BROKEN(reader, "has a key that is not plain text");
    } else {
        push_key(reader, (const char *)key->data.scalar.value);
        read_key(reader, mapping, place, pair, at);
    }
    pop_to(reader, len, line);
}

/* What `defaults` have is read again for each route: its mistakes have been reported. */
static void read_inherited(struct reader *reader, const struct config_option *option, const struct config_place *place,
                           const yaml_node_t *node, char *at)
{
    bool was_inherited = reader->is_inherited;
    /* a route that keeps its history elsewhere has nothing of the JetStream that defaults may name */
    if (!config_place_is_in_force(place, option))
        return;
    reader->is_inherited = true;
    read_value(reader, option, place, node, at);
    reader->is_inherited = was_inherited;
}

static void read_builtin(struct reader *reader, const struct config_option *option, const struct config_place *place,
                         char *at)
{
    if (option->type == CONFIG_TYPE_MAPPING) {
        struct config_place nothing = {.document = place->document};
        /* A whole mapping that is absent is off: with built-in values it would look half configured. */
        if (!option->is_whole && !option->is_list)
            read_mapping(reader, option->keys, &nothing,
                         at + (option->storage == CONFIG_STORED_INSIDE ? option->offset : 0));
    } else if (option->builtin != NULL && config_place_has_needed(place, option) &&
               config_place_is_in_force(place, option)) {
        /* Else nothing: names of a token's places would make `auth: {public: true}` differ from no auth at a reload. */
        reader->is_builtin = true;
        store_scalar(reader, option, option->builtin, at + option->offset);
        reader->is_builtin = false;
    }
}

static void read_mapping(struct reader *reader, unsigned mapping, const struct config_place *place, char *at)
{
    const yaml_node_t *own = place->own;
    CHECK(own == NULL || own->type == YAML_MAPPING_NODE);
    for (yaml_node_pair_t *pair = own != NULL ? own->data.mapping.pairs.start : NULL;
         own != NULL && pair != own->data.mapping.pairs.top; ++pair)
        read_pair(reader, mapping, place, pair, at);
    CONFIG_TABLE_EACH(option, mapping)
    {
        const yaml_node_t *inherited = config_place_value(place, option);
        size_t len = reader->len;
        if (config_place_pair(place->document, own, option->key, strlen(option->key)) != NULL)
            continue; /* the file has it: read above */
        push_key(reader, option->key);
        if (inherited != NULL)
            read_inherited(reader, option, place, inherited, at);
        else if (option->is_required && own != NULL) /* a mapping that is absent lacks nothing */
            REPORT_BROKEN(reader, "required key is missing");
        else
            read_builtin(reader, option, place, at);
        pop_to(reader, len, reader->line);
    }
}

bool config_read(struct config_report *report, const char *folder, struct config *config)
{
    const yaml_node_t *root = yaml_document_get_root_node(report->document);
    struct config_place top = {.document = report->document, .own = root};
    struct reader reader = {.report = report, .folder = folder};
    if (root == NULL) {
        config_report_at(report, 0, "", "has no configuration in it");
        return false;
    }
    reader.line = root->start_mark.line + 1;
    if (root->type != YAML_MAPPING_NODE) {
        config_report_at(report, reader.line, "", "the file must be a mapping of keys, such as \"routes:\"");
        return false;
    }
    read_mapping(&reader, CONFIG_TOP, &top, (char *)config);
    return !reader.is_broken;
}
