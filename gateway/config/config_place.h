/* config_place.h - where the values of one mapping come from: the file, what it inherits, the built-in ones */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_PLACE_H
#define GATEWAY_CONFIG_CONFIG_PLACE_H

#include <stdbool.h>
#include <stddef.h>

struct config_option;
struct yaml_document_s;
struct yaml_node_pair_s;
struct yaml_node_s;

/* One mapping of the document. Either may be NULL; own overrides inherited. Owns nothing. */
struct config_place {
    struct yaml_document_s *document;
    const struct yaml_node_s *own;
    const struct yaml_node_s *inherited; /* a mapping of `defaults`, whose mistakes are reported there */
};

/* The first pair of a mapping with that key; NULL: there is none, or the node is no mapping. */
const struct yaml_node_pair_s *config_place_pair(struct yaml_document_s *document, const struct yaml_node_s *mapping,
                                                 const char *key, size_t len);

/* The option's value, own or inherited; NULL: there is none. */
const struct yaml_node_s *config_place_value(const struct config_place *place, const struct config_option *option);
/* The text of a single value, own, inherited or built in; NULL: there is none. */
const char *config_place_text(const struct config_place *place, const struct config_option *option);
/* What .needs names is there, and what .only_with names has the value. */
bool config_place_has_needed(const struct config_place *place, const struct config_option *option);
bool config_place_is_in_force(const struct config_place *place, const struct config_option *option);

/* The mapping that is the option's value. */
struct config_place config_place_enter(const struct config_place *place, const struct config_option *option);
/* An entry of the list of mappings that is the option's value. */
struct config_place config_place_entry(const struct config_place *place, const struct config_option *option,
                                       const struct yaml_node_s *entry);
/* A mapping that is_whole, and is neither own nor inherited, has no values: not even built-in ones. */
bool config_place_is_there(const struct config_place *place, const struct config_option *option);

#endif
