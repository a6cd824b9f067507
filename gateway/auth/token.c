/* token.c - what a verified JSON Web Token says */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/check.h"
#include "proto/subject.h"

struct token *token_retain(struct token *token)
{
    unsigned before = atomic_fetch_add_explicit(&token->references, 1, memory_order_relaxed);
    CHECK(before != 0);
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
    if (token == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&token->references, 1, memory_order_acq_rel);
    CHECK(before != 0);
    if (before != 1)
        return;
    free(token->subject);
    free(token->id);
    free_grants(&token->subscribe);
    free_grants(&token->publish);
    free(token->claims);
    json_decref(token->json);
    free(token);
}

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
    _Static_assert(sizeof(texts) / sizeof(texts[0]) == TOKEN_BAD_CLAIMS + 1, "each verdict has its text");
    CHECK((unsigned)verdict <= TOKEN_BAD_CLAIMS);
    return texts[verdict];
}

const char *token_claim(const struct token *token, const char *name, size_t name_len,
                        char dst[static TOKEN_CLAIM_NUMBER_MAX])
{
    _Static_assert(sizeof("-9223372036854775808") <= TOKEN_CLAIM_NUMBER_MAX, "the longest number fits");
    const json_t *claim = json_object_getn(token->json, name, name_len);
    if (json_is_integer(claim)) {
        snprintf(dst, TOKEN_CLAIM_NUMBER_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(claim));
        return dst;
    }
    return json_string_value(claim);
}

bool token_grants_cover(const struct token_grants *grants, const char *pattern, size_t len)
{
    return subject_any_covers((const char *const *)grants->patterns, grants->count, pattern, len);
}
