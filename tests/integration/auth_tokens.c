/* auth_tokens.c - where a token may be, which are refused and how, and that no answer or log repeats one */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

#define AUTH "auth: {jwt: {keys: %K, issuer: me, audience: here, leeway: 0}"

static void setup(void)
{
    auth_start("routes:\n"
               "  - path: /events\n"
               "    allow: [\"a.>\"]\n"
               "    cors: {origins: [\"https://app.example\"], credentials: true}\n"
               "    " AUTH "}\n"
               "  - path: /header\n"
               "    subjects: [\"a.b\"]\n"
               "    " AUTH ", from: [header]}\n"
               "  - path: /named\n"
               "    subjects: [\"a.b\"]\n"
               "    " AUTH ", from: [cookie, query], cookie: c, query: q}\n"
               "  - path: /say\n"
               "    subjects: [\"a.b\"]\n"
               "    publish: true\n"
               "    headers: [x-tenant]\n"
               "    cors: {origins: [\"https://app.example\"]}\n"
               "    " AUTH "}\n"
               "  - path: /open\n"
               "    subjects: [\"a.b\"]\n");
}

TestSuite(auth_tokens, .init = setup, .fini = auth_stop, .timeout = 60);

#define CLAIMS "\"iss\":\"me\",\"aud\":\"here\",\"freshet\":{\"subscribe\":[\"a.>\"],\"publish\":[\"a.>\"]}"

/* Expires in so many seconds. */
static char *good_token(int seconds)
{
    char *payload = text_format("{\"exp\":%lld," CLAIMS "}", (long long)time(NULL) + seconds);
    char *token = tokens_sign(auth.key, NULL, payload);

    free(payload);
    return token;
}

/* Text with %T for the token; a text that begins with '/' is a path, another one a header. */
static int status_with(struct http_client *of, const char *path, const char *text, const char *token)
{
    const char *at = strstr(text, "%T");
    char *whole = at != NULL ? text_format("%.*s%s%s", (int)(at - text), text, token, at + 2) : strdup(text);
    int status = whole[0] == '/' ? auth_status(of, whole, NULL, NULL) : auth_status(of, path, whole, NULL);

    free(whole);
    return status;
}

Test(auth_tokens, each_place_is_looked_at)
{
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"/events?subject=a.b", "authorization: Bearer %T"},
        {"/events?subject=a.b", "authorization: bearer %T"},
        {"/events?subject=a.b", "Authorization: BEARER   %T"},
        {"/events?subject=a.b", "cookie: freshet_token=%T"},
        {"/events?subject=a.b", "cookie: a=b; freshet_token=%T; freshet_tokens=x"},
        {"/events?subject=a.b", "cookie: xfreshet_token=x;freshet_token=\"%T\""},
        {NULL, "/events?subject=a.b&access_token=%T"},
        {NULL, "/events?access_token=%T&subject=a.b"},
        {NULL, "/events?access%5Ftoken=%T&subject=a.b"},
        {NULL, "/events?freshet_token=x&subject=a.b&access_token=%T"},
        {"/header", "authorization: Bearer %T"},
        {"/named", "cookie: c=%T"},
        {NULL, "/named?q=%T"},
    };
    struct http_client *plain = http_client_create(auth.rig.gateway, HTTP_H1C);
    char *token = good_token(60);
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REQUIRE(status_with(auth.rig.client, cases[i].path, cases[i].text, token) == 200, "%s", cases[i].text);
        REQUIRE(status_with(plain, cases[i].path, cases[i].text, token) == 200, "%s", cases[i].text);
    }
    /* encoded by a careful client */
    for (char *dot; (dot = strchr(token, '.')) != NULL;) {
        char *encoded = text_format("%.*s%%2e%s", (int)(dot - token), token, dot + 1);
        free(token);
        token = encoded;
    }
    REQUIRE(status_with(auth.rig.client, NULL, "/events?subject=a.b&access_token=%T", token) == 200);
    free(token);
    http_client_destroy(plain);
}

Test(auth_tokens, other_places_are_not)
{
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"/header", "cookie: freshet_token=%T"},
        {NULL, "/header?access_token=%T"},
        {"/named", "authorization: Bearer %T"},
        {"/named", "cookie: freshet_token=%T"},
        {NULL, "/named?access_token=%T"},
        {"/events?subject=a.b", "authorization: Basic %T"},
        {"/events?subject=a.b", "authorization: Bearer%T"},
        {"/events?subject=a.b", "authorization: %T"},
        {"/events?subject=a.b", "cookie: Freshet_token=%T"},
        {"/events?subject=a.b", "x-authorization: Bearer %T"},
        {NULL, "/events?subject=a.b&Access_token=%T"},
        {NULL, "/events?subject=a.b#access_token=%T"},
    };
    char *token = good_token(60);
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        REQUIRE(status_with(auth.rig.client, cases[i].path, cases[i].text, token) == 401, "%s", cases[i].text);
    free(token);
}

static int status_with_two(const char *path, const char *first, const char *second)
{
    struct http_stream *stream = http_open(auth.rig.client, path, first, second, NULL);

    REQUIRE(http_wait_headers(stream));
    int status = stream->status;
    http_close(stream);
    return status;
}

/* A bad token is not skipped for a good one further on: no client would notice that its token is refused. */
Test(auth_tokens, the_first_place_decides)
{
    char *token = good_token(60);
    char *header = strdup(auth_bearer(token)), *cookie = text_format("cookie: freshet_token=%s", token);
    char *query = text_format("/events?subject=a.b&access_token=%s", token);

    REQUIRE(status_with_two("/events?subject=a.b", "authorization: Bearer x", cookie) == 401);
    REQUIRE(status_with_two("/events?subject=a.b", "authorization: Bearer", cookie) == 401);
    REQUIRE(status_with_two(query, "cookie: freshet_token=x", NULL) == 401);
    REQUIRE(status_with_two(query, "authorization: Bearer x", cookie) == 401);
    REQUIRE(status_with_two("/events?subject=a.b&access_token=x", header, "cookie: freshet_token=x") == 200);
    REQUIRE(status_with_two("/events?subject=a.b&access_token=%zz", cookie, NULL) == 400, "the query has to be one");
    /* what belongs to a proxy on the way is no token */
    REQUIRE(status_with_two("/events?subject=a.b", "authorization: Basic eDp5", cookie) == 200);
    free(query);
    free(cookie);
    free(header);
    free(token);
}

Test(auth_tokens, two_in_one_place_are_ambiguous)
{
    char *token = good_token(60), *header = strdup(auth_bearer(token));
    char *cookie = text_format("cookie: freshet_token=%s", token);
    char *cookies = text_format("cookie: freshet_token=%s; freshet_token=%s", token, token);
    char *query = text_format("/events?subject=a.b&access_token=%s&access_token=%s", token, token);

    REQUIRE(status_with_two("/events?subject=a.b", header, header) == 400);
    REQUIRE(status_with_two("/events?subject=a.b", cookie, cookie) == 400);
    REQUIRE(status_with_two("/events?subject=a.b", cookies, NULL) == 400);
    REQUIRE(status_with_two(query, NULL, NULL) == 400);
    REQUIRE(status_with_two("/events?subject=a.b", header, cookie) == 200);
    free(query);
    free(cookies);
    free(cookie);
    free(header);
    free(token);
}

Test(auth_tokens, without_a_token)
{
    struct http_stream *response =
        http_request(auth.rig.client, "GET", "/events", NULL, "origin: https://app.example", NULL);

    REQUIRE(is_problem(response, 401, "access_token"));
    REQUIRE_STR(http_header(response, "www-authenticate"), "Bearer");
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
    REQUIRE_STR(http_header(response, "access-control-allow-credentials"), "true");
    response = http_request(auth.rig.client, "HEAD", "/events?subject=a.b", NULL, NULL);
    REQUIRE(response->status == 401 && response->body_len == 0);
    response = http_request(auth.rig.client, "POST", "/say", "x", NULL);
    REQUIRE(is_problem(response, 401, "token"));
    REQUIRE(http_open_ready(auth.rig.client, "/open", NULL) != NULL);
}

Test(auth_tokens, head_and_post_and_preflight)
{
    char *token = good_token(60);
    struct http_stream *response =
        http_request(auth.rig.client, "HEAD", "/events?subject=a.b", NULL, auth_bearer(token), NULL);

    REQUIRE(response->status == 200 && response->body_len == 0);
    REQUIRE_STR(http_header(response, "content-type"), "text/event-stream; charset=utf-8");
    response = http_request(auth.rig.client, "POST", "/say", "x", auth_bearer(token), NULL);
    REQUIRE(response->status == 202, "%d", response->status);
    for (int i = 0; i < 2; i++) {
        response =
            http_request(auth.rig.client, "OPTIONS", i == 0 ? "/events" : "/say", NULL, "origin: https://app.example",
                         "access-control-request-method: GET", "access-control-request-headers: authorization", NULL);
        REQUIRE(response->status == 204, "%d", response->status);
        REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
        const char *headers = http_header(response, "access-control-allow-headers");
        REQUIRE(strstr(headers, "authorization") != NULL, "%s", headers);
        REQUIRE((strstr(headers, ", x-tenant") != NULL) == (i == 1), "what a message takes along: %s", headers);
    }
    free(token);
}

/* ---- bad tokens ---- */

#define INVALID "the token is not valid"

/* 401 with that text and no other, and not a word of the token. */
static void require_refused(char *token, const char *text, const char *what)
{
    struct http_stream *response = http_request(auth.rig.client, "GET", "/events?subject=a.b", NULL, auth_bearer(token),
                                                "origin: https://app.example", NULL);
    const char *challenge = http_header(response, "www-authenticate");

    REQUIRE(is_problem(response, 401, text), "%s", what);
    REQUIRE_STR(json_field(response->body, "detail"), text);
    REQUIRE(challenge != NULL && strncmp(challenge, "Bearer error=\"invalid_token\"", 28) == 0, "%s: %s", what,
            challenge);
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
    REQUIRE(strlen(token) < 8 || strstr(response->body, token) == NULL, "%s", what);
    http_close(response);
    free(token);
}

static char *signed_with(struct tokens_key *other, const char *header, const char *payload)
{
    char *token = tokens_sign(other, header, payload);

    if (other != auth.key)
        tokens_key_free(other);
    return token;
}

static char *payload_at(int exp, int nbf, const char *rest)
{
    long long now = time(NULL);

    return text_format("{\"exp\":%lld,\"nbf\":%lld,%s}", now + exp, now + nbf, rest);
}

static void require_claims_refused(int exp, int nbf, const char *rest, const char *text)
{
    char *payload = payload_at(exp, nbf, rest);

    require_refused(tokens_sign(auth.key, NULL, payload), text, payload);
    free(payload);
}

Test(auth_tokens, claims_are_checked)
{
    require_claims_refused(-2, -60, CLAIMS, "the token has expired");
    require_claims_refused(60, 30, CLAIMS, "the token is not valid yet");
    require_claims_refused(60, -1, "\"iss\":\"you\",\"aud\":\"here\"", "the token is from another issuer");
    require_claims_refused(60, -1, "\"aud\":\"here\"", "the token is from another issuer");
    require_claims_refused(60, -1, "\"iss\":\"me\",\"aud\":\"there\"", "the token is for another audience");
    require_claims_refused(60, -1, "\"iss\":\"me\"", "the token is for another audience");
    require_claims_refused(60, -1, "\"iss\":\"me\",\"aud\":\"here\",\"freshet\":{\"subscribe\":\"a.>\"}",
                           "the token's claims can't be used");
    require_claims_refused(60, -1, "\"iss\":\"me\",\"aud\":\"here\",\"freshet\":{\"subscribe\":[\"a..b\"]}",
                           "the token's claims can't be used");
}

/* The text doesn't reveal why it isn't valid. */
Test(auth_tokens, signatures_are_checked)
{
    char *payload = payload_at(60, -1, CLAIMS);
    char *good = tokens_sign(auth.key, NULL, payload), *body = strchr(good, '.') + 1;
    size_t len;
    unsigned char *public = tokens_public(auth.key, TOKENS_PEM, &len);
    char *none = tokens_base64url("{\"alg\":\"none\"}", 14);

    require_refused(signed_with(tokens_key("ES256", "main"), NULL, payload), INVALID, "another key of that name");
    require_refused(signed_with(tokens_key("ES256", "other"), NULL, payload), INVALID, "an unknown key");
    require_refused(signed_with(tokens_key("HS256", "main"), NULL, payload), INVALID, "another algorithm");
    require_refused(signed_with(tokens_key_secret("main", public, len), NULL, payload), INVALID, "the public key");
    require_refused(tokens_sign(auth.key, "{\"alg\":\"ES384\",\"kid\":\"main\"}", payload), INVALID, "says ES384");
    require_refused(text_format("%s.%.*s.", none, (int)(strrchr(good, '.') - body), body), INVALID, "alg none");
    require_refused(text_format("%.*s", (int)(strrchr(good, '.') - good), good), INVALID, "no signature");
    require_refused(text_format("%.*s", (int)strlen(good) - 4, good), INVALID, "cut short");
    require_refused(text_format("%s.x", good), INVALID, "a part too many");
    require_refused(text_format("%s, %s", good, good), INVALID, "two");
    require_refused(strdup(""), INVALID, "none");
    require_refused(strdup("x"), INVALID, "nonsense");
    require_refused(strdup("\xff\xfe"), INVALID, "no text");
    free(none);
    free(public);
    free(good);
    free(payload);
}

Test(auth_tokens, a_bit_more_or_less_anywhere)
{
    char *good = good_token(60);
    size_t len = strlen(good);

    for (size_t i = 0; i < len; i++) {
        char *bad = strdup(good), *body;
        bad[i] = bad[i] == 'A' ? 'B' : bad[i] == '.' ? 'x' : 'A';
        int status = auth_status(auth.rig.client, "/events?subject=a.b", auth_bearer(bad), &body);
        /* the last character has bits that stand for nothing; a verifier may or may not insist on them */
        REQUIRE(status == 401 || (status == 200 && i == len - 1), "position %zu: %d", i, status);
        REQUIRE(strstr(body, bad) == NULL);
        free(body);
        free(bad);
    }
    REQUIRE(auth_status(auth.rig.client, "/events?subject=a.b", auth_bearer(good), NULL) == 200);
    free(good);
}

Test(auth_tokens, one_that_is_too_long)
{
    char *payload = text_format("{\"exp\":%lld,\"x\":\"%013000d\"," CLAIMS "}", (long long)time(NULL) + 60, 0);
    char *token = tokens_sign(auth.key, NULL, payload);
    int status = auth_status(auth.rig.client, "/events?subject=a.b", auth_bearer(token), NULL);

    REQUIRE(strlen(token) > 16384 && (status == 401 || status == 431), "%d", status);
    free(token);
    free(payload);
}

/* ---- nothing repeats it ---- */

Test(auth_tokens, nobody_else_gets_to_see_it)
{
    static const char *const paths[] = {
        "/events?subject=a.b&access_token=%T",
        "/events?subject=a.b&access_token=%T%zz",
        "/events?subject=a.b&access_token=x%T",
        "/events?subject=a.b&access_token%zz=%T",
        "/events?since=never&access_token=%T",
        "/events?subject=z&access_token=%T",
        "/events&access_token=%T",
        "/events;access_token=%T",
        "/nowhere?access_token=%T",
        "/nowhere/%T",
        "/events%3faccess_token=%T",
        "/open?access_token=%T%zz",
        "/events?subject=a.b&lastEventId=x&access_token=%T",
        "/say?access_token=%T",
        "/header?access_token=%T&follow=maybe",
    };
    char *token = good_token(60), *expired = good_token(-10), *log;

    for (size_t i = 0; i < 2 * sizeof(paths) / sizeof(paths[0]); i++) {
        const char *text = paths[i / 2], *at = strstr(text, "%T"), *with = i % 2 == 0 ? token : expired;
        char *path = text_format("%.*s%s%s", (int)(at - text), text, with, at + 2), *body;
        /* no part of it: of 24 bytes each */
        auth_status(auth.rig.client, path, NULL, &body);
        for (const char *p = with; strlen(p) >= 24; p += 12)
            REQUIRE(memmem(body, strlen(body), p, 24) == NULL, "%s: %s", path, body);
        free(body);
        free(path);
    }
    log = gateway_log(auth.rig.gateway);
    for (int i = 0; i < 2; i++) {
        for (const char *p = i == 0 ? token : expired; strlen(p) >= 24; p += 12)
            REQUIRE(memmem(log, strlen(log), p, 24) == NULL, "in the log");
    }
    REQUIRE(strstr(log, "auth-refused") != NULL, "the log says that much");
    free(log);
    free(expired);
    free(token);
}
