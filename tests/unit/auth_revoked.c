/* auth_revoked.c - what revocations name, and which tokens are blocked until when */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/revocation.h"
#include "gateway/auth/revoked.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gateway/auth/token.h"
#include "tests/support/text_case.h"

#define NOW INT64_C(1700000000)

static struct revocation *parse(const char *json)
{
    static char error[256];
    return revocation_parse(json, strlen(json), error, sizeof(error));
}

Test(auth_revoked, a_revocation_says_what_it_names)
{
    struct revocation *r = parse("{\"sub\":\"alice\",\"exp\":1700000100.5,\"why\":\"she left\"}");
    cr_assert_not_null(r);
    cr_assert_str_eq(r->sub, "alice");
    cr_assert(r->jti == NULL && r->subject == NULL && r->route == NULL);
    cr_assert_eq(r->expires_s, 1700000100);
    revocation_destroy(r);
    r = parse(" {\"jti\":\"\\u00e4\",\"subject\":\"orders.*.>\",\"route\":\"/events/{id}\"}\n");
    cr_assert_not_null(r);
    cr_assert_str_eq(r->jti, "ä");
    cr_assert_str_eq(r->subject, "orders.*.>");
    cr_assert_str_eq(r->route, "/events/{id}");
    cr_assert_eq(r->expires_s, 0);
    revocation_destroy(r);
    revocation_destroy(NULL);
}

Test(auth_revoked, what_is_no_revocation_says_why)
{
    static const struct text_case cases[] = {
        {"", "JSON"},
        {"alice", "JSON"},
        {"[\"alice\"]", "object"},
        {"{\"sub\":\"a\"} x", "JSON"},
        {"{\"sub\":\"a\"", "JSON"},
        {"{}", "names no"},
        {"{\"exp\":1700000000}", "names no"},
        {"{\"sub\":\"\"}", "sub"},
        {"{\"sub\":null}", "sub"},
        {"{\"sub\":7}", "sub"},
        {"{\"sub\":\"a\\u0000b\"}", "sub"},
        {"{\"sub\":\"a\",\"sub\":\"b\"}", "JSON"},
        {"{\"jti\":[\"x\"]}", "jti"},
        {"{\"jti\":\"x\",\"route\":{}}", "route"},
        {"{\"subject\":\"a..b\"}", "subject"},
        {"{\"subject\":\"$SYS.>\"}", "subject"},
        {"{\"subject\":\"a b\"}", "subject"},
        {"{\"jti\":\"x\",\"exp\":\"tomorrow\"}", "exp"},
        {"{\"jti\":\"x\",\"exp\":-1}", "exp"},
        {"{\"jti\":\"x\",\"exp\":0}", "exp"},
        {"{\"jti\":\"x\",\"exp\":1e300}", "exp"},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char error[256] = "";
        cr_assert_null(revocation_parse(cases[i].given, strlen(cases[i].given), error, sizeof(error)), "%s",
                       cases[i].given);
        cr_assert(strstr(error, cases[i].wanted) != NULL, "%s: %s", cases[i].given, error);
    }
    char error[256];
    static char longest[REVOCATION_MAX + 2];
    memset(longest, ' ', sizeof(longest));
    memcpy(longest, "{\"sub\":\"a\"}", 11);
    struct revocation *r = revocation_parse(longest, REVOCATION_MAX, error, sizeof(error));
    cr_assert_not_null(r);
    revocation_destroy(r);
    cr_assert_null(revocation_parse(longest, REVOCATION_MAX + 1, error, sizeof(error)));
}

Test(auth_revoked, an_id_is_blocked_until_its_token_would_have_ended)
{
    struct revoked *revoked = revoked_create();
    cr_assert_not(revoked_has(revoked, "a", NOW));
    revoked_add(revoked, "a", NOW + 100, NOW);
    revoked_add(revoked, "unsaid", 0, NOW);
    revoked_add(revoked, "over", NOW - REVOKED_LEEWAY_S, NOW);
    cr_assert(revoked_has(revoked, "a", NOW));
    cr_assert(revoked_has(revoked, "a", NOW + 100 + REVOKED_LEEWAY_S - 1), "a route's leeway lets it in for longer");
    cr_assert_not(revoked_has(revoked, "a", NOW + 100 + REVOKED_LEEWAY_S));
    cr_assert_not(revoked_has(revoked, "A", NOW));
    cr_assert_not(revoked_has(revoked, "over", NOW));
    cr_assert(revoked_has(revoked, "unsaid", NOW + REVOKED_KEPT_S - 1));
    cr_assert_not(revoked_has(revoked, "unsaid", NOW + REVOKED_KEPT_S));
    /* again: the longer time counts */
    revoked_add(revoked, "a", NOW + 50, NOW);
    cr_assert(revoked_has(revoked, "a", NOW + 99));
    revoked_add(revoked, "a", NOW + 5000, NOW);
    cr_assert(revoked_has(revoked, "a", NOW + 4999));
    revoked_destroy(revoked);
    revoked_destroy(NULL);
}

static struct token token_of(char *sub, char *jti, const char *claims)
{
    return (struct token){.subject = sub, .id = jti, .json = json_loads(claims, 0, NULL)};
}

static bool has(struct revoked *revoked, char *sub, char *jti, const char *claims, int64_t now_s)
{
    struct token token = token_of(sub, jti, claims);
    bool result = revoked_has_token(revoked, &token, now_s);
    json_decref(token.json);
    return result;
}

Test(auth_revoked, a_holder_is_blocked_with_all_tokens_issued_so_far)
{
    struct revoked *revoked = revoked_create();
    struct revocation everything = {.sub = (char[]){"alice"}};
    revoked_add_named(revoked, &everything, NOW);
    cr_assert(has(revoked, "alice", "1", "{\"iat\":1699999999}", NOW));
    cr_assert(has(revoked, "alice", NULL, "{\"iat\":1700000000}", NOW));
    cr_assert(has(revoked, "alice", NULL, "{}", NOW), "a token without iat may have been issued before");
    cr_assert(has(revoked, "alice", NULL, "{\"iat\":\"1800000000\"}", NOW));
    cr_assert_not(has(revoked, "alice", "2", "{\"iat\":1700000001}", NOW + 5), "she has logged in again");
    cr_assert_not(has(revoked, "bob", "alice", "{}", NOW));
    cr_assert_not(has(revoked, NULL, "alice", "{}", NOW), "an id is no holder");
    cr_assert_not(has(revoked, NULL, NULL, "{}", NOW));
    cr_assert_not(has(revoked, "alice", NULL, "{}", NOW + REVOKED_KEPT_S));
    revoked_add_holder(revoked, "alice", 0, NOW + 10);
    cr_assert(has(revoked, "alice", "2", "{\"iat\":1700000001}", NOW + 10), "and was revoked again");
    cr_assert_not(revoked_has(revoked, "alice", NOW), "a holder is no id");
    revoked_destroy(revoked);
}

Test(auth_revoked, what_only_ends_streams_blocks_no_token)
{
    struct revoked *revoked = revoked_create();
    revoked_add_named(revoked, &(struct revocation){.route = (char[]){"/x"}}, NOW);
    revoked_add_named(revoked, &(struct revocation){.subject = (char[]){"x.>"}}, NOW);
    revoked_add_named(revoked, &(struct revocation){.sub = (char[]){"carol"}, .route = (char[]){"/x"}}, NOW);
    cr_assert_not(has(revoked, "carol", "c", "{}", NOW));
    revoked_add_named(revoked, &(struct revocation){.sub = (char[]){"carol"}, .jti = (char[]){"c"}}, NOW);
    cr_assert(has(revoked, "carol", "c", "{}", NOW));
    cr_assert_not(has(revoked, "carol", "d", "{}", NOW));
    revoked_destroy(revoked);
}

/* The one that ends first gives way, in whatever order they came; what has ended makes room first. */
Test(auth_revoked, there_is_a_limit)
{
    struct revoked *revoked = revoked_create();
    char id[32];
    for (unsigned i = 0; i != REVOKED_MAX; ++i) {
        snprintf(id, sizeof(id), "%u", i);
        revoked_add(revoked, id, NOW + 1000 + (int64_t)(i * 7919u % REVOKED_MAX), NOW);
    }
    for (unsigned i = 0; i != 10; ++i) {
        snprintf(id, sizeof(id), "more-%u", i);
        revoked_add(revoked, id, NOW + 10000000, NOW);
        cr_assert(revoked_has(revoked, id, NOW));
    }
    unsigned gone = 0;
    for (unsigned i = 0; i != REVOKED_MAX; ++i) {
        snprintf(id, sizeof(id), "%u", i);
        bool first = i * 7919u % REVOKED_MAX < 10;
        gone += first;
        cr_assert_eq(revoked_has(revoked, id, NOW), !first, "%u", i);
    }
    cr_assert_eq(gone, 10);
    revoked_add(revoked, "late", NOW + 20000000, NOW + 1000 + REVOKED_MAX + REVOKED_LEEWAY_S);
    cr_assert(revoked_has(revoked, "more-0", NOW));
    cr_assert_not(revoked_has(revoked, "99999", NOW), "swept");
    revoked_destroy(revoked);
}

static void *add_and_look(void *arg)
{
    struct revoked *revoked = arg;
    char id[32];
    for (unsigned i = 0; i != 2000; ++i) {
        snprintf(id, sizeof(id), "%u", i % 500);
        revoked_add(revoked, id, NOW + i, NOW);
        cr_assert(revoked_has(revoked, id, NOW));
    }
    return NULL;
}

Test(auth_revoked, many_threads)
{
    struct revoked *revoked = revoked_create();
    pthread_t threads[4];
    for (int i = 0; i != 4; ++i)
        pthread_create(&threads[i], NULL, add_and_look, revoked);
    for (int i = 0; i != 4; ++i)
        pthread_join(threads[i], NULL);
    revoked_destroy(revoked);
}
