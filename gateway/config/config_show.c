/* config_show.c - the configuration as it is in effect, for those who ask a running gateway */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_show.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/config/config_place.h"
#include "gateway/config/config_table.h"
#include "proto/units.h"

#define MASK "***"

/* nats://user:password@host, of which there may be several. */
static void write_urls(struct buffer *json, const char *text)
{
    struct buffer shown = {.bytes = NULL};
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        /* The last '@': a password may have one of its own. */
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

static void write_text(struct buffer *json, const struct config_option *option, const char *text)
{
    uint64_t number;
    if (text == NULL)
        buffer_add_text(json, "null");
    else if (option->type == CONFIG_TYPE_SECRET)
        buffer_add_text(json, "\"" MASK "\"");
    else if (option->type == CONFIG_TYPE_FLAG)
        buffer_add_text(json, text);
    else if (option->type == CONFIG_TYPE_NUMBER && units_parse_u64(text, strlen(text), &number))
        buffer_format(json, "%llu", (unsigned long long)number);
    else if (option->type == CONFIG_TYPE_URLS || strstr(text, "://") != NULL) /* any URL may have a login in it */
        write_urls(json, text);
    else
        buffer_add_json(json, text, strlen(text));
}

static void write_mapping(struct buffer *json, unsigned mapping, const struct config_place *place);

static void write_list(struct buffer *json, const struct config_option *option, const struct config_place *place)
{
    const yaml_node_t *list = config_place_value(place, option);
    if (list == NULL) {
        buffer_add_text(json, "null"); /* [] is a list that is empty: of cors.origins it turns cors off */
        return;
    }
    CHECK(list->type == YAML_SEQUENCE_NODE);
    buffer_add_text(json, "[");
    for (const yaml_node_item_t *item = list->data.sequence.items.start; item != list->data.sequence.items.top;
         ++item) {
        const yaml_node_t *entry = yaml_document_get_node(place->document, *item);
        buffer_add(json, ",", item != list->data.sequence.items.start);
        if (option->type == CONFIG_TYPE_MAPPING) {
            struct config_place inside = config_place_entry(place, option, entry);
            write_mapping(json, option->keys, &inside);
        } else {
            CHECK(entry->type == YAML_SCALAR_NODE); /* config_read has refused any other */
            write_text(json, option, (const char *)entry->data.scalar.value);
        }
    }
    buffer_add_text(json, "]");
}

static void write_option(struct buffer *json, const struct config_option *option, const struct config_place *place)
{
    if (option->is_list) {
        write_list(json, option, place);
    } else if (option->type == CONFIG_TYPE_MAPPING) {
        struct config_place inside = config_place_enter(place, option);
        if (config_place_is_there(&inside, option))
            write_mapping(json, option->keys, &inside);
        else
            buffer_add_text(json, "null");
    } else {
        /* a route that keeps its history elsewhere has nothing of the JetStream that defaults may name */
        write_text(json, option, config_place_is_in_force(place, option) ? config_place_text(place, option) : NULL);
    }
}

static void write_mapping(struct buffer *json, unsigned mapping, const struct config_place *place)
{
    const char *before = "{";
    CONFIG_TABLE_EACH(option, mapping)
    {
        buffer_format(json, "%s\"%s\":", before, option->key);
        write_option(json, option, place);
        before = ",";
    }
    buffer_add_text(json, "}");
}

char *config_show(yaml_document_t *document)
{
    struct config_place top = {.document = document, .own = yaml_document_get_root_node(document)};
    struct buffer json = {.bytes = NULL};
    CHECK(top.own != NULL && top.own->type == YAML_MAPPING_NODE);
    write_mapping(&json, CONFIG_TOP, &top);
    buffer_add_text(&json, "\n");
    return buffer_take(&json);
}
