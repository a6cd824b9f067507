/* token_claims.c - what a token says, once its signature is known to be right */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_claims.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "proto/subject.h"

/* The end of the year 9999: a larger one is in other units, or nonsense. */
#define DATE_MAX INT64_C(253402300799)

struct shared_token {
    struct token token; /* first: a token is the address of it */
    _Atomic unsigned references;
    int64_t not_before_s; /* 0: always good */
};

struct token *token_retain(struct token *token)
{
    atomic_fetch_add_explicit(&((struct shared_token *)token)->references, 1, memory_order_relaxed);
    return token;
}

static void free_grants(struct token_grants *grants)
{
    for (unsigned i = 0; i != grants->count; ++i)
        free(grants->patterns[i]);
    free(grants->patterns);
}

void token_destroy(struct token *token)
{
    struct shared_token *shared = (struct shared_token *)token;
    if (token == NULL || atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1)
        return;
    free(token->subject);
    free(token->id);
    free_grants(&token->subscribe);
    free_grants(&token->publish);
    free(token->claims);
    json_decref(token->json);
    free(shared);
}

/* A string, or nothing at all. */
static bool take_string(const json_t *json, const char *name, char **value)
{
    const json_t *member = json_object_get(json, name);
    if (json_is_string(member))
        *value = check_strdup(json_string_value(member));
    return member == NULL || json_is_string(member);
}

/* RFC 7519, 2, NumericDate: seconds, which may have a fraction; nothing at all is 0. */
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
        /* What begins with '$' or '_' is no pattern here: nobody can grant it. */
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

static bool take_claims(struct shared_token *shared)
{
    struct token *token = &shared->token;
    const json_t *json = token->json;
    const json_t *freshet = json_object_get(json, "freshet");
    const json_t *expires = json_object_get(json, "exp"), *issuer = json_object_get(json, "iss");
    int64_t issued_s = 0;
    if (!json_is_object(json) || (freshet != NULL && !json_is_object(freshet)))
        return false;
    if (!take_date(json, "exp", &token->expires_s) || !take_date(json, "nbf", &shared->not_before_s) ||
        !take_date(json, "iat", &issued_s))
        return false;
    /* It would read as "never". */
    if (expires != NULL && token->expires_s == 0)
        token->expires_s = 1;
    return take_string(json, "sub", &token->subject) && take_string(json, "jti", &token->id) &&
           (issuer == NULL || json_is_string(issuer)) && is_audience(json_object_get(json, "aud")) &&
           take_grants(freshet, "subscribe", &token->subscribe) && take_grants(freshet, "publish", &token->publish);
}

enum token_verdict token_claims_parse(char *payload, size_t len, struct token **token)
{
    struct shared_token *shared = check_calloc(1, sizeof(*shared));
    shared->references = 1;
    shared->token.claims = payload;
    /* Whose claims would count, the first or the last? */
    shared->token.json = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);
    if (shared->token.json != NULL && strlen(payload) == len && take_claims(shared)) {
        *token = &shared->token;
        return TOKEN_OK;
    }
    token_destroy(&shared->token);
    return TOKEN_BAD_CLAIMS;
}

static bool is_text(const json_t *json, const char *text)
{
    return json_is_string(json) && strcmp(json_string_value(json), text) == 0;
}

static bool is_for(const json_t *audience, const char *name)
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
    const struct shared_token *shared = (const struct shared_token *)token;
    if (token->expires_s != 0 && now_s >= token->expires_s + rules->leeway_s)
        return TOKEN_EXPIRED;
    if (now_s + rules->leeway_s < shared->not_before_s)
        return TOKEN_NOT_YET;
    if (rules->issuer != NULL && !is_text(json_object_get(token->json, "iss"), rules->issuer))
        return TOKEN_WRONG_ISSUER;
    if (rules->audience != NULL && !is_for(json_object_get(token->json, "aud"), rules->audience))
        return TOKEN_WRONG_AUDIENCE;
    return TOKEN_OK;
}
