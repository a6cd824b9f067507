/* text.h - UTF-8, base64, percent-encoding and JSON strings, as pure functions */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Fast on ASCII (8 bytes a step). */
bool text_is_utf8(const char *s, size_t len);

/* RFC 4648 section 4, with padding. dst takes text_base64_size(len) bytes; no NUL is written. */
size_t text_base64_size(size_t len);
size_t text_base64_write(char *dst, const void *src, size_t len);

/*
 * Decodes %XX (RFC 3986 2.1) from src into dst, which may be src itself and
 * must hold len bytes. With plus_is_space, '+' becomes a blank (query values).
 * False: a '%' that is not followed by two hex digits; dst is then undefined.
 */
bool text_percent_decode(char *dst, size_t *dst_len, const char *src, size_t len, bool plus_is_space);

/* s as the inside of a JSON string (RFC 8259 section 7), without the quotes. s must be valid UTF-8. */
size_t text_json_size(const char *s, size_t len);
size_t text_json_write(char *dst, const char *s, size_t len);

/* True for one JSON value (RFC 8259) with nothing but white space around it; nesting at most 64 deep. */
bool text_is_json(const char *s, size_t len);

/*
 * The next "key=value" of a query string (without its '?'). Advances *pos from
 * 0 to len; false at the end. Empty pieces ("a&&b") are skipped. Key and value
 * are the raw, still percent-encoded parts of query.
 */
struct text_query_pair {
    const char *key, *value;
    size_t key_len, value_len;
};
bool text_query_next(const char *query, size_t len, size_t *pos, struct text_query_pair *pair);

#endif
