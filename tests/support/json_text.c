/* json_text.c - single fields of the JSON the gateway writes */
/* SPDX-License-Identifier: MIT */
#include "tests/support/json_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/sandbox.h"

const char *json_field(const char *text, const char *key)
{
    static char *recent[8];
    static unsigned turn;
    json_t *object = json_loads(text, 0, NULL), *member = json_object_get(object, key);
    char **slot = &recent[turn++ % 8];

    free(*slot);
    *slot = NULL;
    if (json_is_string(member))
        *slot = text_format("%s", json_string_value(member));
    else if (member != NULL)
        *slot = json_dumps(member, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(object);
    return *slot;
}

static bool complain(const struct http_stream *response, const char *what)
{
    fprintf(stderr, "not a proper problem response (%s): status %d, content-type %s, body %s\n", what, response->status,
            http_header(response, "content-type"), response->body);
    return false;
}

bool is_problem(const struct http_stream *response, int status, const char *word)
{
    const char *type = http_header(response, "content-type"), *value;

    if (response->status != status)
        return complain(response, "the status");
    if (!response->ended || response->result != CURLE_OK)
        return complain(response, "it did not end in order");
    if (type == NULL || strcmp(type, "application/problem+json") != 0)
        return complain(response, "the content type");
    if ((value = json_field(response->body, "status")) == NULL || strtol(value, NULL, 10) != status)
        return complain(response, "the member status");
    if ((value = json_field(response->body, "type")) == NULL || *value == '\0')
        return complain(response, "the member type");
    if ((value = json_field(response->body, "title")) == NULL || *value == '\0')
        return complain(response, "the member title");
    if ((value = json_field(response->body, "detail")) == NULL || strstr(value, word) == NULL)
        return complain(response, "the detail does not name what is wrong");
    return true;
}
