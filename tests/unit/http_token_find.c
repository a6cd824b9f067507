/* http_token_find.c - tokens in Authorization and Cookie headers */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/token_find.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is(const struct token_text *text, const char *expected)
{
    return text->len == strlen(expected) && memcmp(text->base, expected, text->len) == 0;
}

Test(token_find, bearer)
{
    static const struct {
        const char *header, *text; /* NULL: another scheme */
    } cases[] = {
        {"Bearer abc", "abc"},
        {"bearer abc", "abc"},
        {"BEARER abc", "abc"},
        {"Bearer   abc  ", "abc"},
        {" Bearer abc", "abc"},
        {"Bearer", ""},
        {"Bearer ", ""},
        {"Bearer a b", "a b"},
        {"Basic abc", NULL},
        {"Bearerabc", NULL},
        {"Bearer\tabc", NULL},
        {"Bear", NULL},
        {"", NULL},
        {"abc", NULL},
        {"Digest Bearer a", NULL},
        {"Bearer, Bearer a", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_text text = {NULL, 0};
        bool found = token_find_bearer(cases[i].header, strlen(cases[i].header), &text);
        cr_expect(found == (cases[i].text != NULL), "%s", cases[i].header);
        if (found && cases[i].text != NULL)
            cr_expect(is(&text, cases[i].text), "%s: %.*s", cases[i].header, (int)text.len, text.base);
    }
}

Test(token_find, cookies)
{
    static const struct {
        const char *header, *value;
        unsigned count;
    } cases[] = {
        {"t=abc", "abc", 1},
        {"a=b; t=abc", "abc", 1},
        {"t=abc;a=b", "abc", 1},
        {"a=b;t=abc;c=d", "abc", 1},
        {"  t=abc  ;", "abc", 1},
        {"t=\"abc\"", "abc", 1},
        {"t=\"", "\"", 1},
        {"t=\"\"", "", 1},
        {"t=", "", 1},
        {"t=a=b==", "a=b==", 1},
        {"t=a; t=b", "b", 2},
        {"t=a;t=b;t=c", "c", 3},
        {"x=t=abc", NULL, 0},
        {"tt=abc", NULL, 0},
        {"xt=abc", NULL, 0},
        {"T=abc", NULL, 0},
        {"t", NULL, 0},
        {"t =abc", NULL, 0},
        {"a=\"; t=b\"", "b\"", 1}, /* a quote quotes nothing in RFC 6265 */
        {"", NULL, 0},
        {";;;", NULL, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        /* of its own, so that a sanitizer sees a read behind its end */
        size_t len = strlen(cases[i].header);
        char *header = malloc(len != 0 ? len : 1);
        struct token_text value = {NULL, 0};
        unsigned count = 0;
        memcpy(header, cases[i].header, len);
        token_find_cookie(header, len, "t", &value, &count);
        cr_expect(count == cases[i].count, "%s: %u", cases[i].header, count);
        if (count != 0 && cases[i].value != NULL)
            cr_expect(is(&value, cases[i].value), "%s: %.*s", cases[i].header, (int)value.len, value.base);
        free(header);
    }
}
