/* auth_token.c - properly signed tokens are taken, everything else is refused alike */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_verify.h"

#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#include "gateway/auth/base64url.h"
#include "tests/unit/auth_rig.h"

#define ALGS 5
static const char *const algs[ALGS] = {"HS256", "RS256", "PS256", "ES256", "ES384"};

#define EXPECT_REFUSED(rig, text) cr_expect_eq(verdict_of(rig, text), TOKEN_INVALID, "%.200s", text)

Test(auth_token, each_algorithm_is_taken_and_says_what_it_says)
{
    for (int i = 0; i != ALGS; ++i) {
        struct auth_rig rig;
        struct token *token = NULL;
        start_rig(&rig, algs[i], "a key, with a name");
        char *text = tokens_sign(rig.key, NULL,
                                 "{\"sub\":\"me\",\"jti\":\"1\",\"exp\":1700000001,"
                                 "\"freshet\":{\"subscribe\":[\"orders.42.>\",\"public.*\"],\"publish\":[\"a\"]}}");
        cr_assert_eq(token_verify(&rig.rules, text, strlen(text), NOW_S, &token), TOKEN_OK, "%s", algs[i]);
        cr_expect_str_eq(token->subject, "me");
        cr_expect_str_eq(token->id, "1");
        cr_expect_eq(token->expires_s, NOW_S + 1);
        cr_assert_eq(token->subscribe.count, 2);
        cr_expect_str_eq(token->subscribe.patterns[0], "orders.42.>");
        cr_expect_str_eq(token->subscribe.patterns[1], "public.*");
        cr_assert_eq(token->publish.count, 1);
        cr_expect_str_eq(token->publish.patterns[0], "a");
        cr_expect(strstr(token->claims, "\"jti\":\"1\"") != NULL);
        token_destroy(token);
        free(text);
        end_rig(&rig);
    }
}

/* RFC 7515, A.1 to A.3: one payload, three keys. */
#define RFC_PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
static const struct {
    const char *key, *text;
} rfc[] = {
    {"\"kty\":\"oct\",\"alg\":\"HS256\","
     "\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {"\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\","
     "\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-"
     "SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBE"
     "Ma2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD"
     "TW9gb54h4FRWyuXpoQ\"",
     "eyJhbGciOiJSUzI1NiJ9." RFC_PAYLOAD
     ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUA"
     "r7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x"
     "i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypG"
     "lUPQGe77Rw"},
    {"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"",
     "eyJhbGciOiJFUzI1NiJ9." RFC_PAYLOAD
     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
};

Test(auth_token, the_examples_of_rfc_7515_are_good)
{
    for (size_t i = 0; i != sizeof(rfc) / sizeof(*rfc); ++i) {
        struct auth_rig rig = {.file = sandbox_path("keys.jwks")};
        char *jwks = text_format("{\"keys\":[{%s}]}", rfc[i].key);
        sandbox_write(rig.file, jwks);
        rig.keys = load_keys(rig.file);
        rig.rules = (struct token_rules){.keys = rig.keys, .issuer = "joe"};
        cr_expect_eq(verdict_at(&rig, rfc[i].text, 1300819379), TOKEN_OK, "A.%zu", i + 1);
        cr_expect_eq(verdict_at(&rig, rfc[i].text, 1300819380), TOKEN_EXPIRED, "A.%zu", i + 1);
        free(jwks);
        end_rig(&rig);
    }
}

Test(auth_token, a_flipped_bit_is_refused_wherever_it_is)
{
    for (int i = 0; i != ALGS; ++i) {
        struct auth_rig rig;
        start_rig(&rig, algs[i], "k");
        char *text = tokens_sign(rig.key, NULL, "{\"sub\":\"me\",\"freshet\":{\"subscribe\":[\"a.>\"]}}");
        size_t len = strlen(text), last_dot = (size_t)(strrchr(text, '.') - text);
        cr_assert_eq(verdict_of(&rig, text), TOKEN_OK);
        for (size_t at = 0; at != len; ++at) {
            /* Each bit where a text could have a twin: at the end of a part. Elsewhere one, where verifying is dear. */
            bool each = i == 0 || i == 3 || text[at + 1] == '.' || at + 3 > len || at == last_dot;
            for (unsigned bit = 0; bit != 8; ++bit) {
                if (!each && bit != at % 6)
                    continue;
                text[at] = (char)(text[at] ^ 1 << bit);
                struct token *token = NULL;
                cr_assert_eq(token_verify(&rig.rules, text, len, NOW_S, &token), TOKEN_INVALID, "%s, %zu.%u: %s",
                             algs[i], at, bit, text);
                text[at] = (char)(text[at] ^ 1 << bit);
            }
        }
        cr_expect_eq(verdict_of(&rig, text), TOKEN_OK);
        free(text);
        end_rig(&rig);
    }
}

Test(auth_token, only_the_whole_text_is_a_token)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "k");
    struct token *token = NULL;
    char *text = tokens_sign(rig.key, NULL, "{}");
    size_t len = strlen(text);
    for (size_t i = 0; i != len; ++i) {
        cr_expect_eq(token_verify(&rig.rules, text, i, NOW_S, &token), TOKEN_INVALID, "the first %zu of %s", i, text);
        cr_expect_eq(token_verify(&rig.rules, text + i + 1, len - i - 1, NOW_S, &token), TOKEN_INVALID);
    }
    cr_expect_eq(token_verify(&rig.rules, text, len + 1, NOW_S, &token), TOKEN_INVALID, "a NUL is a byte too many");
    static const char *const around[] = {"%s ",  " %s", "%s\n", "Bearer %s", "%s.",        ".%s",    "%s=",
                                         "%s==", "%sA", "%sAA", "%s.e30",    "%s.e30.e30", "\"%s\"", "%s,"};
    for (size_t i = 0; i != sizeof(around) / sizeof(*around); ++i) {
        const char *hole = strstr(around[i], "%s");
        char *other = text_format("%.*s%s%s", (int)(hole - around[i]), around[i], text, hole + 2);
        EXPECT_REFUSED(&rig, other);
        free(other);
    }
    cr_expect_eq(verdict_of(&rig, text), TOKEN_OK);
    free(text);
    end_rig(&rig);
}

/* Some of these end a process that shows them to cjose. */
Test(auth_token, what_is_no_token_is_refused)
{
    /* RFC 7516, A.1, cut short: five parts */
    static const char encrypted[] = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZc."
                                    "48V1_ALb6US04U3b.5eym8TW_c8Su.XFBoMYUZ";
    static const char *const texts[] = {
        ".",
        "..",
        "...",
        "a.b.c",
        "A===.e30.e30",
        "AAAAA===.e30.e30",
        "e30.AAAAA===.e30",
        "e30.e30.AAAAA===",
        "e30.e30.e30",
        "e30..",
        ".e30.",
        "..e30",
        "e30.e30.",
        "bnVsbA.e30.AAAA",
        "W10.e30.AAAA",
        "MQ.e30.AAAA",
        "eyJhbGciOiJub25lIn0.e30.", /* alg none, unsigned */
        "eyJhbGciOiJub25lIn0.e30.AAAA",
        "eyJhbGciOiJub25lIn0.e30",
        "eyJhbGciOm51bGx9.e30.AAAA", /* alg null */
        "eyJhbGciOlsiRVMyNTYiXX0.e30.AAAA",
        encrypted,
        "{\"alg\":\"ES256\"}.{}.AAAA",
    };
    struct auth_rig rig;
    start_rig(&rig, "ES256", "k");
    for (size_t i = 0; i != sizeof(texts) / sizeof(*texts); ++i)
        EXPECT_REFUSED(&rig, texts[i]);
    end_rig(&rig);
}

Test(auth_token, sixteen_kilobytes_are_enough)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", NULL);
    /* Headers of 27 characters, a dot, the payload, a dot, a signature of 43. */
    for (size_t fill = 12000; fill != 12500; ++fill) {
        char *payload = malloc(fill + 16);
        snprintf(payload, 16, "{\"a\":\"");
        memset(payload + 6, 'x', fill);
        memcpy(payload + 6 + fill, "\"}", 3);
        char *text = tokens_sign(rig.key, NULL, payload);
        size_t len = strlen(text);
        cr_expect_eq(verdict_of(&rig, text), len <= TOKEN_MAX ? TOKEN_OK : TOKEN_INVALID, "%zu bytes", len);
        free(text);
        free(payload);
        if (len > TOKEN_MAX + 40)
            break;
    }
    end_rig(&rig);
}

Test(auth_token, headers_that_are_signed_but_not_right)
{
    static const char *const headers[] = {
        "{\"kid\":\"k\"}",
        "{\"alg\":\"none\",\"kid\":\"k\"}",
        "{\"alg\":\"None\",\"kid\":\"k\"}",
        "{\"alg\":\"\",\"kid\":\"k\"}",
        "{\"alg\":\"es256\",\"kid\":\"k\"}",
        "{\"alg\":\"ES256 \",\"kid\":\"k\"}",
        "{\"alg\":\"ES384\",\"kid\":\"k\"}",
        "{\"alg\":\"ES512\",\"kid\":\"k\"}",
        "{\"alg\":\"HS256\",\"kid\":\"k\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k\"}",
        "{\"alg\":256,\"kid\":\"k\"}",
        "{\"alg\":null,\"kid\":\"k\"}",
        "{\"alg\":[\"ES256\"],\"kid\":\"k\"}",
        "{\"alg\":\"ES256\\u0000\",\"kid\":\"k\"}",
        "{\"alg\":\"ES256\",\"kid\":\"K\"}",
        "{\"alg\":\"ES256\",\"kid\":\"\"}",
        "{\"alg\":\"ES256\",\"kid\":7}",
        "{\"alg\":\"ES256\",\"kid\":null}",
        "{\"alg\":\"ES256\",\"kid\":\"k\\u0000\"}",
        "{\"alg\":\"ES256\",\"kid\":[\"k\"]}",
        "{\"alg\":\"ES256\",\"kid\":\"../k\"}",
        /* two of a name: one reader takes the first, another the last */
        "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"k\"}",
        "{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"k\"}",
        "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"k\"}",
        "{\"alg\":\"ES256\",\"kid\":\"x\",\"kid\":\"k\"}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"\\u0061lg\":\"ES256\"}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"x\":{\"a\":1,\"a\":1}}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"crit\":[]}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"crit\":[\"alg\"]}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"crit\":null}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"b64\":false,\"crit\":[\"b64\"]}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"b64\":false}",
        "[{\"alg\":\"ES256\",\"kid\":\"k\"}]",
        "\"ES256\"",
        "{\"alg\":\"ES256\",\"kid\":\"k\"}{}",
        "{\"alg\":\"ES256\",\"kid\":\"k\"} x",
        "{\"alg\":\"ES256\",\"kid\":\"k\",}",
        "{'alg':'ES256'}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"x\":\"\xff\"}",
        "{\"alg\":\"ES256\",\"kid\":\"k\",\"x\":1e999}",
        " ",
    };
    struct auth_rig rig;
    start_rig(&rig, "ES256", "k");
    for (size_t i = 0; i != sizeof(headers) / sizeof(*headers); ++i)
        cr_expect_eq(verdict_signed(&rig, rig.key, headers[i], "{}"), TOKEN_INVALID, "%s", headers[i]);
    cr_expect_eq(verdict_signed(&rig, rig.key, "{\"alg\":\"ES256\",\"kid\":\"k\"}", "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, rig.key,
                                " {\"typ\":\"at+jwt\",\"jku\":\"https://elsewhere.example\",\"jwk\":{\"kty\":\"oct\"},"
                                "\r\n\"x5u\":\"\",\"\\u006bid\":\"\\u006b\",\"cty\":\"x\",\"alg\":\"ES256\"} ",
                                "{}"),
                 TOKEN_OK, "what it says of other keys is not looked at");
    end_rig(&rig);
}

Test(auth_token, deep_nesting_is_refused_and_does_no_harm)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", NULL);
    char deep[6001] = "";
    memset(deep, '[', 6000);
    char *header = text_format("{\"alg\":\"HS256\",\"x\":%s", deep);
    cr_expect_eq(verdict_signed(&rig, rig.key, header, "{}"), TOKEN_INVALID);
    char *payload = text_format("{\"x\":%s", deep);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, payload), TOKEN_BAD_CLAIMS);
    free(header);
    free(payload);
    end_rig(&rig);
}

/* CVE-2015-9235 and its like: the public key is no secret. */
Test(auth_token, a_public_key_is_no_hmac_secret)
{
    static const char *const kinds[] = {"RS256", "PS256", "ES256", "ES384"};
    for (size_t i = 0; i != sizeof(kinds) / sizeof(*kinds); ++i) {
        struct auth_rig rig;
        start_rig(&rig, kinds[i], "k");
        for (int form = TOKENS_PEM; form <= (kinds[i][0] == 'E' ? TOKENS_DER : TOKENS_MODULUS); ++form) {
            size_t len;
            unsigned char *secret = tokens_public(rig.key, (enum tokens_form)form, &len);
            struct tokens_key *forger = tokens_key_secret("k", secret, len);
            cr_expect_eq(verdict_signed(&rig, forger, NULL, "{}"), TOKEN_INVALID, "%s, form %d", kinds[i], form);
            cr_expect_eq(verdict_signed(&rig, forger, "{\"alg\":\"HS256\"}", "{}"), TOKEN_INVALID);
            char *header = text_format("{\"alg\":\"%s\",\"kid\":\"k\"}", kinds[i]);
            cr_expect_eq(verdict_signed(&rig, forger, header, "{}"), TOKEN_INVALID);
            free(header);
            tokens_key_free(forger);
            free(secret);
        }
        cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_OK);
        end_rig(&rig);
    }
}

Test(auth_token, a_key_is_for_its_own_algorithm_only)
{
    struct auth_rig rig;
    start_rig(&rig, "RS256", "k");
    cr_expect_eq(verdict_signed(&rig, rig.key, "{\"alg\":\"PS256\",\"kid\":\"k\"}", "{}"), TOKEN_INVALID);
    end_rig(&rig);
    struct tokens_key *ec = tokens_key("ES384", "k"), *other = tokens_key("ES384", "k");
    start_rig(&rig, "ES256", "k");
    cr_expect_eq(verdict_signed(&rig, ec, NULL, "{}"), TOKEN_INVALID);
    cr_expect_eq(verdict_signed(&rig, ec, "{\"alg\":\"ES256\",\"kid\":\"k\"}", "{}"), TOKEN_INVALID);
    tokens_write_jwks(rig.file, ec, NULL);
    cr_assert(keys_refresh(rig.keys));
    cr_expect_eq(verdict_signed(&rig, ec, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, other, NULL, "{}"), TOKEN_INVALID, "another key of that kid");
    tokens_key_free(ec);
    tokens_key_free(other);
    end_rig(&rig);
}

Test(auth_token, kid_chooses_the_key)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "a");
    struct tokens_key *b = tokens_key("ES256", "b"), *c = tokens_key("HS256", "c"),
                      *nameless = tokens_key("ES384", NULL);
    tokens_write_jwks(rig.file, rig.key, b, c, nameless, NULL);
    cr_assert(keys_refresh(rig.keys));
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, b, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, c, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, nameless, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, b, "{\"alg\":\"ES256\",\"kid\":\"a\"}", "{}"), TOKEN_INVALID);
    cr_expect_eq(verdict_signed(&rig, b, "{\"alg\":\"ES256\",\"kid\":\"c\"}", "{}"), TOKEN_INVALID);
    cr_expect_eq(verdict_signed(&rig, b, "{\"alg\":\"ES256\"}", "{}"), TOKEN_INVALID, "there are two it could be");
    cr_expect_eq(verdict_signed(&rig, c, "{\"alg\":\"HS256\"}", "{}"), TOKEN_OK, "there is only one it can be");
    cr_expect_eq(verdict_signed(&rig, nameless, "{\"alg\":\"ES384\",\"kid\":\"a\"}", "{}"), TOKEN_INVALID);
    tokens_key_free(b);
    tokens_key_free(c);
    tokens_key_free(nameless);
    end_rig(&rig);
}

/* The token with another signature of so many bytes. */
static char *with_signature(const char *text, const unsigned char *signature, size_t len)
{
    char *encoded = tokens_base64url(signature, len);
    char *other = text_format("%.*s%s", (int)(strrchr(text, '.') + 1 - text), text, encoded);
    free(encoded);
    return other;
}

static size_t signature_of(const char *text, unsigned char *signature)
{
    const char *encoded = strrchr(text, '.') + 1;
    size_t len = 0;
    cr_assert(base64url_decode(encoded, strlen(encoded), signature, &len));
    return len;
}

Test(auth_token, a_signature_has_one_length)
{
    static const unsigned char leading[] = {0, 32};
    for (int i = 0; i != ALGS; ++i) {
        struct auth_rig rig;
        unsigned char signature[600] = {0};
        start_rig(&rig, algs[i], "k");
        unsigned found = 0;
        /* One number in 256 begins with a zero byte by chance. */
        for (unsigned n = 0; n != 10000 && found != 3; ++n) {
            char *payload = text_format("{\"n\":%u}", n);
            char *text = tokens_sign(rig.key, NULL, payload);
            size_t len = signature_of(text, signature + 1);
            size_t zero = 1 + leading[found % (strcmp(algs[i], "ES256") == 0 ? 2 : 1)];
            if (signature[zero] == 0 || i == 0) {
                ++found;
                cr_expect_eq(verdict_of(&rig, text), TOKEN_OK, "%s: %s", algs[i], text);
                static const int changes[][2] = {{2, -1}, {0, 1}, {1, 1}, {1, -1}, {1, -2}};
                for (size_t k = 0; k != sizeof(changes) / sizeof(*changes); ++k) {
                    char *other = with_signature(text, signature + changes[k][0], len + (size_t)changes[k][1]);
                    EXPECT_REFUSED(&rig, other);
                    free(other);
                }
            }
            free(text);
            free(payload);
        }
        cr_expect_eq(found, 3, "%s", algs[i]);
        end_rig(&rig);
    }
}

Test(auth_token, an_ecdsa_signature_of_zeros_or_as_der_is_none)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "k");
    unsigned char signature[80] = {0};
    char *text = tokens_sign(rig.key, NULL, "{}");
    /* CVE-2022-21449 */
    char *zeros = with_signature(text, signature, 64);
    EXPECT_REFUSED(&rig, zeros);
    cr_assert_eq(signature_of(text, signature + 4), 64);
    memcpy(signature, "\x30\x44\x02\x20", 4);
    memmove(signature + 38, signature + 36, 32);
    memcpy(signature + 36, "\x02\x20", 2);
    char *der = with_signature(text, signature, 70);
    EXPECT_REFUSED(&rig, der);
    free(der);
    free(zeros);
    free(text);
    end_rig(&rig);
}

/* SSL_get_error looks there, for whatever connection comes next on this thread. */
Test(auth_token, a_bad_signature_leaves_nothing_in_the_error_queue)
{
    for (int i = 0; i != ALGS; ++i) {
        struct auth_rig rig;
        start_rig(&rig, algs[i], "k");
        unsigned char signature[600];
        char *text = tokens_sign(rig.key, NULL, "{}");
        size_t len = signature_of(text, signature);
        memset(signature, 0xff, len);
        char *bad = with_signature(text, signature, len);
        EXPECT_REFUSED(&rig, bad);
        cr_expect_eq(ERR_peek_error(), 0, "%s", algs[i]);
        free(bad);
        free(text);
        end_rig(&rig);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The quickest of many: what it takes when nothing comes in between. */
static int64_t refusal_ns(const struct auth_rig *rig, const char *text)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i != 40; ++i) {
        int64_t start = cpu_ns();
        EXPECT_REFUSED(rig, text);
        int64_t took = cpu_ns() - start;
        least = took < least ? took : least;
    }
    return least;
}

Test(auth_token, why_a_signature_failed_does_not_show_in_the_time)
{
    struct auth_rig rig;
    start_rig(&rig, "ES384", "k");
    struct tokens_key *ec = tokens_key("ES256", "other");
    tokens_write_jwks(rig.file, rig.key, ec, NULL);
    cr_assert(keys_refresh(rig.keys));
    static const char *const headers[] = {
        "{\"alg\":\"ES384\",\"kid\":\"k\"}",       /* a key there is, another signature */
        "{\"alg\":\"ES384\",\"kid\":\"unknown\"}", /* a key there isn't */
        "{\"alg\":\"ES384\",\"kid\":\"other\"}",   /* a key there is, for another alg */
        "{\"alg\":\"RS256\",\"kid\":\"k\"}",       /* an alg there isn't */
    };
    struct tokens_key *forger = tokens_key("ES384", NULL);
    int64_t first = 0;
    for (size_t i = 0; i != sizeof(headers) / sizeof(*headers); ++i) {
        char *text = tokens_sign(forger, headers[i], "{}");
        int64_t took = refusal_ns(&rig, text);
        first = i == 0 ? took : first;
        cr_expect(took < first * 2 && first < took * 2, "%s takes %lld ns, not %lld", headers[i], (long long)took,
                  (long long)first);
        free(text);
    }
    tokens_key_free(forger);
    tokens_key_free(ec);
    end_rig(&rig);
}
