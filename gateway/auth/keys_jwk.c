/* keys_jwk.c - one key of a JWKS file, and what it has to say about a signature */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/keys_jwk.h"

#include <cjose/cjose.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/base64url.h"
#include "gateway/base/check.h"

#define KID_MAX 256
#define SECRET_MIN 32 /* RFC 7518, 3.2: as long as the hash */
#define SECRET_MAX 4096
#define MODULUS_MIN 256 /* bytes; RFC 7518, 3.3 */
#define MODULUS_MAX 1024
#define EXPONENT_MAX 8 /* OpenSSL takes no longer one with a long modulus */
#define COORDINATE_MAX 48

static const struct {
    const char *name, *kty, *curve;
    size_t coordinate;
    const char *header;
} algs[KEY_ALGS] = {
    [KEY_HS256] = {"HS256", "oct", NULL, 0, "{\"alg\":\"HS256\"}"},
    [KEY_RS256] = {"RS256", "RSA", NULL, 0, "{\"alg\":\"RS256\"}"},
    [KEY_PS256] = {"PS256", "RSA", NULL, 0, "{\"alg\":\"PS256\"}"},
    [KEY_ES256] = {"ES256", "EC", "P-256", 32, "{\"alg\":\"ES256\"}"},
    [KEY_ES384] = {"ES384", "EC", "P-384", 48, "{\"alg\":\"ES384\"}"},
};

bool key_alg_parse(const char *name, enum key_alg *alg)
{
    for (unsigned i = 0; i != KEY_ALGS; ++i) {
        if (strcmp(name, algs[i].name) == 0) {
            *alg = (enum key_alg)i;
            return true;
        }
    }
    return false;
}

/* A member that may be missing, but must be a string otherwise. */
static bool string_member(const json_t *jwk, const char *name, const char **value)
{
    const json_t *member = json_object_get(jwk, name);
    *value = json_string_value(member);
    return member == NULL || *value != NULL;
}

/* Bytes of a base64url member, without leading zeros if it is a number; 0: there are none, or not so many are wanted. */
static size_t bytes_member(const json_t *jwk, const char *name, bool number, unsigned char *dst, size_t max)
{
    const json_t *member = json_object_get(jwk, name);
    size_t text_len = json_string_length(member), len = 0;
    if (text_len == 0 || text_len > BASE64URL_ENCODED_SIZE(max + 1))
        return 0;
    size_t size = BASE64URL_DECODED_MAX(text_len);
    unsigned char *bytes = check_malloc(size);
    if (!base64url_decode(json_string_value(member), text_len, bytes, &len))
        len = 0;
    size_t zeros = 0;
    while (number && zeros != len && bytes[zeros] == 0)
        ++zeros;
    len -= zeros;
    if (len > max)
        len = 0;
    memcpy(dst, bytes + zeros, len);
    OPENSSL_cleanse(bytes, size);
    free(bytes);
    return len;
}

static const char *init_oct(struct key *key, const json_t *jwk)
{
    unsigned char secret[SECRET_MAX];
    size_t len = bytes_member(jwk, "k", false, secret, sizeof(secret));
    if (len < SECRET_MIN) {
        OPENSSL_cleanse(secret, sizeof(secret));
        return "\"k\" must be base64url of 32 to 4096 bytes";
    }
    key->jwk = cjose_jwk_create_oct_spec(secret, len, NULL);
    key->signature_len = 32;
    OPENSSL_cleanse(secret, sizeof(secret));
    return NULL;
}

static const char *init_rsa(struct key *key, const json_t *jwk)
{
    unsigned char n[MODULUS_MAX], e[EXPONENT_MAX];
    size_t n_len = bytes_member(jwk, "n", true, n, sizeof(n));
    size_t e_len = bytes_member(jwk, "e", true, e, sizeof(e));
    /* The highest bit counts: 256 bytes of which the first is 01 are 2041 bits. */
    if (n_len < MODULUS_MIN || (n_len == MODULUS_MIN && n[0] < 0x80) || (n[n_len - 1] & 1) == 0)
        return "\"n\" must be base64url of an odd number of 2048 to 8192 bits";
    /* With an exponent of 1 any text is its own signature. */
    if (e_len == 0 || (e[e_len - 1] & 1) == 0 || (e_len == 1 && e[0] < 3))
        return "\"e\" must be base64url of an odd number of 3 or more, and of no more than 64 bits";
    key->jwk = cjose_jwk_create_RSA_spec(&(cjose_jwk_rsa_keyspec){.n = n, .nlen = n_len, .e = e, .elen = e_len}, NULL);
    key->signature_len = n_len;
    return NULL;
}

static const char *init_ec(struct key *key, const json_t *jwk)
{
    unsigned char x[COORDINATE_MAX], y[COORDINATE_MAX];
    size_t size = algs[key->alg].coordinate;
    /* RFC 7518, 6.2.1.2: at full length, leading zeros and all. */
    if (bytes_member(jwk, "x", false, x, size) != size || bytes_member(jwk, "y", false, y, size) != size)
        return "\"x\" and \"y\" must be base64url of as many bytes as the curve's numbers have";
    cjose_jwk_ec_curve curve = key->alg == KEY_ES256 ? CJOSE_JWK_EC_P_256 : CJOSE_JWK_EC_P_384;
    key->jwk = cjose_jwk_create_EC_spec(
        &(cjose_jwk_ec_keyspec){.crv = curve, .x = x, .xlen = size, .y = y, .ylen = size}, NULL);
    key->signature_len = 2 * size;
    return NULL;
}

static bool has_private_part(const json_t *jwk)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    for (size_t i = 0; i != sizeof(names) / sizeof(*names); ++i) {
        if (json_object_get(jwk, names[i]) != NULL)
            return true;
    }
    return false;
}

static bool operations_allow(const json_t *operations)
{
    size_t i;
    const json_t *operation;
    json_array_foreach (operations, i, operation) {
        if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0)
            return true;
    }
    return operations == NULL;
}

/* What a key is for, from kty, use, key_ops, alg and crv. */
static enum key_verdict purpose_of(const json_t *jwk, enum key_alg *alg, const char **reason)
{
    const char *kty, *use, *name, *curve;
    *reason = "\"kty\", \"use\", \"alg\" and \"crv\" must be strings";
    if (!string_member(jwk, "kty", &kty) || !string_member(jwk, "use", &use) || !string_member(jwk, "alg", &name) ||
        !string_member(jwk, "crv", &curve))
        return KEY_BAD;
    *reason = "there is no \"kty\"";
    if (kty == NULL)
        return KEY_BAD;
    *reason = "it is not for signatures";
    if ((use != NULL && strcmp(use, "sig") != 0) || !operations_allow(json_object_get(jwk, "key_ops")))
        return KEY_LEFT_OUT;
    *reason = "it is of another kind than oct, RSA, P-256 and P-384";
    bool ec = strcmp(kty, "EC") == 0;
    if (!ec && strcmp(kty, "RSA") != 0 && strcmp(kty, "oct") != 0)
        return KEY_LEFT_OUT;
    if (ec && curve != NULL && strcmp(curve, "P-256") != 0 && strcmp(curve, "P-384") != 0)
        return KEY_LEFT_OUT;
    *reason = "it does not say what it is for: \"alg\" is missing";
    if (name == NULL && (!ec || curve == NULL))
        return KEY_BAD;
    if (name == NULL)
        name = strcmp(curve, "P-256") == 0 ? "ES256" : "ES384";
    *reason = "its \"alg\" is none of HS256, RS256, PS256, ES256 and ES384";
    if (!key_alg_parse(name, alg))
        return KEY_LEFT_OUT;
    *reason = "\"alg\" is not one for its \"kty\" and \"crv\"";
    bool fits = strcmp(kty, algs[*alg].kty) == 0 && (!ec || (curve != NULL && strcmp(curve, algs[*alg].curve) == 0));
    return fits ? KEY_USABLE : KEY_BAD;
}

static void make_decoy(struct key *key)
{
    /* Below any modulus, and two numbers below any curve's order: nothing is refused before it has been reckoned. */
    unsigned char signature[MODULUS_MAX];
    memset(signature, 1, key->signature_len);
    signature[0] = 0;
    const char *header = algs[key->alg].header;
    key->no_signature = check_malloc(BASE64URL_ENCODED_SIZE(key->signature_len));
    base64url_encode(signature, key->signature_len, key->no_signature);
    key->header = check_malloc(BASE64URL_ENCODED_SIZE(strlen(header)));
    base64url_encode((const unsigned char *)header, strlen(header), key->header);
}

enum key_verdict key_init(struct key *key, const struct json_t *jwk, const char **reason)
{
    *key = (struct key){.jwk = NULL};
    const char *kid;
    *reason = "it is no object";
    if (!json_is_object(jwk))
        return KEY_BAD;
    *reason = "\"kid\" must be a string of 1 to 256 bytes";
    if (!string_member(jwk, "kid", &kid) || (kid != NULL && (*kid == '\0' || strlen(kid) > KID_MAX)))
        return KEY_BAD;
    enum key_verdict verdict = purpose_of(jwk, &key->alg, reason);
    if (verdict != KEY_USABLE)
        return verdict;
    *reason = "it has a private part, which must be kept from whoever only verifies";
    if (key->alg != KEY_HS256 && has_private_part(jwk))
        return KEY_BAD;
    const char *wrong = key->alg == KEY_HS256                            ? init_oct(key, jwk)
                        : key->alg == KEY_RS256 || key->alg == KEY_PS256 ? init_rsa(key, jwk)
                                                                         : init_ec(key, jwk);
    *reason = wrong != NULL ? wrong : "OpenSSL refuses it: its point is not on the curve, or the like";
    ERR_clear_error();
    if (key->jwk == NULL)
        return KEY_BAD;
    key->kid = kid != NULL ? check_strdup(kid) : NULL;
    make_decoy(key);
    return KEY_USABLE;
}

void key_dispose(struct key *key)
{
    cjose_jwk_release(key->jwk);
    free(key->kid);
    free(key->header);
    free(key->no_signature);
}

bool key_verify(const struct key *key, const char *text, size_t len)
{
    ERR_set_mark();
    cjose_jws_t *jws = cjose_jws_import(text, len, NULL);
    bool good = jws != NULL && cjose_jws_verify(jws, key->jwk, NULL);
    cjose_jws_release(jws);
    ERR_pop_to_mark();
    return good;
}

void key_verify_nothing(const struct key *key, const char *payload, size_t payload_len)
{
    size_t header_len = strlen(key->header), signature_len = strlen(key->no_signature);
    size_t len = header_len + 1 + payload_len + 1 + signature_len;
    char *text = check_malloc(len);
    memcpy(text, key->header, header_len);
    text[header_len] = '.';
    memcpy(text + header_len + 1, payload, payload_len);
    text[header_len + 1 + payload_len] = '.';
    memcpy(text + len - signature_len, key->no_signature, signature_len);
    key_verify(key, text, len);
    free(text);
}
