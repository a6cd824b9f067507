/* config_walk.h - holds a YAML document against the schema and explains each difference */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_WALK_H
#define GATEWAY_CONFIG_CONFIG_WALK_H

struct config_report;
struct cyaml_schema_value;

/*
 * libcyaml gives up at the first thing it does not like and is vague about its
 * line. This walk over report->document goes before it, by the same schema,
 * and reports every unknown, missing or repeated key and every value of a
 * wrong kind. What passes here, libcyaml takes. Merge keys are unknown keys.
 */
void config_walk(struct config_report *report, const struct cyaml_schema_value *schema);

#endif
