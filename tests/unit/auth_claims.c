/* auth_claims.c - the claims of a properly signed token: when they count, and what they allow */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_verify.h"

#include <stdio.h>

#include "tests/unit/auth_rig.h"

static const struct {
    const char *payload;
    enum token_verdict verdict;
} payloads[] = {
    {"{}", TOKEN_OK},
    {"{\"exp\":1700000001}", TOKEN_OK},
    {"{\"exp\":1700000000}", TOKEN_EXPIRED},
    {"{\"exp\":1699999999}", TOKEN_EXPIRED},
    {"{\"exp\":1700000001.9}", TOKEN_OK},
    {"{\"exp\":1700000000.9}", TOKEN_EXPIRED},
    {"{\"exp\":1.7e9}", TOKEN_EXPIRED},
    {"{\"exp\":1.8e9}", TOKEN_OK},
    {"{\"exp\":0}", TOKEN_EXPIRED},
    {"{\"exp\":0.5}", TOKEN_EXPIRED},
    {"{\"exp\":253402300799}", TOKEN_OK},
    {"{\"exp\":253402300800}", TOKEN_BAD_CLAIMS}, /* milliseconds, or another mistake */
    {"{\"exp\":1700000001000}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":9223372036854775807}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":9223372036854775808}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":99999999999999999999999999999999999999}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":1e30}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":1e999}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":-1}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":-0.5}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":\"1700000001\"}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":null}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":true}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":[1700000001]}", TOKEN_BAD_CLAIMS},
    {"{\"exp\":{}}", TOKEN_BAD_CLAIMS},
    {"{\"nbf\":1700000000}", TOKEN_OK},
    {"{\"nbf\":1700000000.9}", TOKEN_OK},
    {"{\"nbf\":1700000001}", TOKEN_NOT_YET},
    {"{\"nbf\":\"0\"}", TOKEN_BAD_CLAIMS},
    {"{\"nbf\":-1}", TOKEN_BAD_CLAIMS},
    {"{\"nbf\":1e999}", TOKEN_BAD_CLAIMS},
    {"{\"nbf\":1699999990,\"exp\":1699999995}", TOKEN_EXPIRED},
    {"{\"iat\":1800000000}", TOKEN_OK},
    {"{\"iat\":\"now\"}", TOKEN_BAD_CLAIMS},
    /* two of a name: one parser takes the first, another the last */
    {"{\"exp\":1600000000,\"exp\":1800000000}", TOKEN_BAD_CLAIMS},
    {"{\"sub\":\"a\",\"sub\":\"a\"}", TOKEN_BAD_CLAIMS},
    {"{\"sub\":\"a\",\"s\\u0075b\":\"b\"}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a\"]},\"freshet\":{\"subscribe\":[\">\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a\"],\"subscribe\":[\">\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"sub\":7}", TOKEN_BAD_CLAIMS},
    {"{\"sub\":null}", TOKEN_BAD_CLAIMS},
    {"{\"sub\":\"a\\u0000b\"}", TOKEN_BAD_CLAIMS},
    {"{\"jti\":7}", TOKEN_BAD_CLAIMS},
    {"{\"iss\":[\"me\"]}", TOKEN_BAD_CLAIMS},
    {"{\"aud\":7}", TOKEN_BAD_CLAIMS},
    {"{\"aud\":[\"a\",7]}", TOKEN_BAD_CLAIMS},
    {"{\"aud\":{\"a\":1}}", TOKEN_BAD_CLAIMS},
    {"{\"aud\":null}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":[]}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":\"a.>\"}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":null}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{}}", TOKEN_OK},
    {"{\"freshet\":{\"subscribe\":[],\"publish\":[]}}", TOKEN_OK},
    {"{\"freshet\":{\"subscribe\":\"a.>\"}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":{\"a\":1}}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":null}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[[\"a.>\"]]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[[[[[[]]]]]]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[7]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a\",null]}}", TOKEN_BAD_CLAIMS},
    /* no patterns of NATS, or of reserved subjects */
    {"{\"freshet\":{\"subscribe\":[\"\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a..b\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a.>.b\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a.b*\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a b\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"a\\n\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"$SYS.>\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"$JS.API.>\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"publish\":[\"$JS.API.STREAM.DELETE.a\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\"_INBOX.>\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"publish\":[\"a.>\",\"_R_.a\"]}}", TOKEN_BAD_CLAIMS},
    {"{\"freshet\":{\"subscribe\":[\">\"],\"publish\":[\"*\"]}}", TOKEN_OK},
    /* no object in JSON */
    {"", TOKEN_INVALID}, /* a part of a token is not empty */
    {" ", TOKEN_BAD_CLAIMS},
    {"[]", TOKEN_BAD_CLAIMS},
    {"null", TOKEN_BAD_CLAIMS},
    {"\"{}\"", TOKEN_BAD_CLAIMS},
    {"{}{}", TOKEN_BAD_CLAIMS},
    {"{} x", TOKEN_BAD_CLAIMS},
    {"{\"a\":1,}", TOKEN_BAD_CLAIMS},
    {"{\"a\":\"\xff\"}", TOKEN_BAD_CLAIMS},
    {"{\"a\":\"\\ud800\"}", TOKEN_BAD_CLAIMS},
    {"{\"a\":NaN}", TOKEN_BAD_CLAIMS},
    /* our own claims are read strictly; the others don't concern us */
    {" {\"scope\":[[[[{\"a\":[null,true,-1e-5]}]]]],\"iss\":\"\",\"aud\":[],\"freshet\":{\"other\":7}}\r\n", TOKEN_OK},
};

Test(auth_claims, each_is_checked)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", "k");
    for (size_t i = 0; i != sizeof(payloads) / sizeof(*payloads); ++i)
        cr_expect_eq(verdict_signed(&rig, rig.key, NULL, payloads[i].payload), payloads[i].verdict, "%s: %d",
                     payloads[i].payload, verdict_signed(&rig, rig.key, NULL, payloads[i].payload));
    end_rig(&rig);
}

Test(auth_claims, clocks_may_differ_by_the_leeway)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", "k");
    rig.rules.leeway_s = 10;
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"exp\":1699999991}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"exp\":1699999990}"), TOKEN_EXPIRED);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"nbf\":1700000010}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"nbf\":1700000011}"), TOKEN_NOT_YET);
    end_rig(&rig);
}

Test(auth_claims, issuer_and_audience_are_the_ones_that_are_wanted)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", "k");
    rig.rules.issuer = "https://id.example";
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"iss\":\"https://id.example\"}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"iss\":\"https://id.example/\"}"), TOKEN_WRONG_ISSUER);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"iss\":\"HTTPS://id.example\"}"), TOKEN_WRONG_ISSUER);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"iss\":\"\"}"), TOKEN_WRONG_ISSUER);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":\"https://id.example\"}"), TOKEN_WRONG_ISSUER);
    rig.rules.issuer = NULL;
    rig.rules.audience = "freshet";
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":\"freshet\"}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":[\"a\",\"freshet\",\"b\"]}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":[\"a\",\"b\"]}"), TOKEN_WRONG_AUDIENCE);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":[]}"), TOKEN_WRONG_AUDIENCE);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":\"freshet2\"}"), TOKEN_WRONG_AUDIENCE);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":\"fresh\"}"), TOKEN_WRONG_AUDIENCE);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_WRONG_AUDIENCE);
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{\"aud\":[[\"freshet\"]]}"), TOKEN_BAD_CLAIMS);
    end_rig(&rig);
}

Test(auth_claims, a_list_of_grants_is_bounded)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", "k");
    for (unsigned count = TOKEN_GRANTS_MAX; count != TOKEN_GRANTS_MAX + 2; ++count) {
        char payload[8192];
        size_t at = (size_t)snprintf(payload, sizeof(payload), "{\"freshet\":{\"subscribe\":[");
        for (unsigned i = 0; i != count; ++i)
            at += (size_t)snprintf(payload + at, sizeof(payload) - at, "%s\"a.%u\"", i != 0 ? "," : "", i);
        snprintf(payload + at, sizeof(payload) - at, "]}}");
        cr_expect_eq(verdict_signed(&rig, rig.key, NULL, payload),
                     count == TOKEN_GRANTS_MAX ? TOKEN_OK : TOKEN_BAD_CLAIMS);
    }
    end_rig(&rig);
}

static struct token *token_of(const struct auth_rig *rig, const char *payload)
{
    struct token *token = NULL;
    char *text = tokens_sign(rig->key, NULL, payload);
    cr_assert_eq(token_verify(&rig->rules, text, strlen(text), NOW_S, &token), TOKEN_OK, "%s", payload);
    free(text);
    return token;
}

static bool covers(const struct auth_rig *rig, const char *grant, const char *wanted)
{
    char *payload = text_format("{\"freshet\":{\"subscribe\":[\"other\",\"%s\"],\"publish\":[\">\"]}}", grant);
    struct token *token = token_of(rig, payload);
    bool answer = token_grants_cover(&token->subscribe, wanted, strlen(wanted));
    token_destroy(token);
    free(payload);
    return answer;
}

Test(auth_claims, what_almost_covers_does_not)
{
    static const struct {
        const char *grant, *wanted;
        bool covered;
    } cases[] = {
        {"orders.42.>", "orders.42.paid", true},
        {"orders.42.>", "orders.42.>", true},
        {"orders.42.>", "orders.42.*", true},
        {"orders.42.>", "orders.42.*.>", true},
        {"orders.42.>", "orders.42", false},
        {"orders.42.>", "orders.43.paid", false},
        {"orders.42.>", "orders.4", false},
        {"orders.42.>", "orders.421.a", false},
        {"orders.42.>", "orders.*.paid", false},
        {"orders.42.>", "orders.>", false},
        {"orders.*", "orders.>", false},
        {"orders.*", "orders.a.b", false},
        {"orders.*", "orders.*.>", false},
        {"orders.*", "orders", false},
        {"orders.*", "orders.*", true},
        {"orders.*", "orders.a", true},
        {"*.*", "orders.>", false},
        {"*.>", "orders.>", true},
        {"*.>", ">", false},
        {"*", ">", false},
        {"a.*.c", "a.b.*", false},
        {"a.*.c", "*.b.c", false},
        {"a.*.c", "a.*.c", true},
        {"a", "A", false},
        {"a", "a.b", false},
        {">", "anything.at.all", true},
    };
    struct auth_rig rig;
    start_rig(&rig, "HS256", "k");
    for (size_t i = 0; i != sizeof(cases) / sizeof(*cases); ++i)
        cr_expect_eq(covers(&rig, cases[i].grant, cases[i].wanted), cases[i].covered, "%s: %s", cases[i].grant,
                     cases[i].wanted);
    struct token *token = token_of(&rig, "{\"sub\":\"me\"}");
    cr_expect(!token_grants_cover(&token->subscribe, "me", 2), "nothing granted is nothing");
    cr_expect(!token_grants_cover(&token->publish, "me", 2));
    token_destroy(token);
    end_rig(&rig);
}

Test(auth_claims, a_claim_is_text_or_a_whole_number)
{
    struct auth_rig rig;
    char number[TOKEN_CLAIM_NUMBER_MAX];
    start_rig(&rig, "HS256", "k");
    struct token *token =
        token_of(&rig, "{\"sub\":\"me\",\"tenant\":42,\"least\":-9223372036854775808,\"empty\":\"\","
                       "\"real\":4.2,\"yes\":true,\"no\":null,\"list\":[\"a\"],\"o\":{\"sub\":\"x\"}}");
    cr_expect_str_eq(token_claim(token, "sub", 3, number), "me");
    cr_expect_str_eq(token_claim(token, "sub}.x", 3, number), "me", "of the name only its length counts");
    cr_expect_str_eq(token_claim(token, "tenant", 6, number), "42");
    cr_expect_str_eq(token_claim(token, "least", 5, number), "-9223372036854775808");
    cr_expect_str_eq(token_claim(token, "empty", 5, number), "");
    static const char *const none[] = {"real", "yes", "no", "list", "o", "su", "subs", "SUB", "o.sub", ""};
    for (size_t i = 0; i != sizeof(none) / sizeof(*none); ++i)
        cr_expect(token_claim(token, none[i], strlen(none[i]), number) == NULL, "%s", none[i]);
    token_destroy(token);
    end_rig(&rig);
}

/* The signature of a token is looked at once, but what it says each time. */
Test(auth_claims, a_remembered_token_is_asked_again)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "k");
    char *text = tokens_sign(rig.key, NULL, "{\"nbf\":1700000000,\"exp\":1700000100,\"iss\":\"a\",\"aud\":\"b\"}");
    for (int i = 0; i != 2; ++i) {
        cr_expect_eq(verdict_at(&rig, text, NOW_S), TOKEN_OK);
        cr_expect_eq(verdict_at(&rig, text, NOW_S + 100), TOKEN_EXPIRED);
        cr_expect_eq(verdict_at(&rig, text, NOW_S - 1), TOKEN_NOT_YET);
        rig.rules.issuer = "b";
        cr_expect_eq(verdict_at(&rig, text, NOW_S), TOKEN_WRONG_ISSUER);
        rig.rules.issuer = "a";
        rig.rules.audience = "a";
        cr_expect_eq(verdict_at(&rig, text, NOW_S), TOKEN_WRONG_AUDIENCE);
        rig.rules.audience = "b";
        cr_expect_eq(verdict_at(&rig, text, NOW_S), TOKEN_OK);
    }
    free(text);
    end_rig(&rig);
}

/* Several times as many as are remembered, some of them still in use when they are forgotten. */
Test(auth_claims, more_tokens_than_are_remembered)
{
    enum { COUNT = 4000 };
    static struct token *tokens[COUNT];
    struct auth_rig rig;
    char number[TOKEN_CLAIM_NUMBER_MAX], expected[TOKEN_CLAIM_NUMBER_MAX];
    start_rig(&rig, "HS256", "k");
    for (int i = 0; i != COUNT; ++i) {
        char *payload = text_format("{\"n\":%d,\"exp\":%d}", i, 1700000001 + i);
        tokens[i] = token_of(&rig, payload);
        free(payload);
    }
    for (int i = 0; i != COUNT; ++i) {
        snprintf(expected, sizeof(expected), "%d", i);
        cr_assert_str_eq(token_claim(tokens[i], "n", 1, number), expected);
        token_destroy(tokens[i]);
    }
    end_rig(&rig);
}

Test(auth_claims, tokens_outlive_the_keys)
{
    struct auth_rig rig;
    start_rig(&rig, "HS256", "k");
    struct token *token = token_of(&rig, "{\"sub\":\"me\"}"), *again = token_of(&rig, "{\"sub\":\"me\"}");
    end_rig(&rig);
    cr_expect_str_eq(token->subject, "me");
    token_destroy(token);
    cr_expect_str_eq(again->subject, "me");
    token_destroy(again);
    token_destroy(NULL);
}

Test(auth_claims, no_verdict_says_more_than_it_may)
{
    for (int verdict = TOKEN_OK; verdict <= TOKEN_BAD_CLAIMS; ++verdict) {
        const char *text = token_verdict_text((enum token_verdict)verdict);
        cr_expect(strncmp(text, "the token", 9) == 0, "%d", verdict);
        cr_expect(strstr(text, "sign") == NULL && strstr(text, "key") == NULL, "%s", text);
    }
}
