/* route.c - path templates of routes and the subjects they expand to */
/* SPDX-License-Identifier: MIT */
#include "proto/route.h"

#include <string.h>

#include "proto/text.h"

_Static_assert(ROUTE_SEGMENTS_MAX == 16 && ROUTE_PARAMS_MAX == 8 && ROUTE_NAME_MAX == 32, "messages below name them");
_Static_assert(ROUTE_PARAMS_MAX <= ROUTE_SEGMENTS_MAX, "each parameter is a segment");

/* Length of the piece of s that ends at the separator or at the end. */
static size_t piece_len(const char *s, size_t len, char separator)
{
    const char *end = len != 0 ? memchr(s, separator, len) : NULL;

    return end != NULL ? (size_t)(end - s) : len;
}

static bool has_brace(const char *s, size_t len)
{
    return memchr(s, '{', len) != NULL || memchr(s, '}', len) != NULL;
}

/* A whole "{name}"; what stands between the braces may still be a bad name. */
static bool is_placeholder(const char *s, size_t len)
{
    return len >= 2 && s[0] == '{' && s[len - 1] == '}' && !has_brace(s + 1, len - 2);
}

static bool equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool name_is_valid(const char *name, size_t len)
{
    if (len < 1 || len > ROUTE_NAME_MAX || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return true;
}

static bool has_param(const struct route *route, const char *name, size_t len)
{
    for (size_t i = 0; i < route->segment_count; i++) {
        const struct route_segment *segment = &route->segments[i];
        if (segment->is_param && equal(segment->text, segment->len, name, len))
            return true;
    }
    return false;
}

static const char *add_segment(struct route *route, const char *s, size_t len)
{
    struct route_segment segment = {.text = s, .len = len, .is_param = is_placeholder(s, len)};

    if (len == 0)
        return "has an empty segment";
    if (route->segment_count == ROUTE_SEGMENTS_MAX)
        return "has more than 16 segments";
    if (segment.is_param) {
        segment.text = s + 1;
        segment.len = len - 2;
        if (!name_is_valid(segment.text, segment.len))
            return "has a parameter name that is not 1 to 32 letters, digits or '_', beginning with no digit";
        if (has_param(route, segment.text, segment.len))
            return "names a parameter twice";
        if (route->param_count == ROUTE_PARAMS_MAX)
            return "has more than 8 parameters";
        route->param_count++;
    } else if (has_brace(s, len)) {
        return "has a brace that is not part of a whole segment \"{name}\"";
    }
    route->segments[route->segment_count++] = segment;
    return NULL;
}

const char *route_compile(struct route *route, const char *path)
{
    size_t left = strlen(path);

    route->segment_count = 0;
    route->param_count = 0;
    if (path[0] != '/')
        return "does not begin with '/'";
    if (left > ROUTE_PATH_MAX)
        return "is longer than 1024 bytes";
    if (strpbrk(path, "?#%") != NULL)
        return "has a '?', '#' or '%'";
    if (left == 1)
        return NULL;
    while (left != 0) {
        size_t len = piece_len(path + 1, left - 1, '/');
        const char *wrong = add_segment(route, path + 1, len);
        if (wrong != NULL)
            return wrong;
        path += 1 + len;
        left -= 1 + len;
    }
    return NULL;
}

/* One segment of the request path; value is where to decode it to, with room for len bytes. */
static enum route_match match_segment(const struct route_segment *segment, const char *s, size_t len, char *value,
                                      size_t *value_len)
{
    if (text_percent_decode(value, value_len, s, len, false))
        return segment->is_param || equal(segment->text, segment->len, value, *value_len) ? ROUTE_MATCH
                                                                                          : ROUTE_NO_MATCH;
    /* Badly encoded, it is no literal whatever, but it stands where a parameter may. */
    return segment->is_param ? ROUTE_BAD_ENCODING : ROUTE_NO_MATCH;
}

enum route_match route_match(const struct route *route, const char *path, size_t len, struct route_params *params)
{
    enum route_match result = ROUTE_MATCH;
    size_t used = 0, value_len = 0, i = 0;

    params->count = 0;
    if (len > ROUTE_PATH_MAX)
        return ROUTE_TOO_LONG;
    if (len == 0 || path[0] != '/')
        return ROUTE_NO_MATCH;
    if (len == 1)
        return route->segment_count == 0 ? ROUTE_MATCH : ROUTE_NO_MATCH;
    for (; len != 0; i++) {
        if (i == route->segment_count)
            return ROUTE_NO_MATCH;
        const struct route_segment *segment = &route->segments[i];
        size_t raw_len = piece_len(path + 1, len - 1, '/');
        /* Decoding never lengthens, so buf, as long as the longest path, holds all values and a scratch literal. */
        enum route_match one = match_segment(segment, path + 1, raw_len, params->buf + used, &value_len);
        if (one == ROUTE_NO_MATCH)
            return ROUTE_NO_MATCH;
        if (one != ROUTE_MATCH) {
            result = one;
        } else if (segment->is_param) {
            size_t n = params->count++;
            params->entries[n].name = segment->text;
            params->entries[n].name_len = segment->len;
            params->entries[n].value = params->buf + used;
            params->entries[n].len = value_len;
            used += value_len;
        }
        path += 1 + raw_len;
        len -= 1 + raw_len;
    }
    return i == route->segment_count ? result : ROUTE_NO_MATCH;
}

void route_params_copy(struct route_params *dst, const struct route_params *src)
{
    *dst = *src;
    for (size_t i = 0; i < src->count; i++)
        dst->entries[i].value = dst->buf + (src->entries[i].value - src->buf);
}

/*
 * Kinds first, over the whole length, and texts only then: comparing both
 * segment by segment would not put every literal before every parameter, and
 * comparing kinds alone would not be a total order to sort by.
 */
int route_compare(const struct route *a, const struct route *b)
{
    size_t common = a->segment_count < b->segment_count ? a->segment_count : b->segment_count;

    for (size_t i = 0; i < common; i++) {
        if (a->segments[i].is_param != b->segments[i].is_param)
            return a->segments[i].is_param ? 1 : -1;
    }
    if (a->segment_count != b->segment_count)
        return a->segment_count < b->segment_count ? -1 : 1;
    for (size_t i = 0; i < common; i++) {
        const struct route_segment *x = &a->segments[i], *y = &b->segments[i];
        if (x->is_param)
            continue;
        int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
        if (order == 0 && x->len != y->len)
            order = x->len < y->len ? -1 : 1;
        if (order != 0)
            return order;
    }
    return 0;
}

bool route_conflicts(const struct route *a, const struct route *b)
{
    return route_compare(a, b) == 0;
}

/* ---- subject templates ---- */

/* Length of the token at s, up to the next '.' or the end. The dot in a {name} parts no tokens. */
static size_t token_len(const char *s)
{
    size_t len = strcspn(s, ".{}");

    if (s[len] == '{') {
        size_t inside = strcspn(s + len + 1, "{}");
        if (s[len + 1 + inside] == '}')
            len += 1 + inside + 1;
    }
    return len + strcspn(s + len, ".");
}

#define TOKEN_PREFIX "token."
#define CERTIFICATE_NAME "certificate.cn"

/* The name of something that the path doesn't have: a parameter's name has no dot. */
static bool is_personal(const char *name, size_t len)
{
    return memchr(name, '.', len) != NULL;
}

static bool personal_is_valid(const char *name, size_t len)
{
    static const char others[] = "_-.:/~";
    size_t prefix = sizeof(TOKEN_PREFIX) - 1;

    if (equal(name, len, CERTIFICATE_NAME, sizeof(CERTIFICATE_NAME) - 1))
        return true;
    if (len <= prefix || len - prefix > ROUTE_CLAIM_MAX || memcmp(name, TOKEN_PREFIX, prefix) != 0)
        return false;
    for (size_t i = prefix; i < len; i++) {
        char c = name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            memchr(others, c, sizeof(others) - 1) == NULL)
            return false;
    }
    return true;
}

static const char *check_placeholder(const struct route *route, const char *name, size_t len)
{
    if (is_personal(name, len))
        return personal_is_valid(name, len) ? NULL : "has a name that is neither {token.CLAIM} nor {certificate.cn}";
    return has_param(route, name, len) ? NULL : "names a parameter that the path does not have";
}

static const char *check_token(const struct route *route, const char *token, size_t len, bool first, bool last)
{
    if (is_placeholder(token, len))
        return check_placeholder(route, token + 1, len - 2);
    if (len == 0)
        return subject_verdict_text(SUBJECT_EMPTY_TOKEN);
    if (has_brace(token, len))
        return "has a brace that is not part of a whole token \"{name}\"";

    enum subject_verdict verdict = subject_check_pattern(token, len);
    /* Seen alone, every token is the first and the last one. */
    if (verdict == SUBJECT_RESERVED && !first)
        verdict = SUBJECT_OK;
    if (verdict == SUBJECT_OK && token[0] == '>' && !last)
        verdict = SUBJECT_MISPLACED_WILDCARD;
    return verdict == SUBJECT_OK ? NULL : subject_verdict_text(verdict);
}

const char *route_check_subject(const struct route *route, const char *subject_template, const char **detail)
{
    const char *token = subject_template;
    size_t count = 0, shortest = 0;

    *detail = token;
    if (*token == '\0')
        return subject_verdict_text(SUBJECT_EMPTY);
    for (;;) {
        size_t len = token_len(token);
        bool last = token[len] == '\0';
        const char *wrong = check_token(route, token, len, count == 0, last);
        /* Every value is at least a byte, so what is too long by this count can never expand. */
        shortest += (is_placeholder(token, len) ? 1 : len) + (last ? 0 : 1);
        *detail = token;
        if (wrong != NULL)
            return wrong;
        if (++count > SUBJECT_TOKENS_MAX)
            return subject_verdict_text(SUBJECT_TOO_MANY_TOKENS);
        if (shortest > SUBJECT_MAX)
            return subject_verdict_text(SUBJECT_TOO_LONG);
        if (last)
            return NULL;
        token += len + 1;
    }
}

bool route_is_personal(const char *subject_template)
{
    const char *token = subject_template;

    for (;;) {
        size_t len = token_len(token);
        if (is_placeholder(token, len) && is_personal(token + 1, len - 2))
            return true;
        if (token[len] == '\0')
            return false;
        token += len + 1;
    }
}

struct expansion {
    const struct route_params *params;
    const struct route_lookup *lookup;
    char *dst;
    size_t len;
    struct route_expansion_error *error;
};

static bool fail(struct expansion *expansion, const char *name, size_t name_len, enum subject_verdict verdict)
{
    *expansion->error = (struct route_expansion_error){.name = name, .name_len = name_len, .verdict = verdict};
    return false;
}

static bool append(struct expansion *expansion, const char *s, size_t len)
{
    if (len > SUBJECT_MAX - expansion->len)
        return fail(expansion, NULL, 0, SUBJECT_TOO_LONG);
    memcpy(expansion->dst + expansion->len, s, len);
    expansion->len += len;
    return true;
}

static bool append_value(struct expansion *expansion, const char *name, size_t name_len, const char *value, size_t len)
{
    enum subject_verdict verdict = subject_check_token(value, len);

    /* What may stand inside a subject may not turn it into one of the server's own. */
    if (verdict == SUBJECT_OK && expansion->len == 0 && subject_is_reserved(value, len))
        verdict = SUBJECT_RESERVED;
    if (verdict != SUBJECT_OK)
        return fail(expansion, name, name_len, verdict);
    return append(expansion, value, len);
}

static bool append_param(struct expansion *expansion, const char *name, size_t name_len)
{
    const struct route_params *params = expansion->params;

    for (size_t i = 0; i < params->count; i++) {
        if (equal(params->entries[i].name, params->entries[i].name_len, name, name_len))
            return append_value(expansion, params->entries[i].name, name_len, params->entries[i].value,
                                params->entries[i].len);
    }
    /* Not a checked template, or the parameters of another route: like a value that is empty. */
    return fail(expansion, NULL, 0, SUBJECT_EMPTY_TOKEN);
}

static bool append_personal(struct expansion *expansion, const char *name, size_t name_len)
{
    const struct route_lookup *lookup = expansion->lookup;
    size_t len = 0;
    const char *value = lookup != NULL ? lookup->find(lookup->arg, name, name_len, &len) : NULL;
    bool fits = value != NULL ? append_value(expansion, name, name_len, value, len)
                              : fail(expansion, name, name_len, SUBJECT_EMPTY);

    if (!fits && expansion->error->name != NULL) {
        expansion->error->personal = true;
        expansion->error->missing = value == NULL;
    }
    return fits;
}

static bool append_token(struct expansion *expansion, const char *token, size_t len)
{
    if (!is_placeholder(token, len))
        return append(expansion, token, len);
    return is_personal(token + 1, len - 2) ? append_personal(expansion, token + 1, len - 2)
                                           : append_param(expansion, token + 1, len - 2);
}

bool route_expand(const char *subject_template, const struct route_params *params, const struct route_lookup *lookup,
                  char *dst, size_t *dst_len, struct route_expansion_error *error)
{
    struct expansion expansion = {.params = params, .lookup = lookup, .dst = dst, .error = error};
    const char *token = subject_template;

    for (;;) {
        size_t len = token_len(token);
        if (!append_token(&expansion, token, len))
            return false;
        if (token[len] == '\0')
            break;
        if (!append(&expansion, ".", 1))
            return false;
        token += len + 1;
    }
    dst[expansion.len] = '\0';
    *dst_len = expansion.len;
    return true;
}
