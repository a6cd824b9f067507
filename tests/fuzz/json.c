/* json.c - fuzzes text: UTF-8, base64, JSON, and the CloudEvents that are made of them */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cloudevents.h"
#include "proto/text.h"

enum { NESTING_MAX = 64 };

static char *room_for(size_t len)
{
    char *room = malloc(len != 0 ? len : 1);

    if (room == NULL)
        abort();
    return room;
}

/* ---- UTF-8: each character is decoded, and must be the one that encodes to just these bytes ---- */

static size_t encode(uint32_t c, unsigned char *bytes)
{
    if (c < 0x80) {
        bytes[0] = (unsigned char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; c >>= 6)
        bytes[i] = (unsigned char)(0x80 | (c & 0x3f));
    bytes[0] = (unsigned char)(0xf00 >> len | c);
    return len;
}

static bool is_utf8(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char again[4];

    for (size_t at = 0; at != len;) {
        size_t ones = 0;
        while (ones != 5 && (p[at] << ones & 0x80) != 0)
            ++ones;
        size_t size = ones == 0 ? 1 : ones;
        if (ones == 1 || ones == 5 || size > len - at)
            return false;
        uint32_t c = ones == 0 ? p[at] : p[at] & (0x7fu >> ones);
        for (size_t i = 1; i != size; ++i)
            c = c << 6 | (p[at + i] & 0x3fu);
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || encode(c, again) != size ||
            memcmp(again, p + at, size) != 0)
            return false;
        at += size;
    }
    return true;
}

/* ---- base64, read back bit by bit ---- */

static void unbase64(const char *text, size_t len, unsigned char *bytes, size_t *bytes_len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t bits = 0, padding = 0;

    memset(bytes, 0, len);
    for (size_t i = 0; i != len; ++i) {
        const char *digit = memchr(digits, text[i], 64);
        FUZZ_CHECK(digit != NULL ? padding == 0 : text[i] == '=');
        padding += digit == NULL;
        for (int bit = 5; digit != NULL && bit >= 0; --bit, ++bits) {
            if (((digit - digits) >> bit & 1) != 0)
                bytes[bits / 8] = (unsigned char)(bytes[bits / 8] | 0x80 >> bits % 8);
        }
    }
    FUZZ_CHECK(len % 4 == 0 && padding <= 2 && bits / 8 == len / 4 * 3 - padding);
    *bytes_len = bits / 8;
}

static void check_base64(const struct fuzz_text *text)
{
    size_t len = text_base64_size(text->len), back_len;
    char *encoded = room_for(len);
    unsigned char *back = (unsigned char *)room_for(len);

    FUZZ_CHECK(text_base64_write(encoded, text->s, text->len) == len);
    unbase64(encoded, len, back, &back_len);
    FUZZ_CHECK(back_len == text->len && (back_len == 0 || memcmp(back, text->s, back_len) == 0));
    free(encoded);
    free(back);
}

/* ---- JSON, against another parser ---- */

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0, index;
    const char *key;
    json_t *child;

    json_array_foreach (value, index, child) {
        size_t depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    json_object_foreach ((json_t *)value, key, child) {
        size_t depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_is_array(value) || json_is_object(value));
}

static bool has_nul(const struct fuzz_text *text)
{
    return text->len != 0 && memchr(text->s, '\0', text->len) != NULL;
}

/* JSON by the grammar, and more than that parser can hold: large numbers, NULs in names, halves of a UTF-16 pair. */
static bool is_beyond(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key || strstr(error->text, "invalid Unicode") != NULL;
}

static void check_json(const struct fuzz_text *text)
{
    /* What the format allows and that parser by default doesn't. */
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_error_t error;
    json_t *value = json_loadb(text->s, text->len, flags, &error);
    bool valid = text_is_json(text->s, text->len);

    /* To that parser a NUL outside of a string ends the text. */
    if (has_nul(text))
        FUZZ_CHECK(!valid);
    else if (value != NULL)
        FUZZ_CHECK(valid == (depth_of(value) <= NESTING_MAX));
    else if (valid)
        FUZZ_CHECK(is_beyond(&error));
    if (valid)
        FUZZ_CHECK(is_utf8(text->s, text->len));
    json_decref(value);
}

static void check_string(const struct fuzz_text *text)
{
    size_t len = text_json_size(text->s, text->len);
    char *quoted = room_for(len + 2);

    quoted[0] = '"';
    FUZZ_CHECK(text_json_write(quoted + 1, text->s, text->len) == len);
    quoted[len + 1] = '"';
    json_t *value = json_loadb(quoted, len + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(json_is_string(value) && json_string_length(value) == text->len);
    FUZZ_CHECK(text->len == 0 || memcmp(json_string_value(value), text->s, text->len) == 0);
    FUZZ_CHECK(text_is_json(quoted, len + 2));
    FUZZ_CHECK(memchr(quoted, '\n', len + 2) == NULL && memchr(quoted, '\r', len + 2) == NULL);
    json_decref(value);
    free(quoted);
}

/* ---- the payload of an event ---- */

static void check_data(const json_t *event, const struct fuzz_text *payload, bool as_json)
{
    const json_t *data = json_object_get(event, "data"), *encoded = json_object_get(event, "data_base64");

    if (payload->len == 0) {
        FUZZ_CHECK(data == NULL && encoded == NULL);
    } else if (!is_utf8(payload->s, payload->len)) {
        size_t len = json_string_length(encoded), back_len;
        unsigned char *back = (unsigned char *)room_for(len);
        FUZZ_CHECK(data == NULL && json_is_string(encoded));
        unbase64(json_string_value(encoded), len, back, &back_len);
        FUZZ_CHECK(back_len == payload->len && memcmp(back, payload->s, back_len) == 0);
        free(back);
    } else if (as_json && text_is_json(payload->s, payload->len)) {
        json_t *value = json_loadb(payload->s, payload->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        FUZZ_CHECK(encoded == NULL && (value == NULL || json_equal(value, data)));
        json_decref(value);
    } else {
        FUZZ_CHECK(encoded == NULL && json_string_length(data) == payload->len);
        FUZZ_CHECK(memcmp(json_string_value(data), payload->s, payload->len) == 0);
    }
}

static void check_event(const struct fuzz_text *subject, const struct fuzz_text *payload, bool as_json)
{
    const struct cloudevent event = {.id = "1-1",
                                     .source = "/fuzz",
                                     .type = "t",
                                     .subject = subject->s,
                                     .datacontenttype = as_json ? "application/json" : "text/plain",
                                     .time_ms = -1,
                                     .data = payload->s,
                                     .data_len = payload->len};
    size_t len = cloudevent_size(&event);
    char *text = room_for(len);
    json_error_t error;

    FUZZ_CHECK(cloudevent_write(text, &event) == len);
    FUZZ_CHECK(memchr(text, '\n', len) == NULL && memchr(text, '\r', len) == NULL);
    json_t *value = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        FUZZ_CHECK(as_json && is_beyond(&error));
    } else {
        FUZZ_CHECK(strcmp(json_string_value(json_object_get(value, "subject")), subject->s) == 0);
        check_data(value, payload, as_json);
    }
    json_decref(value);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text text = fuzz_rest(&input), subject, payload;

    FUZZ_CHECK(text_is_utf8(text.s, text.len) == is_utf8(text.s, text.len));
    check_base64(&text);
    check_json(&text);
    if (is_utf8(text.s, text.len))
        check_string(&text);
    input = (struct fuzz_input){data, size};
    bool as_json = (fuzz_byte(&input) & 1) != 0;
    subject = fuzz_line_string(&input);
    payload = fuzz_rest(&input);
    if (is_utf8(subject.s, subject.len) && !has_nul(&subject))
        check_event(&subject, &payload, as_json);
    free(text.s);
    free(subject.s);
    free(payload.s);
    return 0;
}
