/* tokens.c - makes keys, JWKS files and signed tokens, with OpenSSL alone */
/* SPDX-License-Identifier: MIT */
#include "tests/support/tokens.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/sandbox.h"

#define SECRET_BYTES 48

struct tokens_key {
    char alg[8];
    char *kid; /* NULL: none */
    EVP_PKEY *pair;
    unsigned char *secret; /* HS256 */
    size_t secret_len;
};

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        fixture_fail("out of memory");
    return p;
}

static void expect(int ok, const char *what)
{
    if (ok <= 0)
        fixture_fail("tokens: OpenSSL refuses: %s", what);
}

static struct tokens_key *create(const char *alg, const char *kid)
{
    struct tokens_key *key = allocate(sizeof(*key));
    snprintf(key->alg, sizeof(key->alg), "%s", alg);
    key->kid = kid != NULL ? text_format("%s", kid) : NULL;
    return key;
}

struct tokens_key *tokens_key_secret(const char *kid, const void *secret, size_t len)
{
    struct tokens_key *key = create("HS256", kid);
    key->secret = allocate(len + 1);
    memcpy(key->secret, secret, len);
    key->secret_len = len;
    key->pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key->secret, len);
    expect(key->pair != NULL, "an HMAC key");
    return key;
}

struct tokens_key *tokens_key_rsa(const char *alg, const char *kid, unsigned bits)
{
    struct tokens_key *key = create(alg, kid);
    key->pair = EVP_RSA_gen(bits);
    expect(key->pair != NULL, "an RSA key");
    return key;
}

struct tokens_key *tokens_key(const char *alg, const char *kid)
{
    if (strcmp(alg, "HS256") == 0) {
        unsigned char secret[SECRET_BYTES];
        expect(RAND_bytes(secret, sizeof(secret)), "random bytes");
        return tokens_key_secret(kid, secret, sizeof(secret));
    }
    if (strcmp(alg, "RS256") == 0 || strcmp(alg, "PS256") == 0)
        return tokens_key_rsa(alg, kid, 2048);
    struct tokens_key *key = create(alg, kid);
    key->pair = EVP_EC_gen(strcmp(alg, "ES256") == 0 ? "P-256" : "P-384");
    expect(key->pair != NULL, "an EC key");
    return key;
}

void tokens_key_free(struct tokens_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pair);
    free(key->secret);
    free(key->kid);
    free(key);
}

char *tokens_base64url(const void *data, size_t len)
{
    char *text = allocate((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    for (char *c = text; *c != '\0'; ++c) {
        if (*c == '+')
            *c = '-';
        else if (*c == '/')
            *c = '_';
        else if (*c == '=')
            *c = '\0';
    }
    return text;
}

/* An unsigned number of the key, big-endian; size 0: as short as it can be. */
static unsigned char *number(const struct tokens_key *key, const char *name, size_t size, size_t *len)
{
    BIGNUM *bn = NULL;
    expect(EVP_PKEY_get_bn_param(key->pair, name, &bn), name);
    *len = size != 0 ? size : (size_t)BN_num_bytes(bn);
    unsigned char *bytes = allocate(*len);
    expect(BN_bn2binpad(bn, bytes, (int)*len), name);
    BN_free(bn);
    return bytes;
}

static char *number_text(const struct tokens_key *key, const char *name, size_t size)
{
    size_t len;
    unsigned char *bytes = number(key, name, size, &len);
    char *text = tokens_base64url(bytes, len);
    free(bytes);
    return text;
}

static char *members(const struct tokens_key *key)
{
    char *a, *b, *text;
    if (key->secret != NULL) {
        a = tokens_base64url(key->secret, key->secret_len);
        b = NULL;
        text = text_format("\"kty\":\"oct\",\"k\":\"%s\"", a);
    } else if (key->alg[0] == 'E') {
        size_t size = strcmp(key->alg, "ES256") == 0 ? 32 : 48;
        a = number_text(key, OSSL_PKEY_PARAM_EC_PUB_X, size);
        b = number_text(key, OSSL_PKEY_PARAM_EC_PUB_Y, size);
        text = text_format("\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\",\"y\":\"%s\"", size == 32 ? 256 : 384, a, b);
    } else {
        a = number_text(key, OSSL_PKEY_PARAM_RSA_N, 0);
        b = number_text(key, OSSL_PKEY_PARAM_RSA_E, 0);
        text = text_format("\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"", a, b);
    }
    free(a);
    free(b);
    return text;
}

static char *kid_member(const struct tokens_key *key)
{
    return key->kid != NULL ? text_format(",\"kid\":\"%s\"", key->kid) : text_format("%s", "");
}

char *tokens_jwk(const struct tokens_key *key)
{
    char *rest = members(key);
    char *kid = kid_member(key);
    char *text = text_format("{\"alg\":\"%s\",\"use\":\"sig\"%s,%s}", key->alg, kid, rest);
    free(kid);
    free(rest);
    return text;
}

void tokens_write_jwks(const char *path, ...)
{
    char *list = text_format("%s", "");
    va_list keys;
    va_start(keys, path);
    for (const struct tokens_key *key; (key = va_arg(keys, const struct tokens_key *)) != NULL;) {
        char *jwk = tokens_jwk(key);
        char *longer = text_format("%s%s%s", list, *list != '\0' ? "," : "", jwk);
        free(jwk);
        free(list);
        list = longer;
    }
    va_end(keys);
    char *text = text_format("{\"keys\":[%s]}\n", list);
    sandbox_replace(path, text);
    free(text);
    free(list);
}

/* The two numbers of an ECDSA signature at their full length, as in RFC 7518, 3.4. */
static unsigned char *plain_ecdsa(const unsigned char *der, size_t der_len, size_t size)
{
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    expect(signature != NULL, "its own ECDSA signature");
    unsigned char *plain = allocate(2 * size);
    expect(BN_bn2binpad(ECDSA_SIG_get0_r(signature), plain, (int)size), "r");
    expect(BN_bn2binpad(ECDSA_SIG_get0_s(signature), plain + size, (int)size), "s");
    ECDSA_SIG_free(signature);
    return plain;
}

static char *signature_of(const struct tokens_key *key, const char *text)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;
    const EVP_MD *digest = strcmp(key->alg, "ES384") == 0 ? EVP_sha384() : EVP_sha256();
    size_t len = 0;
    expect(EVP_DigestSignInit(context, &options, digest, NULL, key->pair), "to sign");
    if (strcmp(key->alg, "PS256") == 0) {
        expect(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), "PSS");
        expect(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), "PSS's salt");
    }
    expect(EVP_DigestSign(context, NULL, &len, (const unsigned char *)text, strlen(text)), "to sign");
    unsigned char *signature = allocate(len);
    expect(EVP_DigestSign(context, signature, &len, (const unsigned char *)text, strlen(text)), "to sign");
    EVP_MD_CTX_free(context);
    if (key->alg[0] == 'E') {
        size_t size = strcmp(key->alg, "ES256") == 0 ? 32 : 48;
        unsigned char *plain = plain_ecdsa(signature, len, size);
        free(signature);
        signature = plain;
        len = 2 * size;
    }
    char *encoded = tokens_base64url(signature, len);
    free(signature);
    return encoded;
}

char *tokens_sign(const struct tokens_key *key, const char *header, const char *payload)
{
    char *kid = kid_member(key);
    char *usual = text_format("{\"alg\":\"%s\",\"typ\":\"JWT\"%s}", key->alg, kid);
    const char *said = header != NULL ? header : usual;
    char *first = tokens_base64url(said, strlen(said));
    char *second = tokens_base64url(payload, strlen(payload));
    char *input = text_format("%s.%s", first, second);
    char *signature = signature_of(key, input);
    char *token = text_format("%s.%s", input, signature);
    free(signature);
    free(input);
    free(second);
    free(first);
    free(usual);
    free(kid);
    return token;
}

char *tokens_sign_for(const struct tokens_key *key, const char *sub, const char *jti, int seconds,
                      const char *subscribe)
{
    char *payload = text_format("{\"sub\":\"%s\",\"jti\":\"%s\",\"exp\":%lld,\"freshet\":{\"subscribe\":%s}}", sub, jti,
                                (long long)time(NULL) + seconds, subscribe);
    char *token = tokens_sign(key, NULL, payload);
    free(payload);
    return token;
}

unsigned char *tokens_public(const struct tokens_key *key, enum tokens_form form, size_t *len)
{
    if (form == TOKENS_MODULUS)
        return number(key, OSSL_PKEY_PARAM_RSA_N, 0, len);
    unsigned char *der = NULL;
    int der_len = i2d_PUBKEY(key->pair, &der);
    expect(der_len, "the public key as DER");
    *len = (size_t)der_len;
    unsigned char *copy;
    if (form == TOKENS_DER) {
        copy = allocate(*len);
        memcpy(copy, der, *len);
    } else {
        /* Written out, as PEM_write_bio_PUBKEY would: lines of 64 characters. */
        char *lines = allocate((*len + 2) / 3 * 4 + 1);
        EVP_EncodeBlock((unsigned char *)lines, der, der_len);
        char *text = text_format("%s", "-----BEGIN PUBLIC KEY-----\n");
        for (size_t at = 0; lines[at] != '\0'; at += strnlen(lines + at, 64)) {
            char *longer = text_format("%s%.64s\n", text, lines + at);
            free(text);
            text = longer;
        }
        copy = (unsigned char *)text_format("%s-----END PUBLIC KEY-----\n", text);
        *len = strlen((const char *)copy);
        free(text);
        free(lines);
    }
    OPENSSL_free(der);
    return copy;
}
