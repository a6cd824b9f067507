/* config_table.c - the table of all configuration keys, and what can be done with a struct by it */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_table.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define ANY UINT64_MAX

/* The struct of each mapping. */
#define STRUCT_TOP struct config
#define STRUCT_ADMIN struct config
#define STRUCT_NATS struct config
#define STRUCT_TLS struct config
#define STRUCT_LIMITS struct config
#define STRUCT_DRAIN struct config
#define STRUCT_LOG struct config
#define STRUCT_LISTEN struct config_listen
#define STRUCT_ROUTE struct config_route
#define STRUCT_DEFAULTS struct config_route
#define STRUCT_POLICY struct config_route
#define STRUCT_HISTORY struct config_route
#define STRUCT_CORS struct config_route
#define STRUCT_AUTH struct config_route
#define STRUCT_JWT struct config_route

_Static_assert((CONFIG_POLICY & (CONFIG_TOP | CONFIG_LISTEN)) == 0, "rows of POLICY are of a struct config_route");
_Static_assert(sizeof(enum policy_store) == sizeof(uint32_t) && sizeof(enum config_live) == sizeof(uint32_t) &&
                   sizeof(enum log_level) == sizeof(uint32_t),
               "a choice is stored in 32 bits");
_Static_assert(sizeof(bool) == 1, "bytes of a flag can be compared");

/* An enum without negative values is an unsigned, to gcc and to clang. A member of any other type doesn't compile. */
#define MEMBER(mapping, member) (((STRUCT_##mapping *)0)->member)
#define STORAGE(value)                                                                                                 \
    _Generic((value), bool                                                                                             \
             : CONFIG_STORED_FLAG, unsigned                                                                            \
             : CONFIG_STORED_32, uint64_t                                                                              \
             : CONFIG_STORED_64, int64_t                                                                               \
             : CONFIG_STORED_64, char *                                                                                \
             : CONFIG_STORED_TEXT, char **                                                                             \
             : CONFIG_STORED_TEXTS, struct ip_network *                                                                \
             : CONFIG_STORED_NETWORKS, struct config_listen *                                                          \
             : CONFIG_STORED_STRUCTS, struct config_route *                                                            \
             : CONFIG_STORED_STRUCTS)
#define STORED(mapping, member)                                                                                        \
    .storage = STORAGE(MEMBER(mapping, member)), .offset = offsetof(STRUCT_##mapping, member)

/* The types, as options.def has them. */
#define RANGE(name, from, to) .type = CONFIG_TYPE_##name, .least = (from), .most = (to)
#define NUMBER(from, to) RANGE(NUMBER, from, to)
#define DURATION(from, to) RANGE(DURATION, from, to)
#define SIZE(from, to) RANGE(SIZE, from, to)
#define FLAG .type = CONFIG_TYPE_FLAG
#define WORDS(...)                                                                                                     \
    .choices = (const struct config_choice[])                                                                          \
    {                                                                                                                  \
        __VA_ARGS__,                                                                                                   \
        {                                                                                                              \
            NULL, 0                                                                                                    \
        }                                                                                                              \
    }
#define CHOICE(...) .type = CONFIG_TYPE_CHOICE, WORDS(__VA_ARGS__)
#define CHOICES(from, to, ...) RANGE(CHOICE, from, to), WORDS(__VA_ARGS__), .is_list = true
#define TEXT .type = CONFIG_TYPE_TEXT
#define SECRET .type = CONFIG_TYPE_SECRET
#define URLS .type = CONFIG_TYPE_URLS
#define PATH .type = CONFIG_TYPE_PATH
#define ADDRESS .type = CONFIG_TYPE_ADDRESS
#define NAME .type = CONFIG_TYPE_NAME
#define STREAM .type = CONFIG_TYPE_STREAM
#define SUBJECT .type = CONFIG_TYPE_SUBJECT
#define NETWORK(from, to) RANGE(NETWORK, from, to)
#define TEMPLATE(from, to) RANGE(TEMPLATE, from, to)
#define PATTERN(from, to) RANGE(PATTERN, from, to)
#define ORIGIN(from, to) RANGE(ORIGIN, from, to)
#define HEADER(from, to) RANGE(HEADER, from, to)
#define MESSAGE_HEADER(from, to) RANGE(MESSAGE_HEADER, from, to)
#define MAPPINGS(of) RANGE(MAPPING, 1, ANY), .keys = CONFIG_##of

/* What a mapping's own row may say of its struct. */
#define SETS(mapping, member) STORED(mapping, member)
#define INSIDE(mapping, member) .storage = CONFIG_STORED_INSIDE, .offset = offsetof(STRUCT_##mapping, member)

/* Both say no more than that there is no such value; is_required tells them apart. */
#define NOTHING NULL
#define REQUIRED NULL, .is_required = true

#define OPTION(in, name, member, type, value, text, ...)                                                               \
    {.mapping = CONFIG_##in, .key = name, STORED(in, member), type, .builtin = value, .help = text, __VA_ARGS__},
#define LIST(in, name, member, type, value, text, ...)                                                                 \
    {.mapping = CONFIG_##in,                                                                                           \
     .key = name,                                                                                                      \
     .is_list = true,                                                                                                  \
     STORED(in, member),                                                                                               \
     .count_offset = offsetof(STRUCT_##in, member##_count),                                                            \
     .entry_size = sizeof(*MEMBER(in, member)),                                                                        \
     type,                                                                                                             \
     .builtin = value,                                                                                                 \
     .help = text,                                                                                                     \
     __VA_ARGS__},
#define GROUP(in, name, of, ...)                                                                                       \
    {.mapping = CONFIG_##in, .key = name, .type = CONFIG_TYPE_MAPPING, .keys = CONFIG_##of, __VA_ARGS__},

static const struct config_option options[] = {
#include "gateway/config/options.def"
};
#define OPTIONS_END (options + sizeof(options) / sizeof(options[0]))

const struct config_option *config_table_next(unsigned mapping, const struct config_option *after)
{
    CHECK(after == NULL || (after >= options && after < OPTIONS_END));
    const struct config_option *option = after != NULL ? after + 1 : options;
    while (option != OPTIONS_END && (option->mapping & mapping) == 0)
        ++option;
    return option != OPTIONS_END ? option : NULL;
}

const struct config_option *config_table_find(unsigned mapping, const char *key, size_t len)
{
    CONFIG_TABLE_EACH(option, mapping)
    {
        if (strlen(option->key) == len && memcmp(option->key, key, len) == 0)
            return option;
    }
    return NULL;
}

const struct config_option *config_table_sibling(const struct config_option *option, const char *text)
{
    const char *dot = strrchr(text, '.'), *key = dot != NULL ? dot + 1 : text;
    const struct config_option *sibling = config_table_find(option->mapping, key, strcspn(key, ":"));
    CHECK(sibling != NULL);
    return sibling;
}

/* ---- comparing ---- */

static const char *text_at(const void *at)
{
    const char *text;
    /* Not by a cast: the member may be a pointer of any type, and reading one as another is undefined. */
    memcpy(&text, at, sizeof(text));
    return text;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static unsigned count_at(const struct config_option *option, const void *at)
{
    CHECK(option->is_list && option->entry_size != 0);
    unsigned count;
    memcpy(&count, (const char *)at + option->count_offset, sizeof(count));
    return count;
}

static bool is_same_entry(const struct config_option *option, const char *a, const char *b)
{
    const struct ip_network *network = (const void *)a, *other = (const void *)b;
    switch (option->storage) {
    case CONFIG_STORED_TEXTS:
        return is_same_text(text_at(a), text_at(b));
    case CONFIG_STORED_NETWORKS:
        return network->bits == other->bits && memcmp(network->address, other->address, sizeof(other->address)) == 0;
    default:
        CHECK(option->storage == CONFIG_STORED_STRUCTS);
        return config_table_are_same(option->keys, a, b);
    }
}

static bool is_same_list(const struct config_option *option, const void *a, const void *b)
{
    const char *entry = text_at((const char *)a + option->offset), *other = text_at((const char *)b + option->offset);
    unsigned count = count_at(option, a);
    if (count != count_at(option, b))
        return false;
    for (size_t i = 0; i != count; ++i) {
        if (!is_same_entry(option, entry + i * option->entry_size, other + i * option->entry_size))
            return false;
    }
    return true;
}

bool config_table_is_same_member(const struct config_option *option, const void *a, const void *b)
{
    const char *value = (const char *)a + option->offset, *other = (const char *)b + option->offset;
    switch (option->storage) {
    case CONFIG_STORED_NOWHERE:
    case CONFIG_STORED_INSIDE:
        return true; /* such a mapping has no member of its own */
    case CONFIG_STORED_FLAG:
        return memcmp(value, other, sizeof(bool)) == 0;
    case CONFIG_STORED_32:
        return memcmp(value, other, sizeof(uint32_t)) == 0;
    case CONFIG_STORED_64:
        return memcmp(value, other, sizeof(uint64_t)) == 0;
    case CONFIG_STORED_TEXT:
        return is_same_text(text_at(value), text_at(other));
    default:
        return is_same_list(option, a, b);
    }
}

bool config_table_is_same(const struct config_option *option, const void *a, const void *b)
{
    if (!config_table_is_same_member(option, a, b))
        return false;
    /* A list has been compared as a member; what defaults hold counts in the routes that took it over. */
    if (option->type != CONFIG_TYPE_MAPPING || option->is_list || option->storage == CONFIG_STORED_INSIDE)
        return true;
    return config_table_are_same(option->keys, a, b);
}

bool config_table_are_same(unsigned mapping, const void *a, const void *b)
{
    CONFIG_TABLE_EACH(option, mapping)
    {
        if (!config_table_is_same(option, a, b))
            return false;
    }
    return true;
}

/* ---- freeing ---- */

static void dispose_list(const struct config_option *option, void *at)
{
    char *entries = (char *)(uintptr_t)text_at((const char *)at + option->offset);
    for (size_t i = 0, count = count_at(option, at); i != count; ++i) {
        if (option->storage == CONFIG_STORED_TEXTS)
            free(((char **)(void *)entries)[i]);
        else if (option->storage == CONFIG_STORED_STRUCTS)
            config_table_dispose(option->keys, entries + i * option->entry_size);
    }
    free(entries);
}

void config_table_dispose(unsigned mapping, void *at)
{
    CONFIG_TABLE_EACH(option, mapping)
    {
        if (option->storage == CONFIG_STORED_TEXT)
            free((char *)(uintptr_t)text_at((const char *)at + option->offset));
        else if (option->storage == CONFIG_STORED_INSIDE)
            config_table_dispose(option->keys, (char *)at + option->offset);
        else if (option->type == CONFIG_TYPE_MAPPING && !option->is_list)
            config_table_dispose(option->keys, at); /* its keys are members of this struct */
        /* A list of bits owns nothing. */
        else if (option->is_list && option->entry_size != 0)
            dispose_list(option, at);
    }
}
