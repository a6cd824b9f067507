/* proto_route.c - path templates, what they match, and the subjects they expand to */
/* SPDX-License-Identifier: MIT */
#include "proto/route.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/append_text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STRING(literal) (literal), sizeof(literal) - 1

static struct route compiled(const char *path)
{
    struct route route;
    const char *wrong = route_compile(&route, path);

    cr_assert(wrong == NULL, "%s %s", path, wrong);
    return route;
}

Test(route, good_paths)
{
    static const struct {
        const char *path;
        size_t segments, params;
    } cases[] = {
        {"/", 0, 0},
        {"/events", 1, 0},
        {"/events/orders/{id}", 3, 1},
        {"/{a}/{b}", 2, 2},
        {"/{_A9}/x", 2, 1},
        {"/grün/a b", 2, 0},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", 16, 0},
        {"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", 8, 8},
        {"/{abcdefghijklmnopqrstuvwxyz_01234}", 1, 1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route route = compiled(cases[i].path);
        cr_expect(route.segment_count == cases[i].segments && route.param_count == cases[i].params, "%s",
                  cases[i].path);
    }
}

Test(route, bad_paths)
{
    static const struct {
        const char *path, *part; /* of the message */
    } cases[] = {
        {"", "does not begin"},
        {"events", "does not begin"},
        {"/a?b", "'?'"},
        {"/a#b", "'#'"},
        {"/a%20b", "'%'"},
        {"//", "empty segment"},
        {"/a/", "empty segment"},
        {"/a//b", "empty segment"},
        {"/a{b}", "brace"},
        {"/{a}b", "brace"},
        {"/{a", "brace"},
        {"/a}", "brace"},
        {"/{a}{b}", "brace"},
        {"/{{a}}", "brace"},
        {"/{}", "name"},
        {"/{1a}", "name"},
        {"/{a-b}", "name"},
        {"/{a.b}", "name"},
        {"/{ä}", "name"},
        {"/{abcdefghijklmnopqrstuvwxyz_012345}", "name"},
        {"/{a}/x/{a}", "twice"},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "segments"},
        {"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "parameters"},
    };
    struct route route;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *wrong = route_compile(&route, cases[i].path);
        cr_expect(wrong != NULL && strstr(wrong, cases[i].part) != NULL, "%s %s", cases[i].path, wrong);
    }
    char path[ROUTE_PATH_MAX + 2];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[ROUTE_PATH_MAX] = '\0';
    cr_expect(route_compile(&route, path) == NULL);
    path[ROUTE_PATH_MAX] = 'a';
    path[ROUTE_PATH_MAX + 1] = '\0';
    cr_expect(route_compile(&route, path) != NULL);
}

struct match_case {
    const char *template, *path;
    enum route_match result;
    const char *params; /* "name=value;" for each */
};

#define DESCRIPTION_SIZE 256

static void describe(const struct route_params *params, char *text)
{
    *text = '\0';
    for (size_t i = 0; i < params->count; i++)
        append_text(text, DESCRIPTION_SIZE, "%.*s=%.*s;", (int)params->entries[i].name_len, params->entries[i].name,
                    (int)params->entries[i].len, params->entries[i].value);
}

Test(route, matches)
{
    static const struct match_case cases[] = {
        {"/", "/", ROUTE_MATCH, ""},
        {"/", "", ROUTE_NO_MATCH, ""},
        {"/", "//", ROUTE_NO_MATCH, ""},
        {"/", "/a", ROUTE_NO_MATCH, ""},
        {"/a", "/", ROUTE_NO_MATCH, ""},
        {"/{a}", "/", ROUTE_NO_MATCH, ""},
        {"/a", "/a", ROUTE_MATCH, ""},
        {"/a", "/A", ROUTE_NO_MATCH, ""},
        {"/a", "/%61", ROUTE_MATCH, ""},
        {"/a", "/ab", ROUTE_NO_MATCH, ""},
        {"/ab", "/a", ROUTE_NO_MATCH, ""},
        {"/a", "/a/", ROUTE_NO_MATCH, ""},
        {"/a", "a", ROUTE_NO_MATCH, ""},
        {"/a", "//a", ROUTE_NO_MATCH, ""},
        {"/a", "*", ROUTE_NO_MATCH, ""},
        {"/a/b", "/a%2Fb", ROUTE_NO_MATCH, ""},
        {"/grün", "/gr%C3%BCn", ROUTE_MATCH, ""},
        {"/a b", "/a%20b", ROUTE_MATCH, ""},
        {"/a b", "/a+b", ROUTE_NO_MATCH, ""},
        {"/events/orders/{id}", "/events/orders/7", ROUTE_MATCH, "id=7;"},
        {"/events/orders/{id}", "/events/orders/", ROUTE_MATCH, "id=;"},
        {"/events/orders/{id}", "/events/orders", ROUTE_NO_MATCH, ""},
        {"/events/orders/{id}", "/events/orders/7/8", ROUTE_NO_MATCH, ""},
        {"/events/orders/{id}", "/events/orders/a%2Fb", ROUTE_MATCH, "id=a/b;"},
        {"/events/orders/{id}", "/events/orders/a%2eb+%25", ROUTE_MATCH, "id=a.b+%;"},
        {"/{a}/x/{b}", "/1/x/2", ROUTE_MATCH, "a=1;b=2;"},
        {"/{a}/x/{b}", "/1/y/2", ROUTE_NO_MATCH, ""},
        {"/{a}/x/{b}", "/long%20value/%78/%41%42", ROUTE_MATCH, "a=long value;b=AB;"},
        {"/{a}", "/%", ROUTE_BAD_ENCODING, ""},
        {"/{a}", "/%4", ROUTE_BAD_ENCODING, ""},
        {"/{a}", "/x%zzy", ROUTE_BAD_ENCODING, ""},
        {"/{a}/b", "/%zz/b", ROUTE_BAD_ENCODING, ""},
        {"/{a}/b", "/%zz/c", ROUTE_NO_MATCH, ""},
        {"/{a}/b", "/%zz", ROUTE_NO_MATCH, ""},
        {"/{a}/b", "/x/b%z", ROUTE_NO_MATCH, "a=x;"},
        {"/a", "/%zz", ROUTE_NO_MATCH, ""},
        /* An escape may not reach over the end of its segment. */
        {"/{a}/{b}", "/%4/1", ROUTE_BAD_ENCODING, "b=1;"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route route = compiled(cases[i].template);
        struct route_params params;
        char text[DESCRIPTION_SIZE];
        size_t len = strlen(cases[i].path);
        char *path = memcpy(malloc(len + (len == 0)), cases[i].path, len);
        enum route_match result = route_match(&route, path, len, &params);
        free(path);
        describe(&params, text);
        cr_expect(result == cases[i].result, "%s against %s: %d", cases[i].path, cases[i].template, (int)result);
        if (result == ROUTE_MATCH)
            cr_expect_str_eq(text, cases[i].params, "%s against %s: %s", cases[i].path, cases[i].template, text);
    }
}

Test(route, matches_nul_and_length)
{
    struct route route = compiled("/{a}");
    struct route_params params;
    char path[ROUTE_PATH_MAX + 1];

    cr_assert(route_match(&route, STRING("/x%00y"), &params) == ROUTE_MATCH);
    cr_expect(params.entries[0].len == 3 && memcmp(params.entries[0].value, "x\0y", 3) == 0);
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    cr_assert(route_match(&route, path, ROUTE_PATH_MAX, &params) == ROUTE_MATCH);
    cr_expect(params.entries[0].len == ROUTE_PATH_MAX - 1);
    cr_expect(route_match(&route, path, ROUTE_PATH_MAX + 1, &params) == ROUTE_TOO_LONG);
}

Test(route, full_house)
{
    struct route route = compiled("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}");
    struct route_params params;
    char text[DESCRIPTION_SIZE];

    cr_assert(route_match(&route, STRING("/1/22/333/4444/%35/6/7/8"), &params) == ROUTE_MATCH);
    describe(&params, text);
    cr_expect_str_eq(text, "a=1;b=22;c=333;d=4444;e=5;f=6;g=7;h=8;");
}

Test(route, a_copy_of_parameters_stands_alone)
{
    struct route route = compiled("/{a}/x/{b}");
    struct route_params params, copy;

    cr_assert(route_match(&route, "/1/x/%32%33", 11, &params) == ROUTE_MATCH);
    route_params_copy(&copy, &params);
    memset(&params, 'z', sizeof(params));
    cr_assert(copy.count == 2 && copy.entries[1].len == 2);
    cr_expect(memcmp(copy.entries[0].value, "1", 1) == 0 && memcmp(copy.entries[1].value, "23", 2) == 0);
}

Test(route, conflicts)
{
    static const struct {
        const char *a, *b;
        bool conflicts;
    } cases[] = {
        {"/", "/", true},
        {"/a", "/a", true},
        {"/{a}", "/{b}", true},
        {"/x/{a}", "/x/{b}", true},
        {"/{a}/{b}", "/{b}/{a}", true},
        {"/x/{a}", "/y/{a}", false},
        {"/{a}", "/a", false},
        {"/a", "/a/b", false},
        {"/{a}/x", "/x/{a}", false},
        {"/a", "/ab", false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route a = compiled(cases[i].a), b = compiled(cases[i].b);
        cr_expect(route_conflicts(&a, &b) == cases[i].conflicts, "%s %s", cases[i].a, cases[i].b);
        cr_expect(route_conflicts(&b, &a) == cases[i].conflicts, "%s %s", cases[i].b, cases[i].a);
    }
}

Test(route, literal_before_parameter)
{
    static const struct {
        const char *first, *second;
    } cases[] = {
        {"/a", "/{a}"}, {"/a/{b}", "/{a}/b"}, {"/a/b", "/a/{b}"}, {"/y/z/{c}", "/a/{b}/c"}, {"/z/b", "/a/{b}"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route a = compiled(cases[i].first), b = compiled(cases[i].second);
        cr_expect(route_compare(&a, &b) < 0 && route_compare(&b, &a) > 0, "%s, %s", cases[i].first, cases[i].second);
    }
}

/* What qsort needs, over every pair and triple of templates of up to three segments. */
Test(route, comparison_is_an_order)
{
    static const char *const segments[] = {"/a", "/b", "/ab", "/{}"};
    static struct route routes[85];
    static char paths[85][32];
    size_t count = 0;

    for (size_t len = 0, total = 1; len <= 3; len++, total *= 4) {
        for (size_t n = 0; n < total; n++) {
            size_t digits = n;
            char *path = paths[count];
            for (size_t i = 0; i < len; i++, digits /= 4) {
                char param[8] = {'/', '{', (char)('p' + i), '}', '\0'};
                append_text(path, sizeof(paths[0]), "%s", digits % 4 == 3 ? param : segments[digits % 4]);
            }
            if (len == 0)
                append_text(path, sizeof(paths[0]), "/");
            routes[count++] = compiled(path);
        }
    }
    cr_assert(count == 85);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            int order = route_compare(&routes[i], &routes[k]), back = route_compare(&routes[k], &routes[i]);
            cr_assert((order < 0) == (back > 0) && (order == 0) == (i == k), "%s %s", paths[i], paths[k]);
            for (size_t n = 0; n < count; n++)
                cr_assert(!(order < 0 && route_compare(&routes[k], &routes[n]) < 0) ||
                              route_compare(&routes[i], &routes[n]) < 0,
                          "%s %s %s", paths[i], paths[k], paths[n]);
        }
    }
}

Test(route, good_subjects)
{
    static const char *const cases[] = {
        "a",
        "orders.{id}.>",
        "{id}",
        "{id}.{id}",
        "*.{other}.*",
        ">",
        "a.$b._c",
        "größe.{id}",
        "user.{token.sub}.>",
        "{certificate.cn}.{id}",
        "{token.sub}",
        "{token.https://id.example/tenant-1}.x_~",
    };
    struct route route = compiled("/{id}/{other}");

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *detail;
        const char *wrong = route_check_subject(&route, cases[i], &detail);
        cr_expect(wrong == NULL, "%s %s", cases[i], wrong);
    }
}

Test(route, bad_subjects)
{
    static const struct {
        const char *subject, *part;
        size_t at;
    } cases[] = {
        {"", "is empty", 0},
        {"a.", "empty token", 2},
        {".a", "empty token", 0},
        {"a..b", "empty token", 2},
        {"a.{nope}.b", "parameter", 2},
        {"a.{}.b", "parameter", 2},
        {"a.x{id}", "brace", 2},
        {"a.{id}x", "brace", 2},
        {"a.{id", "brace", 2},
        {"a.id}", "brace", 2},
        {"a.{i{d}", "brace", 2},
        {"a.>.b", "wildcard", 2},
        {"a.b*", "wildcard", 2},
        {"a.b c", "blank", 2},
        {"a.$b c", "blank", 2},
        {"a.b\tc", "control", 2},
        {"a.b.\xff", "UTF-8", 4},
        {"$SYS.{id}", "reserved", 0},
        {"_x", "reserved", 0},
        {"a.{token.}", "{token.CLAIM}", 2},
        {"a.{token}", "parameter", 2},
        {"a.{tokens.sub}", "{token.CLAIM}", 2},
        {"a.{token.su b}", "{token.CLAIM}", 2},
        {"a.{token.*}.b", "{token.CLAIM}", 2},
        {"a.{certificate.sn}", "{token.CLAIM}", 2},
        {"a.{certificate.cn.b}", "{token.CLAIM}", 2},
        {"a.{id.}", "{token.CLAIM}", 2},
        {"a.x{token.sub}", "brace", 2},
        {"a.{token.sub}x", "brace", 2},
        {"a.{token.{id}}", "brace", 2},
        {"a.{token.sub", "brace", 2},
    };
    struct route route = compiled("/{id}/{other}");

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *detail = NULL;
        const char *wrong = route_check_subject(&route, cases[i].subject, &detail);
        cr_assert(wrong != NULL && strstr(wrong, cases[i].part) != NULL, "%s %s", cases[i].subject, wrong);
        cr_expect(detail == cases[i].subject + cases[i].at, "%s %s: %s", cases[i].subject, wrong, detail);
    }
}

Test(route, subject_limits)
{
    struct route route = compiled("/{a_rather_long_parameter_name}");
    char subject[2 * ROUTE_PATH_MAX] = "x";
    const char *detail;

    for (int i = 1; i < SUBJECT_TOKENS_MAX; i++)
        append_text(subject, sizeof(subject), ".{a_rather_long_parameter_name}");
    /* Far over 256 bytes as written, yet what it expands to need not be. */
    cr_expect(route_check_subject(&route, subject, &detail) == NULL);
    append_text(subject, sizeof(subject), ".x");
    cr_expect_str_eq(route_check_subject(&route, subject, &detail), subject_verdict_text(SUBJECT_TOO_MANY_TOKENS));

    memset(subject, 'a', SUBJECT_MAX);
    subject[SUBJECT_MAX] = '\0';
    cr_expect(route_check_subject(&route, subject, &detail) == NULL);
    subject[100] = '.';
    append_text(subject, sizeof(subject), "a");
    cr_expect_str_eq(route_check_subject(&route, subject, &detail), subject_verdict_text(SUBJECT_TOO_LONG));
    cr_expect(detail == subject + 101);
}

struct expand_case {
    const char *template, *path, *subject; /* NULL: refused */
    const char *name;
    enum subject_verdict verdict;
};

static void check_expansion(const struct expand_case *c)
{
    struct route route = compiled("/{a}/{b}");
    struct route_params params;
    struct route_expansion_error error = {0};
    char dst[SUBJECT_MAX + 1];
    size_t len = 0;

    cr_assert(route_match(&route, c->path, strlen(c->path), &params) == ROUTE_MATCH, "%s", c->path);
    bool good = route_expand(c->template, &params, NULL, dst, &len, &error);
    cr_expect(good == (c->subject != NULL), "%s with %s: %s", c->template, c->path,
              subject_verdict_text(error.verdict));
    if (good && c->subject != NULL) {
        cr_expect_str_eq(dst, c->subject);
        cr_expect(len == strlen(dst));
    } else if (!good) {
        cr_expect(error.verdict == c->verdict, "%s with %s: %s", c->template, c->path,
                  subject_verdict_text(error.verdict));
        cr_expect(c->name == NULL
                      ? error.name == NULL
                      : error.name_len == strlen(c->name) && memcmp(error.name, c->name, error.name_len) == 0,
                  "%s with %s: wrong name", c->template, c->path);
    }
}

Test(route, expands)
{
    static const struct expand_case cases[] = {
        {"orders.{a}.>", "/7/x", "orders.7.>", NULL, SUBJECT_OK},
        {"{b}.{a}.{b}", "/1/2", "2.1.2", NULL, SUBJECT_OK},
        {"fixed.*", "/a.b/*", "fixed.*", NULL, SUBJECT_OK},
        {"x.{a}", "/a%2Fb/x", "x.a/b", NULL, SUBJECT_OK},
        {"x.{a}", "/gr%C3%BCn/x", "x.grün", NULL, SUBJECT_OK},
        {"x.{a}", "/_id/x", "x._id", NULL, SUBJECT_OK},
        {"x.{a}", "/%7Bb%7D/x", "x.{b}", NULL, SUBJECT_OK},
        {"x.{a}", "/a.b/x", NULL, "a", SUBJECT_TOO_MANY_TOKENS},
        {"x.{a}", "/a%2eb/x", NULL, "a", SUBJECT_TOO_MANY_TOKENS},
        {"x.{a}", "/./x", NULL, "a", SUBJECT_TOO_MANY_TOKENS},
        {"x.{b}", "/x/*", NULL, "b", SUBJECT_WILDCARD},
        {"x.{b}", "/x/%2A", NULL, "b", SUBJECT_WILDCARD},
        {"x.{b}", "/x/>", NULL, "b", SUBJECT_WILDCARD},
        {"x.{b}", "/x/%3Ey", NULL, "b", SUBJECT_WILDCARD},
        {"x.{b}", "/x/", NULL, "b", SUBJECT_EMPTY},
        {"x.{b}", "/x/a%20b", NULL, "b", SUBJECT_BLANK},
        {"x.{b}", "/x/%20", NULL, "b", SUBJECT_BLANK},
        {"x.{b}", "/x/%00", NULL, "b", SUBJECT_CONTROL},
        {"x.{b}", "/x/a%0D%0APUB", NULL, "b", SUBJECT_CONTROL},
        {"x.{b}", "/x/%ff", NULL, "b", SUBJECT_NOT_UTF8},
        /* A value may not make the subject one of the server's own. */
        {"{a}.x", "/$SYS/x", NULL, "a", SUBJECT_RESERVED},
        {"{a}.x", "/_INBOX/x", NULL, "a", SUBJECT_RESERVED},
        {"{a}.{b}", "/x/$SYS", "x.$SYS", NULL, SUBJECT_OK},
        {"x.{nope}", "/x/y", NULL, NULL, SUBJECT_EMPTY_TOKEN},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_expansion(&cases[i]);
}

Test(route, expansion_limits)
{
    char path[ROUTE_PATH_MAX + 1] = "/", subject[SUBJECT_MAX + 1] = "x.";
    struct expand_case c = {"x.{a}", path, subject, NULL, SUBJECT_OK};

    memset(path + 1, 'v', SUBJECT_MAX - 2);
    append_text(path, sizeof(path), "/b");
    memset(subject + 2, 'v', SUBJECT_MAX - 2);
    check_expansion(&c);

    struct expand_case too_long = {"xy.{a}", path, NULL, NULL, SUBJECT_TOO_LONG};
    check_expansion(&too_long);
    struct expand_case no_room_for_a_dot = {"x.{a}.y", path, NULL, NULL, SUBJECT_TOO_LONG};
    check_expansion(&no_room_for_a_dot);

    memset(path + 1, 'v', SUBJECT_MAX + 1);
    memcpy(path + SUBJECT_MAX + 2, "/b", 3);
    struct expand_case value_too_long = {"{a}", path, NULL, "a", SUBJECT_TOO_LONG};
    check_expansion(&value_too_long);
}
