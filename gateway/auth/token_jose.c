/* token_jose.c - checks the form of a compact JWS before any library sees it */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_jose.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/base64url.h"
#include "gateway/base/check.h"

/* Three parts, none of them empty; an encrypted token has five. */
static bool split_parts(struct token_jose *jose, const char *text, size_t len)
{
    const char *end = text + len;
    const char *first = memchr(text, '.', len);
    const char *second = first != NULL ? memchr(first + 1, '.', (size_t)(end - first) - 1) : NULL;
    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second) - 1) != NULL)
        return false;
    jose->header = (struct token_part){text, (size_t)(first - text)};
    jose->payload = (struct token_part){first + 1, (size_t)(second - first) - 1};
    jose->signature = (struct token_part){second + 1, (size_t)(end - second) - 1};
    return jose->header.len != 0 && jose->payload.len != 0 && jose->signature.len != 0;
}

/* Decodes it to check it strictly; only the length is kept. */
static bool measure_part(const struct token_part *part, size_t *len)
{
    unsigned char *bytes = check_malloc(BASE64URL_DECODED_MAX(part->len));
    bool is_valid = base64url_decode(part->text, part->len, bytes, len);
    free(bytes);
    return is_valid;
}

static bool take_header(struct token_jose *jose, const json_t *header)
{
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const json_t *kid = json_object_get(header, "kid");
    if (alg == NULL || !key_alg_parse(alg, &jose->alg) || (kid != NULL && !json_is_string(kid)))
        return false;
    /* crit names extensions that must be understood (RFC 7515, 4.1.11), and b64 (RFC 7797) changes what is signed. */
    if (json_object_get(header, "crit") != NULL || json_object_get(header, "b64") != NULL)
        return false;
    jose->kid = kid != NULL ? check_strdup(json_string_value(kid)) : NULL;
    return true;
}

static bool parse_header(struct token_jose *jose)
{
    unsigned char *bytes = check_malloc(BASE64URL_DECODED_MAX(jose->header.len));
    size_t len;
    bool is_valid = false;
    if (base64url_decode(jose->header.text, jose->header.len, bytes, &len)) {
        json_t *header = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
        is_valid = take_header(jose, header);
        json_decref(header);
    }
    free(bytes);
    return is_valid;
}

bool token_jose_parse(struct token_jose *jose, const char *text, size_t len)
{
    size_t payload_len;
    *jose = (struct token_jose){.kid = NULL};
    return split_parts(jose, text, len) && measure_part(&jose->payload, &payload_len) &&
           measure_part(&jose->signature, &jose->signature_len) && parse_header(jose);
}

void token_jose_dispose(struct token_jose *jose)
{
    free(jose->kid);
}
