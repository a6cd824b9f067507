/* token_verify.c - whether the text of a JSON Web Token can be trusted */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_verify.h"

#include <stdlib.h>

#include "gateway/auth/base64url.h"
#include "gateway/auth/digest.h"
#include "gateway/auth/keys.h"
#include "gateway/auth/keys_set.h"
#include "gateway/auth/token_cache.h"
#include "gateway/auth/token_claims.h"
#include "gateway/auth/token_jose.h"
#include "gateway/base/check.h"

/* Longer tokens aren't cached: a thousand of them would take 16 MB. */
#define CACHED_MAX 4096
_Static_assert(CACHED_MAX <= TOKEN_MAX, "the cache holds no token that would be refused");

/* An unknown key, a key for another alg and a wrong signature all take the time of one verification. */
static bool is_signed(const struct keys_set *set, const struct token_jose *jose, const char *text, size_t len)
{
    const struct key *key = keys_set_find(set, jose->alg, jose->kid);
    /* cjose would take an ECDSA signature with a byte more, and an RSA one without its leading zeros. */
    if (key != NULL && jose->signature_len == key->signature_len)
        return key_verify(key, text, len);
    key_verify_nothing(keys_set_any(set, jose->alg), jose->payload.text, jose->payload.len);
    return false;
}

static enum token_verdict verify_text(const struct keys_set *set, const char *text, size_t len, struct token **token)
{
    struct token_jose jose;
    if (!token_jose_parse(&jose, text, len))
        return TOKEN_INVALID;
    enum token_verdict verdict = TOKEN_INVALID;
    if (is_signed(set, &jose, text, len)) {
        size_t size = BASE64URL_DECODED_MAX(jose.payload.len), payload_len = 0;
        char *payload = check_malloc(size + 1);
        /* token_jose_parse has decoded it once, to see that it can be. */
        CHECK(base64url_decode(jose.payload.text, jose.payload.len, (unsigned char *)payload, &payload_len));
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
        return verify_text(set, text, len, token);
    digest_of(text, len, digest);
    *token = token_cache_find(set->verified, digest);
    if (*token != NULL)
        return TOKEN_OK;
    enum token_verdict verdict = verify_text(set, text, len, token);
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
