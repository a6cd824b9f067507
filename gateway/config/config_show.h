/* config_show.h - the configuration as it is in effect, for those who ask a running gateway */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_SHOW_H
#define GATEWAY_CONFIG_CONFIG_SHOW_H

struct yaml_document_s;

/*
 * A JSON object of the file's form with every key of the table: what isn't in
 * the file is what is built in, and each route has what it takes from
 * defaults; null is nothing. Values are as the file writes them ("15s",
 * "4MiB"), numbers are numbers. A secret is "***", and so is what stands
 * before the @ of a URL. The document has been read without complaint. The
 * caller frees.
 */
char *config_show(struct yaml_document_s *document);

#endif
