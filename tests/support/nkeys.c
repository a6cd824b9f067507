/* nkeys.c - key pairs and tokens of NATS's decentralized login, made on the spot */
/* SPDX-License-Identifier: MIT */
#include "tests/support/nkeys.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/sandbox.h"

#define SEED_PREFIX (18 << 3)

static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648 without padding; bits per digit: 5 or 6. Takes (8 * len + bits - 1) / bits + 1 bytes. */
static void encode(char *to, const unsigned char *from, size_t len, const char *digits, unsigned bits)
{
    uint32_t rest = 0;
    unsigned have = 0;

    for (size_t i = 0; i < len; i++) {
        rest = (rest & 0xff) << 8 | from[i];
        for (have += 8; have >= bits; have -= bits)
            *to++ = digits[rest >> (have - bits) & ((1U << bits) - 1)];
    }
    if (have != 0)
        *to++ = digits[rest << (bits - have) & ((1U << bits) - 1)];
    *to = '\0';
}

static char *base64url(const void *data, size_t len)
{
    char *text = malloc(len * 4 / 3 + 3);

    if (text == NULL)
        fixture_fail("out of memory");
    encode(text, data, len, base64url_digits, 6);
    return text;
}

/* CRC-16/XMODEM */
static unsigned crc16(const unsigned char *data, size_t len)
{
    unsigned crc = 0;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ ((crc & 0x8000) != 0 ? 0x1021 : 0)) & 0xffff;
    }
    return crc;
}

/* One or two bytes that say what it is, the key, and a checksum, low byte first. */
static void write_key(char *to, const unsigned char *prefix, size_t prefix_len, const unsigned char key[32])
{
    unsigned char raw[2 + 32 + 2];
    size_t len = prefix_len + 32;

    memcpy(raw, prefix, prefix_len);
    memcpy(raw + prefix_len, key, 32);
    unsigned crc = crc16(raw, len);
    raw[len++] = (unsigned char)(crc & 0xff);
    raw[len++] = (unsigned char)(crc >> 8);
    encode(to, raw, len, base32_digits, 5);
}

static EVP_PKEY *key_pair(const struct nkey *key)
{
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, sizeof(key->secret));

    if (pair == NULL)
        fixture_fail("nkeys: no Ed25519 key");
    return pair;
}

void nkey_create(struct nkey *key, enum nkey_kind kind)
{
    unsigned char public_key[32];
    size_t len = sizeof(public_key);
    /* So that both the S and the letter of the kind are a base32 digit, which is five bits. */
    unsigned char seed_prefix[2] = {(unsigned char)(SEED_PREFIX | kind >> 5), (unsigned char)((kind & 31) << 3)};
    unsigned char prefix = (unsigned char)kind;

    key->kind = kind;
    if (RAND_bytes(key->secret, sizeof(key->secret)) != 1)
        fixture_fail("nkeys: no random bytes");
    EVP_PKEY *pair = key_pair(key);
    if (EVP_PKEY_get_raw_public_key(pair, public_key, &len) != 1 || len != sizeof(public_key))
        fixture_fail("nkeys: no public key");
    EVP_PKEY_free(pair);
    write_key(key->public_key, &prefix, 1, public_key);
    write_key(key->seed, seed_prefix, sizeof(seed_prefix), key->secret);
}

/* A limit that is left out is 0, not unlimited. */
static const char *claims_of(enum nkey_kind kind)
{
    switch (kind) {
    case NKEY_OPERATOR:
        return "\"type\":\"operator\",\"version\":2";
    case NKEY_ACCOUNT:
        return "\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,\"wildcards\":true,"
               "\"conn\":-1,\"leaf\":-1},\"type\":\"account\",\"version\":2";
    case NKEY_USER:
        break;
    }
    return "\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\",\"version\":2";
}

static void sign(unsigned char signature[64], const struct nkey *issuer, const char *text)
{
    size_t len = 64;
    EVP_PKEY *pair = key_pair(issuer);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, pair) != 1 ||
        EVP_DigestSign(context, signature, &len, (const unsigned char *)text, strlen(text)) != 1)
        fixture_fail("nkeys: no signature");
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pair);
}

char *nkey_token(const struct nkey *issuer, const struct nkey *subject)
{
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    unsigned char signature[64];
    char *claims = text_format("{\"jti\":\"%s\",\"iat\":%lld,\"iss\":\"%s\",\"sub\":\"%s\",\"name\":\"test\","
                               "\"nats\":{%s}}",
                               subject->public_key, (long long)time(NULL), issuer->public_key, subject->public_key,
                               claims_of(subject->kind));
    char *first = base64url(header, strlen(header)), *second = base64url(claims, strlen(claims));
    char *signed_part = text_format("%s.%s", first, second);

    sign(signature, issuer, signed_part);
    char *third = base64url(signature, sizeof(signature));
    char *token = text_format("%s.%s", signed_part, third);
    free(claims);
    free(first);
    free(second);
    free(signed_part);
    free(third);
    return token;
}

void nkey_write_credentials(const char *path, const char *token, const struct nkey *user)
{
    char *text = text_format("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
                             token, user->seed);

    sandbox_replace(path, text);
    free(text);
}
