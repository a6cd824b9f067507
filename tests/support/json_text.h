/* json_text.h - single fields of the JSON the gateway writes */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_JSON_TEXT_H
#define TESTS_SUPPORT_JSON_TEXT_H

#include <stdbool.h>

/*
 * The member `key` of the JSON object in text, as text: strings as they are,
 * anything else as compact JSON (null is "null"). Valid until the eighth call
 * after it. NULL: text isn't one JSON object, or has no such member.
 */
const char *json_field(const char *text, const char *key);

struct http_stream;

/*
 * The response is a whole application/problem+json (RFC 9457): type, title,
 * status (the response's own) and detail, which contains the word. Otherwise
 * says on stderr what is missing.
 */
bool is_problem(const struct http_stream *response, int status, const char *word);

#endif
