/* text_json.c - writes and recognises JSON text */
/* SPDX-License-Identifier: MIT */
#include "proto/text.h"

#include <stdint.h>
#include <string.h>

/* The letter of a two-character escape, 0 where there is none. */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool needs_escape(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

size_t text_json_size(const char *s, size_t len)
{
    size_t size = len;

    for (size_t i = 0; i < len; i++) {
        if (needs_escape(s[i]))
            size += short_escape(s[i]) != 0 ? 1 : 5;
    }
    return size;
}

size_t text_json_write(char *dst, const char *s, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *p = dst;

    for (size_t i = 0; i < len; i++) {
        if (!needs_escape(s[i])) {
            *p++ = s[i];
            continue;
        }
        char letter = short_escape(s[i]);
        *p++ = '\\';
        if (letter != 0) {
            *p++ = letter;
            continue;
        }
        memcpy(p, "u00", 3);
        p[3] = digits[(unsigned char)s[i] >> 4];
        p[4] = digits[(unsigned char)s[i] & 15];
        p += 5;
    }
    return (size_t)(p - dst);
}

/*
 * A scan without recursion: what is open is one bit a level, so the depth is
 * bounded by the width of the word and the stack by nothing a peer sends.
 */
struct scan {
    const char *s;
    size_t at, len;
    uint64_t open; /* lowest bit: the innermost is an object, not an array */
    unsigned depth;
};

#define DEPTH_MAX 64
_Static_assert(DEPTH_MAX == 8 * sizeof(((struct scan *)0)->open), "a bit for each level");

/* The byte ahead, or -1 at the end. */
static int peek(const struct scan *scan)
{
    return scan->at < scan->len ? (unsigned char)scan->s[scan->at] : -1;
}

static bool take(struct scan *scan, char c)
{
    if (peek(scan) != c)
        return false;
    scan->at++;
    return true;
}

static void skip_space(struct scan *scan)
{
    int c;

    while ((c = peek(scan)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        scan->at++;
}

static bool scan_escape(struct scan *scan)
{
    int c = peek(scan);

    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return false;
    scan->at++;
    for (int i = 0; c == 'u' && i < 4; i++) {
        int digit = peek(scan);
        if (digit <= 0 || strchr("0123456789abcdefABCDEF", digit) == NULL)
            return false;
        scan->at++;
    }
    return true;
}

static bool scan_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    for (;;) {
        int c = peek(scan);
        if (c < 0x20)
            return false;
        scan->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(scan))
            return false;
    }
}

static bool scan_digits(struct scan *scan)
{
    size_t start = scan->at;
    int c;

    while ((c = peek(scan)) >= '0' && c <= '9')
        scan->at++;
    return scan->at > start;
}

static bool scan_number(struct scan *scan)
{
    take(scan, '-');
    if (!take(scan, '0') && !scan_digits(scan))
        return false;
    if (take(scan, '.') && !scan_digits(scan))
        return false;
    if (!take(scan, 'e') && !take(scan, 'E'))
        return true;
    if (!take(scan, '+'))
        take(scan, '-');
    return scan_digits(scan);
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t len = strlen(word);

    if (scan->len - scan->at < len || memcmp(scan->s + scan->at, word, len) != 0)
        return false;
    scan->at += len;
    return true;
}

static bool scan_scalar(struct scan *scan)
{
    switch (peek(scan)) {
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

static bool scan_key(struct scan *scan)
{
    skip_space(scan);
    if (!scan_string(scan))
        return false;
    skip_space(scan);
    return take(scan, ':');
}

static bool in_object(const struct scan *scan)
{
    return (scan->open & 1) != 0;
}

static bool scan_close(struct scan *scan)
{
    if (!take(scan, in_object(scan) ? '}' : ']'))
        return false;
    scan->open >>= 1;
    scan->depth--;
    return true;
}

/* One value, or the opening of one as far as its first member; *complete says which. */
static bool scan_value(struct scan *scan, bool *complete)
{
    skip_space(scan);
    bool object = peek(scan) == '{';
    *complete = true;
    if (!object && peek(scan) != '[')
        return scan_scalar(scan);
    if (scan->depth == DEPTH_MAX)
        return false;
    scan->at++;
    scan->depth++;
    scan->open = scan->open << 1 | (object ? 1 : 0);
    skip_space(scan);
    if (scan_close(scan))
        return true;
    *complete = false;
    return !object || scan_key(scan);
}

bool text_is_json(const char *s, size_t len)
{
    struct scan scan = {.s = s, .len = len};
    bool complete;

    if (!text_is_utf8(s, len))
        return false;
    for (;;) {
        if (!scan_value(&scan, &complete))
            return false;
        while (complete) {
            skip_space(&scan);
            if (scan.depth == 0)
                return scan.at == len;
            if (take(&scan, ',')) {
                if (in_object(&scan) && !scan_key(&scan))
                    return false;
                complete = false;
            } else if (!scan_close(&scan)) {
                return false;
            }
        }
    }
}
