/* auth_rotation.c - threads verify tokens while the keys are changed under them */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/keys.h"
#include "gateway/auth/token_verify.h"
#include "gateway/base/log.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

#define THREADS 3
#define ROTATIONS 60
#define TOKENS 24 /* of each key: some are remembered, some are being verified */
#define NOW_S INT64_C(1700000000)

/* One key is in every version of the file, one in every other, one in none. */
enum { ALWAYS, SOMETIMES, NEVER, KEYS };

static struct tokens_key *signers[KEYS];
static char *texts[KEYS][TOKENS];
static struct keys *keys;
static atomic_bool over;
static atomic_ulong verified;

static enum token_verdict verdict_of(const char *text)
{
    const struct token_rules rules = {.keys = keys, .issuer = "me"};
    struct token *token = NULL;
    char number[TOKEN_CLAIM_NUMBER_MAX];
    enum token_verdict verdict = token_verify(&rules, text, strlen(text), NOW_S, &token);
    if (verdict == TOKEN_OK &&
        (!token_grants_cover(&token->subscribe, "a.b", 3) || strcmp(token_claim(token, "iss", 3, number), "me") != 0))
        fixture_fail("a token says something else than what was signed");
    token_destroy(token);
    return verdict;
}

static void expect(int key, int number, enum token_verdict expected)
{
    enum token_verdict verdict = verdict_of(texts[key][number]);
    if (verdict != expected)
        fixture_fail("key %d, token %d: %s", key, number, token_verdict_text(verdict));
}

static void *verify_on(void *arg)
{
    unsigned n = *(unsigned *)arg;
    while (!atomic_load(&over)) {
        n = n * 1103515245 + 12345;
        int number = (int)(n >> 16) % TOKENS;
        expect(ALWAYS, number, TOKEN_OK);
        expect(NEVER, number, TOKEN_INVALID);
        enum token_verdict verdict = verdict_of(texts[SOMETIMES][number]);
        if (verdict != TOKEN_OK && verdict != TOKEN_INVALID)
            fixture_fail("a token of a rotated key: %s", token_verdict_text(verdict));
        atomic_fetch_add(&verified, 3);
    }
    return NULL;
}

static void rotate(const char *file)
{
    for (int i = 0; i != ROTATIONS; ++i) {
        if (i % 2 != 0)
            tokens_write_jwks(file, signers[ALWAYS], signers[SOMETIMES], NULL);
        else
            tokens_write_jwks(file, signers[ALWAYS], NULL);
        if (!keys_refresh(keys))
            fixture_fail("a changed file does not count");
        expect(SOMETIMES, i % TOKENS, i % 2 != 0 ? TOKEN_OK : TOKEN_INVALID);
        /* Some work with these keys, so that there is something to be forgotten. */
        unsigned long before = atomic_load(&verified);
        int64_t deadline = deadline_in(10000);
        while (atomic_load(&verified) < before + 30 && now_ms() < deadline)
            sleep_ms(1);
    }
}

int main(void)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    char error[512];
    char *file = sandbox_path("keys.jwks");
    log_configure(LOG_WARN, LOG_TEXT);
    for (int k = 0; k != KEYS; ++k) {
        signers[k] = tokens_key("ES256", k == SOMETIMES ? "sometimes" : "always");
        for (int i = 0; i != TOKENS; ++i) {
            char *payload = text_format("{\"iss\":\"me\",\"jti\":\"%d\",\"freshet\":{\"subscribe\":[\"a.*\"]}}", i);
            texts[k][i] = tokens_sign(signers[k], NULL, payload);
            free(payload);
        }
    }
    tokens_write_jwks(file, signers[ALWAYS], signers[SOMETIMES], NULL);
    keys = keys_load(file, error, sizeof(error));
    if (keys == NULL)
        fixture_fail("%s", error);
    for (unsigned i = 0; i != THREADS; ++i) {
        seeds[i] = i;
        if (pthread_create(&threads[i], NULL, verify_on, &seeds[i]) != 0)
            fixture_fail("no thread");
    }
    rotate(file);
    atomic_store(&over, true);
    for (int i = 0; i != THREADS; ++i)
        pthread_join(threads[i], NULL);
    printf("%lu tokens verified over %d rotations\n", atomic_load(&verified), ROTATIONS);
    keys_destroy(keys);
    for (int k = 0; k != KEYS; ++k) {
        tokens_key_free(signers[k]);
        for (int i = 0; i != TOKENS; ++i)
            free(texts[k][i]);
    }
    free(file);
    return 0;
}
