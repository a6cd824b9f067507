/* config_place.c - where the values of one mapping come from: the file, what it inherits, the built-in ones */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_place.h"

#include <string.h>
#include <yaml.h>

#include "gateway/base/check.h"
#include "gateway/config/config_table.h"

const yaml_node_pair_t *config_place_pair(yaml_document_t *document, const yaml_node_t *mapping, const char *key,
                                          size_t len)
{
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair != mapping->data.mapping.pairs.top; ++pair) {
        const yaml_node_t *found = yaml_document_get_node(document, pair->key);
        /* By its length: a key with a NUL in it must not pass for the part before the NUL. */
        if (found->type == YAML_SCALAR_NODE && found->data.scalar.length == len &&
            memcmp(found->data.scalar.value, key, len) == 0)
            return pair;
    }
    return NULL;
}

static const yaml_node_t *find_value(yaml_document_t *document, const yaml_node_t *mapping, const char *key)
{
    const yaml_node_pair_t *pair = config_place_pair(document, mapping, key, strlen(key));
    return pair != NULL ? yaml_document_get_node(document, pair->value) : NULL;
}

const yaml_node_t *config_place_value(const struct config_place *place, const struct config_option *option)
{
    const yaml_node_t *value = find_value(place->document, place->own, option->key);
    return value != NULL ? value : find_value(place->document, place->inherited, option->key);
}

const char *config_place_text(const struct config_place *place, const struct config_option *option)
{
    const yaml_node_t *value = config_place_value(place, option);
    if (value == NULL)
        return option->builtin;
    /* One of another kind is reported where its own key is read. */
    return value->type == YAML_SCALAR_NODE ? (const char *)value->data.scalar.value : NULL;
}

bool config_place_has_needed(const struct config_place *place, const struct config_option *option)
{
    /* Written or inherited: a built-in value would be there in any case. */
    return option->needs == NULL || config_place_value(place, config_table_sibling(option, option->needs)) != NULL;
}

bool config_place_is_in_force(const struct config_place *place, const struct config_option *option)
{
    if (option->only_with == NULL)
        return true;
    const char *wanted = strstr(option->only_with, ": ");
    CHECK(wanted != NULL);
    const char *text = config_place_text(place, config_table_sibling(option, option->only_with));
    /* As it is written: a choice and a flag have one spelling each. */
    return text != NULL && strcmp(text, wanted + 2) == 0;
}

struct config_place config_place_enter(const struct config_place *place, const struct config_option *option)
{
    struct config_place inside = {.document = place->document,
                                  .own = find_value(place->document, place->own, option->key)};
    CHECK(option->type == CONFIG_TYPE_MAPPING && !option->is_list);
    /* half of one and half of the other would be a mapping that the file does not have */
    if (!option->is_whole || inside.own == NULL)
        inside.inherited = find_value(place->document, place->inherited, option->key);
    return inside;
}

struct config_place config_place_entry(const struct config_place *place, const struct config_option *option,
                                       const yaml_node_t *entry)
{
    struct config_place inside = {.document = place->document, .own = entry};
    if (option->inherits != NULL)
        inside.inherited = find_value(place->document, yaml_document_get_root_node(place->document), option->inherits);
    return inside;
}

bool config_place_is_there(const struct config_place *place, const struct config_option *option)
{
    return !option->is_whole || place->own != NULL || place->inherited != NULL;
}
