/* token.c - a JSON Web Token: verified, and what it says */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/base64url.h"
#include "gateway/auth/digest.h"
#include "gateway/auth/keys_set.h"
#include "gateway/auth/token_cache.h"
#include "gateway/auth/token_claims.h"
#include "gateway/auth/token_jose.h"
#include "gateway/base/check.h"
#include "proto/subject.h"

/* A longer token isn't kept: a thousand of them would be much memory. */
#define CACHED_MAX 4096

const char *token_verdict_text(enum token_verdict verdict)
{
    static const char *const texts[] = {
        [TOKEN_OK] = "the token is good",
        [TOKEN_INVALID] = "the token is not valid",
        [TOKEN_EXPIRED] = "the token has expired",
        [TOKEN_NOT_YET] = "the token is not valid yet",
        [TOKEN_WRONG_ISSUER] = "the token is from another issuer",
        [TOKEN_WRONG_AUDIENCE] = "the token is for another audience",
        [TOKEN_BAD_CLAIMS] = "the token's claims can't be used",
    };
    return texts[verdict];
}

/* An unknown key, one for another alg and a wrong signature take the same time: that of a verification. */
static bool is_signed(const struct keys_set *set, const struct token_jose *jose, const char *text, size_t len)
{
    const struct key *key = keys_set_find(set, jose->alg, jose->kid);
    /* cjose would take an ECDSA signature with a byte more, and an RSA one without its leading zeros. */
    if (key != NULL && jose->signature_len == key->signature_len)
        return key_verify(key, text, len);
    key_verify_nothing(keys_set_any(set, jose->alg), jose->payload.text, jose->payload.len);
    return false;
}

static enum token_verdict verify(const struct keys_set *set, const char *text, size_t len, struct token **token)
{
    struct token_jose jose;
    if (!token_jose_parse(&jose, text, len))
        return TOKEN_INVALID;
    enum token_verdict verdict = TOKEN_INVALID;
    if (is_signed(set, &jose, text, len)) {
        size_t size = BASE64URL_DECODED_MAX(jose.payload.len), payload_len = 0;
        char *payload = check_malloc(size + 1);
        base64url_decode(jose.payload.text, jose.payload.len, (unsigned char *)payload, &payload_len);
        payload[payload_len] = '\0';
        verdict = token_claims_parse(payload, payload_len, token);
    }
    token_jose_dispose(&jose);
    return verdict;
}

static enum token_verdict find_or_verify(struct keys_set *set, const char *text, size_t len, int64_t now_s,
                                         struct token **token)
{
    unsigned char digest[DIGEST_SIZE];
    if (len > CACHED_MAX)
        return verify(set, text, len, token);
    digest_of(text, len, digest);
    *token = token_cache_find(set->verified, digest);
    if (*token != NULL)
        return TOKEN_OK;
    enum token_verdict verdict = verify(set, text, len, token);
    if (verdict == TOKEN_OK)
        token_cache_put(set->verified, digest, *token, now_s);
    return verdict;
}

enum token_verdict token_verify(const struct token_rules *rules, const char *text, size_t len, int64_t now_s,
                                struct token **token)
{
    struct token *found = NULL;
    if (len == 0 || len > TOKEN_MAX)
        return TOKEN_INVALID;
    struct keys_set *set = keys_current(rules->keys);
    enum token_verdict verdict = find_or_verify(set, text, len, now_s, &found);
    keys_set_release(set);
    if (verdict == TOKEN_OK)
        verdict = token_claims_check(found, rules, now_s);
    if (verdict == TOKEN_OK)
        *token = found;
    else
        token_destroy(found);
    return verdict;
}

const char *token_claim(const struct token *token, const char *name, size_t name_len,
                        char dst[static TOKEN_CLAIM_NUMBER_MAX])
{
    const json_t *claim = json_object_getn(token->json, name, name_len);
    if (json_is_integer(claim)) {
        snprintf(dst, TOKEN_CLAIM_NUMBER_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(claim));
        return dst;
    }
    return json_string_value(claim);
}

bool token_grants_cover(const struct token_grants *grants, const char *pattern, size_t len)
{
    for (unsigned i = 0; i != grants->count; ++i) {
        if (subject_covers(grants->patterns[i], strlen(grants->patterns[i]), pattern, len))
            return true;
    }
    return false;
}
