/* key.c - one key of a JWKS file, and the signatures it verifies */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/key.h"

#include <cjose/cjose.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/base64url.h"
#include "gateway/base/check.h"

#define KID_MAX 256
#define SECRET_MIN 32 /* RFC 7518, 3.2: at least as long as the hash */
#define SECRET_MAX 4096
#define MODULUS_MIN 256 /* bytes; RFC 7518, 3.3 */
#define MODULUS_MAX 1024
#define EXPONENT_MAX 8 /* OpenSSL accepts no longer one with a long modulus */
#define COORDINATE_MAX 48
_Static_assert(2 * COORDINATE_MAX <= MODULUS_MAX, "the longest signature is RSA's");

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

/* False: the member is there, but isn't a string. */
static bool read_string(const json_t *jwk, const char *name, const char **value)
{
    const json_t *member = json_object_get(jwk, name);
    *value = json_string_value(member);
    return member == NULL || *value != NULL;
}

/* The length of a base64url member, decoded into dst, a number without its leading zeros. 0: none, or more than max. */
static size_t read_bytes(const json_t *jwk, const char *name, bool is_number, unsigned char *dst, size_t max)
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
    while (is_number && zeros != len && bytes[zeros] == 0)
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
    CHECK(key->alg == KEY_HS256);
    unsigned char secret[SECRET_MAX];
    size_t len = read_bytes(jwk, "k", false, secret, sizeof(secret));
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
    size_t n_len = read_bytes(jwk, "n", true, n, sizeof(n));
    size_t e_len = read_bytes(jwk, "e", true, e, sizeof(e));
    /* Its bits count, not its bytes: 256 bytes that begin with 01 are only 2041 bits. */
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
    CHECK(size > 0 && size <= COORDINATE_MAX);
    /* RFC 7518, 6.2.1.2: at full length, leading zeros included. */
    if (read_bytes(jwk, "x", false, x, size) != size || read_bytes(jwk, "y", false, y, size) != size)
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

static bool allows_verify(const json_t *operations)
{
    size_t i;
    const json_t *operation;
    json_array_foreach (operations, i, operation) {
        if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0)
            return true;
    }
    return operations == NULL;
}

/* Whether a key can verify tokens, and with which alg, from kty, use, key_ops, alg and crv. */
static enum key_verdict read_purpose(const json_t *jwk, enum key_alg *alg, const char **reason)
{
    const char *kty, *use, *name, *curve;
    *reason = "\"kty\", \"use\", \"alg\" and \"crv\" must be strings";
    if (!read_string(jwk, "kty", &kty) || !read_string(jwk, "use", &use) || !read_string(jwk, "alg", &name) ||
        !read_string(jwk, "crv", &curve))
        return KEY_BAD;
    *reason = "there is no \"kty\"";
    if (kty == NULL)
        return KEY_BAD;
    *reason = "it is not for signatures";
    if ((use != NULL && strcmp(use, "sig") != 0) || !allows_verify(json_object_get(jwk, "key_ops")))
        return KEY_LEFT_OUT;
    *reason = "its type is not oct, RSA, P-256 or P-384";
    bool is_ec = strcmp(kty, "EC") == 0;
    if (!is_ec && strcmp(kty, "RSA") != 0 && strcmp(kty, "oct") != 0)
        return KEY_LEFT_OUT;
    if (is_ec && curve != NULL && strcmp(curve, "P-256") != 0 && strcmp(curve, "P-384") != 0)
        return KEY_LEFT_OUT;
    *reason = "its purpose is not stated: \"alg\" is missing";
    if (name == NULL && (!is_ec || curve == NULL))
        return KEY_BAD;
    if (name == NULL)
        name = strcmp(curve, "P-256") == 0 ? "ES256" : "ES384";
    *reason = "its \"alg\" is not supported (HS256, RS256, PS256, ES256, ES384 are)";
    if (!key_alg_parse(name, alg))
        return KEY_LEFT_OUT;
    *reason = "\"alg\" is not one for its \"kty\" and \"crv\"";
    bool fits = strcmp(kty, algs[*alg].kty) == 0 && (!is_ec || (curve != NULL && strcmp(curve, algs[*alg].curve) == 0));
    return fits ? KEY_USABLE : KEY_BAD;
}

static void make_decoy(struct key *key)
{
    /* Below any modulus, and two numbers below any curve's order: OpenSSL refuses it only after the whole computation. */
    unsigned char signature[MODULUS_MAX];
    CHECK(key->signature_len > 0 && key->signature_len <= sizeof(signature));
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
    *reason = "it is not an object";
    if (!json_is_object(jwk))
        return KEY_BAD;
    *reason = "\"kid\" must be a string of 1 to 256 bytes";
    if (!read_string(jwk, "kid", &kid) || (kid != NULL && (*kid == '\0' || strlen(kid) > KID_MAX)))
        return KEY_BAD;
    enum key_verdict verdict = read_purpose(jwk, &key->alg, reason);
    if (verdict != KEY_USABLE)
        return verdict;
    *reason = "it has a private part, which only the issuer may have";
    if (key->alg != KEY_HS256 && has_private_part(jwk))
        return KEY_BAD;
    const char *wrong = key->alg == KEY_HS256                            ? init_oct(key, jwk)
                        : key->alg == KEY_RS256 || key->alg == KEY_PS256 ? init_rsa(key, jwk)
                                                                         : init_ec(key, jwk);
    *reason = wrong != NULL ? wrong : "OpenSSL refuses it; its point may not be on the curve";
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
