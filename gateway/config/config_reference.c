/* config_reference.c - the table of all configuration keys in words: for the docs and the man page */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_reference.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config_number.h"

static const char *const names[CONFIG_TYPES] = {
    [CONFIG_TYPE_MAPPING] = "mapping",  [CONFIG_TYPE_NUMBER] = "number",         [CONFIG_TYPE_DURATION] = "duration",
    [CONFIG_TYPE_SIZE] = "size",        [CONFIG_TYPE_FLAG] = "true | false",     [CONFIG_TYPE_CHOICE] = "choice",
    [CONFIG_TYPE_TEXT] = "text",        [CONFIG_TYPE_SECRET] = "secret",         [CONFIG_TYPE_URLS] = "URLs",
    [CONFIG_TYPE_PATH] = "path",        [CONFIG_TYPE_ADDRESS] = "address",       [CONFIG_TYPE_NETWORK] = "network",
    [CONFIG_TYPE_NAME] = "text",        [CONFIG_TYPE_STREAM] = "text",           [CONFIG_TYPE_SUBJECT] = "subject",
    [CONFIG_TYPE_TEMPLATE] = "subject", [CONFIG_TYPE_PATTERN] = "subject",       [CONFIG_TYPE_ORIGIN] = "origin",
    [CONFIG_TYPE_HEADER] = "header",    [CONFIG_TYPE_MESSAGE_HEADER] = "header",
};

struct reference {
    void (*on_row)(void *arg, const struct config_reference *row);
    void *arg;
    struct config_reference row;
    const char *inherits; /* the mapping that the rows take values from; NULL: none */
    size_t root;          /* where the part of row.path begins that is the same there */
    const char *whole;    /* key of the mapping that is taken over as a whole; NULL: key by key */
};

static void write_type(const struct config_option *option, char *text, size_t size)
{
    char words[CONFIG_RANGE_MAX];
    if (option->type == CONFIG_TYPE_MAPPING)
        snprintf(text, size, "list"); /* other mappings have no row */
    else if (option->type == CONFIG_TYPE_CHOICE)
        snprintf(text, size, "%s%s", option->is_list ? "list of " : "", config_number_words(option, " | ", words));
    else if (option->is_list)
        snprintf(text, size, "list of %ss", names[option->type]);
    else
        snprintf(text, size, "%s%s%s", option->word != NULL ? option->word : "", option->word != NULL ? " | " : "",
                 names[option->type]);
}

/* What the row says, and what its reader has to know besides. */
static void write_help(const struct config_option *option, char *text, size_t size)
{
    bool is_amount =
        option->type == CONFIG_TYPE_NUMBER || option->type == CONFIG_TYPE_DURATION || option->type == CONFIG_TYPE_SIZE;
    size_t len = strlen(option->help);
    char range[CONFIG_RANGE_MAX], more[CONFIG_RANGE_MAX + 32] = "";
    CHECK(len != 0 && option->help[len - 1] == '.');
    if (is_amount)
        snprintf(more, sizeof(more), "; %s", config_number_range(option, range));
    else if (option->is_list && option->most != UINT64_MAX && option->type != CONFIG_TYPE_CHOICE)
        snprintf(more, sizeof(more), "; at most %llu", (unsigned long long)option->most);
    if (option->only_with != NULL)
        snprintf(more + strlen(more), sizeof(more) - strlen(more), "; only with %s", option->only_with);
    snprintf(text, size, "%.*s%s.", (int)len - 1, option->help, more);
}

static void put_row(struct reference *reference, const struct config_option *option, bool is_always_there)
{
    struct config_reference *row = &reference->row;
    write_type(option, row->type, sizeof(row->type));
    write_help(option, row->help, sizeof(row->help));
    snprintf(row->builtin, sizeof(row->builtin), "%s", option->builtin != NULL ? option->builtin : "");
    row->is_required = option->is_required && is_always_there;
    if (reference->inherits != NULL && reference->whole != NULL) {
        snprintf(row->help, sizeof(row->help), "As in %s; %s here replaces the whole of it.", reference->inherits,
                 reference->whole);
    } else if (reference->inherits != NULL) {
        snprintf(row->help, sizeof(row->help), "As in %s, for this route.", reference->inherits);
        snprintf(row->builtin, sizeof(row->builtin), "%s%.128s", reference->inherits, row->path + reference->root);
    }
    reference->on_row(reference->arg, row);
}

static void append_key(char path[static CONFIG_PATH_MAX], size_t len, const char *key)
{
    int added = snprintf(path + len, CONFIG_PATH_MAX - len, "%s%s", len != 0 ? "." : "", key);
    CHECK(added > 0 && len + (size_t)added < CONFIG_PATH_MAX);
}

static void put_key(struct reference *reference, const struct config_option *option, bool is_always_there);

static void put_mapping(struct reference *reference, const struct config_option *option)
{
    const char *whole = reference->whole;
    if (option->is_whole && whole == NULL) /* the outermost: a route's own auth replaces its jwt, too */
        reference->whole = option->key;
    CONFIG_TABLE_EACH(key, option->keys)
    {
        put_key(reference, key, false); /* required only where its mapping is written */
    }
    reference->whole = whole;
}

static void put_entries(struct reference *reference, const struct config_option *option)
{
    size_t len = strlen(reference->row.path);
    put_row(reference, option, true);
    snprintf(reference->row.path + len, CONFIG_PATH_MAX - len, "[]");
    reference->root = len + 2;
    CONFIG_TABLE_EACH(key, option->keys)
    {
        /* a row that stands in another mapping, too, is inherited from there */
        reference->inherits = key->mapping != option->keys ? option->inherits : NULL;
        put_key(reference, key, true);
    }
    reference->inherits = NULL;
}

static void put_key(struct reference *reference, const struct config_option *option, bool is_always_there)
{
    size_t len = strlen(reference->row.path);
    append_key(reference->row.path, len, option->key);
    if (option->type != CONFIG_TYPE_MAPPING)
        put_row(reference, option, is_always_there);
    else if (option->is_list)
        put_entries(reference, option);
    else
        put_mapping(reference, option);
    reference->row.path[len] = '\0';
}

void config_reference_each(void (*on_row)(void *arg, const struct config_reference *row), void *arg)
{
    struct reference reference = {.on_row = on_row, .arg = arg};
    CONFIG_TABLE_EACH(key, CONFIG_TOP)
    {
        put_key(&reference, key, true);
    }
}
