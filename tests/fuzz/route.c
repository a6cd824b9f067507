/* route.c - fuzzes routes: which templates are valid, what they match, and which subjects they expand to */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/route.h"
#include "proto/text.h"
#include "tests/support/subject_model.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* ---- path templates ---- */

/* Pieces of a path between its slashes; not of "/", which has none. -1: more than `most`. */
static int pieces(const char *s, size_t len, struct fuzz_text *at, int most)
{
    int count = 0;

    if (len == 1)
        return 0;
    for (size_t start = 1, i = 1; i <= len; ++i) {
        if (i != len && s[i] != '/')
            continue;
        if (count == most)
            return -1;
        at[count++] = (struct fuzz_text){(char *)(uintptr_t)s + start, i - start};
        start = i + 1;
    }
    return count;
}

/* The name in "{name}", if it is one. */
static bool is_param(const struct fuzz_text *piece, char name[ROUTE_NAME_MAX + 1])
{
    size_t len = piece->len - 2;

    if (piece->len < 3 || len > ROUTE_NAME_MAX || piece->s[0] != '{' || piece->s[piece->len - 1] != '}')
        return false;
    memcpy(name, piece->s + 1, len);
    name[len] = '\0';
    return strspn(name, LOWER UPPER DIGITS "_") == len && strspn(name, DIGITS) == 0;
}

static bool is_template(const char *path, struct fuzz_text *at, int *count)
{
    char names[ROUTE_SEGMENTS_MAX][ROUTE_NAME_MAX + 1];
    int params = 0;

    if (path[0] != '/' || strlen(path) > 1024 || strpbrk(path, "?#%") != NULL)
        return false;
    *count = pieces(path, strlen(path), at, ROUTE_SEGMENTS_MAX);
    if (*count < 0)
        return false;
    for (int i = 0; i != *count; ++i) {
        if (!is_param(&at[i], names[params])) {
            if (at[i].len == 0 || memchr(at[i].s, '{', at[i].len) != NULL || memchr(at[i].s, '}', at[i].len) != NULL)
                return false;
            continue;
        }
        for (int other = 0; other != params; ++other) {
            if (strcmp(names[other], names[params]) == 0)
                return false;
        }
        ++params;
    }
    return params <= ROUTE_PARAMS_MAX;
}

static bool check_compile(struct route *route, const char *path)
{
    struct fuzz_text at[ROUTE_SEGMENTS_MAX];
    char name[ROUTE_NAME_MAX + 1];
    int count = 0;
    bool valid = is_template(path, at, &count);

    FUZZ_CHECK((route_compile(route, path) == NULL) == valid);
    if (!valid)
        return false;
    FUZZ_CHECK(route->segment_count == (size_t)count && route->param_count <= route->segment_count);
    for (int i = 0; i != count; ++i)
        FUZZ_CHECK(route->segments[i].is_param == is_param(&at[i], name));
    return true;
}

/* ---- request paths ---- */

static enum route_match expected_match(const struct route *route, const struct fuzz_text *path)
{
    struct fuzz_text at[ROUTE_SEGMENTS_MAX];
    char decoded[ROUTE_PATH_MAX];
    enum route_match result = ROUTE_MATCH;
    size_t len;

    if (path->len > 1024)
        return ROUTE_TOO_LONG;
    if (path->len == 0 || path->s[0] != '/' ||
        pieces(path->s, path->len, at, ROUTE_SEGMENTS_MAX) != (int)route->segment_count)
        return ROUTE_NO_MATCH;
    for (size_t i = 0; i != route->segment_count; ++i) {
        const struct route_segment *segment = &route->segments[i];
        bool valid = text_percent_decode(decoded, &len, at[i].s, at[i].len, false);
        if (!segment->is_param && !(valid && len == segment->len && memcmp(decoded, segment->text, len) == 0))
            return ROUTE_NO_MATCH;
        if (!valid)
            result = ROUTE_BAD_ENCODING;
    }
    return result;
}

static bool check_match(const struct route *route, const struct fuzz_text *path, struct route_params *params)
{
    struct fuzz_text at[ROUTE_SEGMENTS_MAX];
    char decoded[ROUTE_PATH_MAX];
    enum route_match result = route_match(route, path->s, path->len, params);
    size_t n = 0, len;

    FUZZ_CHECK(result == expected_match(route, path));
    if (result != ROUTE_MATCH)
        return false;
    FUZZ_CHECK(params->count == route->param_count);
    pieces(path->s, path->len, at, ROUTE_SEGMENTS_MAX);
    for (size_t i = 0; i != route->segment_count; ++i) {
        if (!route->segments[i].is_param)
            continue;
        FUZZ_CHECK(text_percent_decode(decoded, &len, at[i].s, at[i].len, false));
        FUZZ_CHECK(params->entries[n].len == len && memcmp(params->entries[n].value, decoded, len) == 0);
        FUZZ_CHECK(params->entries[n].name == route->segments[i].text);
        ++n;
    }
    return true;
}

/* ---- the order in which routes are tried ---- */

static bool same_shape(const struct route *a, const struct route *b)
{
    bool same = a->segment_count == b->segment_count;

    for (size_t i = 0; same && i != a->segment_count; ++i) {
        const struct route_segment *x = &a->segments[i], *y = &b->segments[i];
        same =
            x->is_param == y->is_param && (x->is_param || (x->len == y->len && memcmp(x->text, y->text, x->len) == 0));
    }
    return same;
}

static void check_order(const struct route *a, const struct route *b, const struct fuzz_text *path)
{
    int order = route_compare(a, b), back = route_compare(b, a);
    struct route_params params;

    FUZZ_CHECK((order < 0) == (back > 0) && (order == 0) == (back == 0));
    FUZZ_CHECK((order == 0) == same_shape(a, b) && route_conflicts(a, b) == (order == 0));
    if (route_match(a, path->s, path->len, &params) != ROUTE_MATCH ||
        route_match(b, path->s, path->len, &params) != ROUTE_MATCH)
        return;
    for (size_t i = 0; i != a->segment_count; ++i) {
        if (a->segments[i].is_param == b->segments[i].is_param)
            continue;
        FUZZ_CHECK((order < 0) == !a->segments[i].is_param);
        return;
    }
}

/* ---- subject templates ---- */

static const char *find_value(void *arg, const char *name, size_t name_len, size_t *len)
{
    const struct fuzz_text *value = arg;

    FUZZ_CHECK(memchr(name, '.', name_len) != NULL);
    *len = value->len;
    return value->len != 0 ? value->s : NULL;
}

static bool is_personal_name(const char *name)
{
    size_t len = strlen(name);

    return strcmp(name, "certificate.cn") == 0 ||
           (strncmp(name, "token.", 6) == 0 && len > 6 && len <= 6 + ROUTE_CLAIM_MAX &&
            strspn(name + 6, LOWER UPPER DIGITS "_-.:/~") == len - 6);
}

/* What a template is made of: a text with a '\1' for each name, and the names. False: its braces don't fit. */
struct template
{
    char text[2048];
    char names[64][256];
    int count;
    bool personal;
};

static bool take_template(struct template *template, const char *s)
{
    size_t out = 0;

    template->count = 0;
    template->personal = false;
    for (const char *p = s; *p != '\0'; ++p) {
        if (*p == '}' || *p == '\1' || out + 1 == sizeof(template->text))
            return false;
        template->text[out++] = *p;
        if (*p != '{')
            continue;
        size_t len = strcspn(p + 1, "{}");
        bool whole = (p == s || p[-1] == '.') && p[1 + len] == '}' && (p[2 + len] == '.' || p[2 + len] == '\0');
        if (!whole || len >= 256 || template->count == 64)
            return false;
        memcpy(template->names[template->count], p + 1, len);
        template->names[template->count++][len] = '\0';
        template->text[out - 1] = '\1';
        template->personal |= memchr(p + 1, '.', len) != NULL;
        p += 1 + len;
    }
    template->text[out] = '\0';
    return true;
}

static const struct fuzz_text *param_of(const struct route_params *params, const char *name, struct fuzz_text *text)
{
    for (size_t i = 0; i != params->count; ++i) {
        if (params->entries[i].name_len != strlen(name) ||
            memcmp(params->entries[i].name, name, params->entries[i].name_len) != 0)
            continue;
        *text = (struct fuzz_text){(char *)(uintptr_t)params->entries[i].value, params->entries[i].len};
        return text;
    }
    return NULL;
}

static bool has_param(const struct route *route, const char *name)
{
    bool found = false;

    for (size_t i = 0; i != route->segment_count; ++i)
        found |= route->segments[i].is_param && route->segments[i].len == strlen(name) &&
                 memcmp(route->segments[i].text, name, route->segments[i].len) == 0;
    return found;
}

static bool check_template(const struct route *route, const char *s, struct template *template)
{
    const char *detail = NULL, *wrong = route_check_subject(route, s, &detail);
    char plain[2048];
    bool valid = take_template(template, s);

    FUZZ_CHECK(detail >= s && detail <= s + strlen(s));
    for (int i = 0; valid && i != template->count; ++i)
        valid = has_param(route, template->names[i]) || is_personal_name(template->names[i]);
    if (valid) {
        snprintf(plain, sizeof(plain), "%s", template->text);
        for (char *p = plain; (p = strchr(p, '\1')) != NULL;)
            *p = 'x';
        valid = subject_check_pattern(plain, strlen(plain)) == SUBJECT_OK;
    }
    FUZZ_CHECK((wrong == NULL) == valid);
    if (valid)
        FUZZ_CHECK(route_is_personal(s) == template->personal);
    return valid;
}

/* A value for each '\1': each of them one token, none that makes the subject a reserved one. */
static bool fill_in(const struct template *template, const struct route_params *params,
                    const struct fuzz_text *personal, char *text, size_t *len)
{
    int number = 0;

    *len = 0;
    for (const char *p = template->text; *p != '\0'; ++p) {
        struct fuzz_text literal = {(char *)(uintptr_t)p, 1}, found;
        const struct fuzz_text *value = &literal;
        if (*p == '\1') {
            const char *name = template->names[number++];
            value = strchr(name, '.') != NULL ? personal : param_of(params, name, &found);
            FUZZ_CHECK(value != NULL);
            if (subject_check_token(value->s, value->len) != SUBJECT_OK ||
                (*len == 0 && (value->s[0] == '$' || value->s[0] == '_')))
                return false;
        }
        if (*len + value->len > SUBJECT_MAX)
            return false;
        memcpy(text + *len, value->s, value->len);
        *len += value->len;
    }
    text[*len] = '\0';
    return true;
}

static void check_expansion(const char *s, struct template *template, const struct route_params *params,
                            struct fuzz_text *personal)
{
    const struct route_lookup lookup = {.find = find_value, .arg = personal};
    struct route_expansion_error error;
    char subject[SUBJECT_MAX + 1], wanted[SUBJECT_MAX + 1];
    size_t len = 0, wanted_len;
    bool ok = route_expand(s, params, &lookup, subject, &len, &error);

    FUZZ_CHECK(ok == fill_in(template, params, personal, wanted, &wanted_len));
    if (!ok) {
        FUZZ_CHECK(error.verdict != SUBJECT_OK && (error.name != NULL || error.verdict == SUBJECT_TOO_LONG));
        return;
    }
    FUZZ_CHECK(len == wanted_len && memcmp(subject, wanted, len + 1) == 0);
    /* Whatever the values, the subscription lies inside the template that the route's owner wrote. */
    FUZZ_CHECK(subject_check_pattern(subject, len) == SUBJECT_OK);
    for (char *p = template->text; (p = strchr(p, '\1')) != NULL;)
        *p = '*';
    FUZZ_CHECK(subject_model_covers(template->text, subject));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text path = fuzz_line_string(&input), subject = fuzz_line_string(&input), request = fuzz_line(&input),
                     personal = fuzz_line(&input), other_path = fuzz_line_string(&input);
    struct template template;
    struct route route, other;
    struct route_params params;

    if (check_compile(&route, path.s)) {
        bool valid = check_template(&route, subject.s, &template);
        bool matches = check_match(&route, &request, &params);
        if (valid && matches)
            check_expansion(subject.s, &template, &params, &personal);
        if (check_compile(&other, other_path.s))
            check_order(&route, &other, &request);
    }
    free(path.s);
    free(subject.s);
    free(request.s);
    free(personal.s);
    free(other_path.s);
    return 0;
}
