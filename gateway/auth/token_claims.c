/* token_claims.c - reads the claims of a token whose signature is correct */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_claims.h"

#include <jansson.h>
#include <string.h>

#include "gateway/auth/token_verify.h"
#include "gateway/base/check.h"
#include "proto/subject.h"

/* The end of the year 9999: a larger one is in other units, or nonsense. */
#define DATE_MAX INT64_C(253402300799)

/* True: the member is a string, or missing. */
static bool take_string(const json_t *json, const char *name, char **value)
{
    const json_t *member = json_object_get(json, name);
    if (json_is_string(member))
        *value = check_strdup(json_string_value(member));
    return member == NULL || json_is_string(member);
}

/* RFC 7519, 2, NumericDate: seconds, which may have a fraction; a missing one is 0. */
static bool take_date(const json_t *json, const char *name, int64_t *date)
{
    const json_t *member = json_object_get(json, name);
    if (json_is_integer(member)) {
        *date = json_integer_value(member);
        return *date >= 0 && *date <= DATE_MAX;
    }
    double value = json_real_value(member);
    *date = value >= 0 && value <= (double)DATE_MAX ? (int64_t)value : -1;
    return member == NULL || (json_is_real(member) && *date >= 0);
}

static bool take_grants(const json_t *claim, const char *name, struct token_grants *grants)
{
    const json_t *list = json_object_get(claim, name), *item;
    size_t count = json_array_size(list), i;
    if (list != NULL && (!json_is_array(list) || count > TOKEN_GRANTS_MAX))
        return false;
    grants->patterns = check_calloc(count + 1, sizeof(char *));
    json_array_foreach (list, i, item) {
        /* A pattern that begins with '$' or '_' fails the check: system subjects can't be granted. */
        if (!json_is_string(item) ||
            subject_check_pattern(json_string_value(item), json_string_length(item)) != SUBJECT_OK)
            return false;
        grants->patterns[grants->count++] = check_strdup(json_string_value(item));
    }
    return true;
}

static bool is_audience(const json_t *audience)
{
    size_t i;
    const json_t *item;
    json_array_foreach (audience, i, item) {
        if (!json_is_string(item))
            return false;
    }
    return audience == NULL || json_is_string(audience) || json_is_array(audience);
}

static bool take_claims(struct token *token)
{
    const json_t *json = token->json;
    const json_t *freshet = json_object_get(json, "freshet");
    const json_t *expires = json_object_get(json, "exp"), *issuer = json_object_get(json, "iss");
    int64_t issued_s = 0;
    if (!json_is_object(json) || (freshet != NULL && !json_is_object(freshet)))
        return false;
    if (!take_date(json, "exp", &token->expires_s) || !take_date(json, "nbf", &token->not_before_s) ||
        !take_date(json, "iat", &issued_s))
        return false;
    /* 0 stands for a token that never expires; an "exp" of 0 expired in 1970. */
    if (expires != NULL && token->expires_s == 0)
        token->expires_s = 1;
    return take_string(json, "sub", &token->subject) && take_string(json, "jti", &token->id) &&
           (issuer == NULL || json_is_string(issuer)) && is_audience(json_object_get(json, "aud")) &&
           take_grants(freshet, "subscribe", &token->subscribe) && take_grants(freshet, "publish", &token->publish);
}

enum token_verdict token_claims_parse(char *payload, size_t len, struct token **token)
{
    CHECK(payload[len] == '\0');
    struct token *parsed = check_calloc(1, sizeof(*parsed));
    parsed->references = 1;
    parsed->claims = payload;
    /* Of two members with one name, two readers might believe different ones: neither counts. */
    parsed->json = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);
    /* A NUL inside would end the text early for those who read `claims` as a string. */
    if (parsed->json != NULL && strlen(payload) == len && take_claims(parsed)) {
        *token = parsed;
        return TOKEN_OK;
    }
    token_destroy(parsed);
    return TOKEN_BAD_CLAIMS;
}

static bool is_text(const json_t *json, const char *text)
{
    return json_is_string(json) && strcmp(json_string_value(json), text) == 0;
}

static bool includes_audience(const json_t *audience, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach (audience, i, item) {
        if (is_text(item, name))
            return true;
    }
    return is_text(audience, name);
}

enum token_verdict token_claims_check(const struct token *token, const struct token_rules *rules, int64_t now_s)
{
    CHECK(rules->leeway_s >= 0);
    if (token->expires_s != 0 && now_s >= token->expires_s + rules->leeway_s)
        return TOKEN_EXPIRED;
    if (now_s + rules->leeway_s < token->not_before_s)
        return TOKEN_NOT_YET;
    if (rules->issuer != NULL && !is_text(json_object_get(token->json, "iss"), rules->issuer))
        return TOKEN_WRONG_ISSUER;
    if (rules->audience != NULL && !includes_audience(json_object_get(token->json, "aud"), rules->audience))
        return TOKEN_WRONG_AUDIENCE;
    return TOKEN_OK;
}
