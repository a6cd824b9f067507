/* auth_rig.h - a key file in the sandbox, and tokens held against it */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_AUTH_RIG_H
#define TESTS_UNIT_AUTH_RIG_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/keys.h"
#include "gateway/auth/token_verify.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

/* What time it is for the tokens here. */
#define NOW_S INT64_C(1700000000)
#define ERROR_MAX 512

struct auth_rig {
    char *file;
    struct tokens_key *key;
    struct keys *keys;
    struct token_rules rules;
};

static inline struct keys *load_keys(const char *file)
{
    char error[ERROR_MAX] = "";
    struct keys *keys = keys_load(file, error, sizeof(error));
    cr_assert(keys != NULL, "%s", error);
    return keys;
}

/* One key. */
static inline void start_rig(struct auth_rig *rig, const char *alg, const char *kid)
{
    *rig = (struct auth_rig){.file = sandbox_path("keys.jwks"), .key = tokens_key(alg, kid)};
    tokens_write_jwks(rig->file, rig->key, NULL);
    rig->keys = load_keys(rig->file);
    rig->rules = (struct token_rules){.keys = rig->keys};
}

static inline void end_rig(struct auth_rig *rig)
{
    keys_destroy(rig->keys);
    tokens_key_free(rig->key);
    free(rig->file);
}

static inline enum token_verdict verdict_at(const struct auth_rig *rig, const char *text, int64_t now_s)
{
    struct token *token = NULL;
    enum token_verdict verdict = token_verify(&rig->rules, text, strlen(text), now_s, &token);
    cr_assert((token != NULL) == (verdict == TOKEN_OK), "a token is there with TOKEN_OK, and only then");
    token_destroy(token);
    return verdict;
}

static inline enum token_verdict verdict_of(const struct auth_rig *rig, const char *text)
{
    return verdict_at(rig, text, NOW_S);
}

/* Signed by key under that header (NULL: its own). */
static inline enum token_verdict verdict_signed(const struct auth_rig *rig, const struct tokens_key *key,
                                                const char *header, const char *payload)
{
    char *text = tokens_sign(key, header, payload);
    enum token_verdict verdict = verdict_of(rig, text);
    free(text);
    return verdict;
}

#endif
