/* token.c - fuzzes tokens: none is ever good that we have not signed, whatever it says */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth/base64url.h"
#include "gateway/auth/keys.h"
#include "gateway/auth/token_verify.h"
#include "proto/subject.h"

/*
 * The first byte of an input chooses:
 *   even: the rest is a token as a stranger sends it, arbitrary text
 *   odd:  the rest is a line with a header and a payload, signed with our key,
 *         which reaches what a signature otherwise protects; with the next bit
 *         the signature is broken, and nothing may be good
 */
enum { BREAK = 2, OTHER_KEY = 4, NO_RULES = 8 };

static const char secret[] = "0123456789abcdef0123456789abcdef", other[] = "fedcba9876543210fedcba9876543210";
#define NOW INT64_C(1700000000)

/* Loaded once; libFuzzer's process ends without ever asking for them back. */
static struct keys *keys;

static void encode(const void *bytes, size_t len, char *dst)
{
    base64url_encode(bytes, len, dst);
}

static struct keys *load_keys(void)
{
    char path[] = "/tmp/freshet-fuzz-XXXXXX", k[BASE64URL_ENCODED_SIZE(sizeof(secret))], error[256];
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (file == NULL)
        abort();
    encode(secret, sizeof(secret) - 1, k);
    fprintf(file, "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"a\",\"k\":\"%s\"}]}", k);
    fclose(file);
    struct keys *loaded = keys_load(path, error, sizeof(error));
    unlink(path);
    if (loaded == NULL) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    return loaded;
}

static void check_grants(const struct token_grants *grants, const json_t *list)
{
    FUZZ_CHECK(grants->count == json_array_size(list) && grants->count <= TOKEN_GRANTS_MAX);
    for (unsigned i = 0; i != grants->count; ++i) {
        const char *pattern = grants->patterns[i];
        FUZZ_CHECK(subject_check_pattern(pattern, strlen(pattern)) == SUBJECT_OK);
        FUZZ_CHECK(strcmp(pattern, json_string_value(json_array_get(list, i))) == 0);
        FUZZ_CHECK(token_grants_cover(grants, pattern, strlen(pattern)));
    }
}

static void check_text(const char *value, const json_t *json)
{
    FUZZ_CHECK((value != NULL) == (json != NULL));
    FUZZ_CHECK(value == NULL || (json_is_string(json) && strcmp(value, json_string_value(json)) == 0));
}

/* A good token has the claims of its payload, and has not expired. */
static void check_token(const struct token *token, const struct token_rules *rules)
{
    json_t *json = json_loads(token->claims, JSON_REJECT_DUPLICATES, NULL);
    const json_t *freshet = json_object_get(json, "freshet"), *exp = json_object_get(json, "exp"),
                 *nbf = json_object_get(json, "nbf");
    char number[TOKEN_CLAIM_NUMBER_MAX];

    FUZZ_CHECK(json_is_object(json));
    check_text(token->subject, json_object_get(json, "sub"));
    check_text(token->id, json_object_get(json, "jti"));
    check_grants(&token->subscribe, json_object_get(freshet, "subscribe"));
    check_grants(&token->publish, json_object_get(freshet, "publish"));
    FUZZ_CHECK((exp != NULL) == (token->expires_s != 0));
    FUZZ_CHECK(exp == NULL || json_number_value(exp) > (double)(NOW - rules->leeway_s));
    FUZZ_CHECK(nbf == NULL || json_number_value(nbf) < (double)(NOW + rules->leeway_s + 1));
    if (rules->issuer != NULL)
        FUZZ_CHECK(strcmp(json_string_value(json_object_get(json, "iss")), rules->issuer) == 0);
    const char *key;
    json_t *claim;
    json_object_foreach (json, key, claim) {
        const char *value = token_claim(token, key, strlen(key), number);
        FUZZ_CHECK((value != NULL) == (json_is_string(claim) || json_is_integer(claim)));
        FUZZ_CHECK(!json_is_integer(claim) || strtoll(value, NULL, 10) == json_integer_value(claim));
    }
    FUZZ_CHECK(token_claim(token, "no such claim", 13, number) == NULL || json_object_get(json, "no such claim"));
    json_decref(json);
}

/* Signed with our key, by OpenSSL and nothing of the gateway's: the last part is the HMAC of what stands before it. */
static bool is_ours(const char *text, size_t len)
{
    const char *dot = len != 0 ? memrchr(text, '.', len) : NULL;
    unsigned char mac[EVP_MAX_MD_SIZE];
    char signature[BASE64URL_ENCODED_SIZE(EVP_MAX_MD_SIZE)];
    unsigned mac_len = 0;

    if (dot == NULL)
        return false;
    HMAC(EVP_sha256(), secret, sizeof(secret) - 1, (const unsigned char *)text, (size_t)(dot - text), mac, &mac_len);
    encode(mac, mac_len, signature);
    return strlen(signature) == (size_t)(text + len - dot) - 1 && memcmp(dot + 1, signature, strlen(signature)) == 0;
}

static enum token_verdict verify(const char *text, size_t len, bool free_rules)
{
    const struct token_rules strict = {.keys = keys, .issuer = "me", .audience = "us", .leeway_s = 10},
                             loose = {.keys = keys}, *rules = free_rules ? &loose : &strict;
    struct token *token = NULL;
    enum token_verdict verdict = TOKEN_INVALID;

    /* Twice: the second time it may be known already. */
    for (int i = 0; i != 2; ++i) {
        enum token_verdict again = token_verify(rules, text, len, NOW, &token);
        FUZZ_CHECK(i == 0 || again == verdict);
        verdict = again;
        FUZZ_CHECK((verdict == TOKEN_OK) == (token != NULL) && token_verdict_text(verdict) != NULL);
        if (token != NULL)
            check_token(token, rules);
        token_destroy(token);
        token = NULL;
    }
    FUZZ_CHECK(verdict == TOKEN_INVALID || is_ours(text, len));
    return verdict;
}

static struct fuzz_text sign(const struct fuzz_text *header, const struct fuzz_text *payload, const char *with)
{
    size_t room = BASE64URL_ENCODED_SIZE(header->len) + BASE64URL_ENCODED_SIZE(payload->len) + 128;
    struct fuzz_text text = {.s = malloc(room)};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    if (text.s == NULL)
        abort();
    encode(header->s, header->len, text.s);
    text.len = strlen(text.s);
    text.s[text.len++] = '.';
    encode(payload->s, payload->len, text.s + text.len);
    text.len += strlen(text.s + text.len);
    HMAC(EVP_sha256(), with, (int)strlen(with), (const unsigned char *)text.s, text.len, mac, &mac_len);
    text.s[text.len++] = '.';
    encode(mac, mac_len, text.s + text.len);
    text.len += strlen(text.s + text.len);
    text.s = realloc(text.s, text.len);
    return text;
}

/* A signature is checked only under a header that we accept. */
static void check_header(const struct fuzz_text *text)
{
    json_t *header = json_loadb(text->s, text->len, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const json_t *kid = json_object_get(header, "kid");

    FUZZ_CHECK(alg != NULL && strcmp(alg, "HS256") == 0);
    FUZZ_CHECK(kid == NULL || strcmp(json_string_value(kid), "a") == 0);
    FUZZ_CHECK(json_object_get(header, "crit") == NULL && json_object_get(header, "b64") == NULL);
    json_decref(header);
}

static void verify_signed(struct fuzz_input *input, uint8_t options)
{
    struct fuzz_text header = fuzz_line(input), payload, text;
    size_t at = 0;

    if ((options & BREAK) != 0)
        at = (size_t)fuzz_byte(input) << 8 | fuzz_byte(input);
    payload = fuzz_rest(input);
    text = sign(&header, &payload, (options & OTHER_KEY) != 0 ? other : secret);
    if ((options & BREAK) != 0) {
        char *c = &text.s[at % text.len];
        *c = (char)(*c == 'A' ? 'B' : 'A');
    }
    enum token_verdict verdict = verify(text.s, text.len, (options & NO_RULES) != 0);
    if ((options & (BREAK | OTHER_KEY)) != 0)
        FUZZ_CHECK(verdict == TOKEN_INVALID);
    if (verdict != TOKEN_INVALID)
        check_header(&header);
    FUZZ_CHECK(verdict != TOKEN_OK || memchr(payload.s, '\0', payload.len) == NULL);
    free(header.s);
    free(payload.s);
    free(text.s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t options = fuzz_byte(&input);
    struct fuzz_text text;

    if (keys == NULL)
        keys = load_keys();
    if ((options & 1) != 0) {
        verify_signed(&input, options);
        return 0;
    }
    text = fuzz_rest(&input);
    verify(text.s, text.len, (options & NO_RULES) != 0);
    free(text.s);
    return 0;
}
