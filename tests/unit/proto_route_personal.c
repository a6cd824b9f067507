/* proto_route_personal.c - subjects that depend on the client */
/* SPDX-License-Identifier: MIT */
#include "proto/route.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct expand_case {
    const char *template, *subject; /* NULL: refused */
    const char *name;
    enum subject_verdict verdict;
};

static const char *find_claim(void *arg, const char *name, size_t name_len, size_t *len)
{
    static const struct {
        const char *name, *value;
    } claims[] = {
        {"token.sub", "ann"},         {"token.dots", "a.b"},     {"token.star", "*"},      {"token.all", ">"},
        {"token.empty", ""},          {"token.blank", "a b"},    {"token.line", "a\r\nb"}, {"token.inbox", "_INBOX"},
        {"token.system", "$SYS"},     {"certificate.cn", "box"}, {"token.bad", "\xff"},    {"token.brace", "{id}"},
        {"token.https://x/t.u", "7"},
    };
    cr_assert_str_eq(arg, "mine");
    for (size_t i = 0; i < COUNT(claims); i++) {
        if (strlen(claims[i].name) == name_len && memcmp(claims[i].name, name, name_len) == 0) {
            *len = strlen(claims[i].value);
            return claims[i].value;
        }
    }
    return NULL;
}

Test(route_personal, expands_what_is_not_in_the_path)
{
    static const struct expand_case cases[] = {
        {"user.{token.sub}.>", "user.ann.>", NULL, SUBJECT_OK},
        {"{certificate.cn}.{a}.{token.sub}", "box.7.ann", NULL, SUBJECT_OK},
        {"t.{token.https://x/t.u}", "t.7", NULL, SUBJECT_OK},
        {"x.{token.inbox}", "x._INBOX", NULL, SUBJECT_OK},
        {"x.{token.brace}", "x.{id}", NULL, SUBJECT_OK},
        {"{token.inbox}.x", NULL, "token.inbox", SUBJECT_RESERVED},
        {"{token.system}.x", NULL, "token.system", SUBJECT_RESERVED},
        {"x.{token.dots}", NULL, "token.dots", SUBJECT_TOO_MANY_TOKENS},
        {"x.{token.star}", NULL, "token.star", SUBJECT_WILDCARD},
        {"x.{token.all}", NULL, "token.all", SUBJECT_WILDCARD},
        {"x.{token.empty}", NULL, "token.empty", SUBJECT_EMPTY},
        {"x.{token.blank}", NULL, "token.blank", SUBJECT_BLANK},
        {"x.{token.line}", NULL, "token.line", SUBJECT_CONTROL},
        {"x.{token.bad}", NULL, "token.bad", SUBJECT_NOT_UTF8},
        {"x.{token.nope}.y", NULL, "token.nope", SUBJECT_EMPTY},
    };
    char mine[] = "mine";
    const struct route_lookup lookup = {find_claim, mine};
    struct route route = {.segment_count = 0};
    struct route_params params;

    cr_assert(route_compile(&route, "/{a}") == NULL);
    cr_assert(route_match(&route, "/7", 2, &params) == ROUTE_MATCH);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct expand_case *c = &cases[i];
        struct route_expansion_error error = {0};
        char dst[SUBJECT_MAX + 1];
        const char *detail;
        size_t len;
        cr_assert(route_check_subject(&route, c->template, &detail) == NULL, "%s", c->template);
        cr_assert(route_is_personal(c->template));
        bool good = route_expand(c->template, &params, &lookup, dst, &len, &error);
        cr_assert(good == (c->subject != NULL), "%s", c->template);
        if (good) {
            cr_expect_str_eq(dst, c->subject);
            continue;
        }
        cr_expect(error.verdict == c->verdict && error.personal, "%s: %s", c->template,
                  subject_verdict_text(error.verdict));
        cr_expect(error.missing == (strcmp(c->name, "token.nope") == 0), "%s", c->template);
        cr_expect(error.name_len == strlen(c->name) && memcmp(error.name, c->name, error.name_len) == 0);
        cr_expect(!route_expand(c->template, &params, NULL, dst, &len, &error) && error.missing && error.personal);
    }
    cr_expect(!route_is_personal("a.{a}.>") && !route_is_personal("token.sub") && !route_is_personal("{a}"));
}
