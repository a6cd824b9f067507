/* http_service_auth.c - what a microservice's answer is, and how long it is kept */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gateway/auth/digest.h"
#include "gateway/http/access/service_cache.h"
#include "gateway/http/access/service_reply.h"
#include "proto/text.h"

static const char *const asked[] = {"orders.1", "news.*"};
static struct service_reply reply;
static char error[256];

static bool read_reply(const char *text)
{
    return service_reply_read(text, strlen(text), asked, 2, &reply, error, sizeof(error));
}

Test(http_service_auth, answers)
{
    static const struct {
        const char *text;
        bool allowed;
        int64_t lifetime_ms;
        const char *reason;
    } cases[] = {
        {"{\"allow\":true}", true, 0, ""},
        {"{\"allow\":false}", false, 0, ""},
        {" {\"allow\":true,\"who\":[{}],\"Allow\":false}\n", true, 0, ""},
        {"{\"allow\":true,\"lifetime\":\"5m\"}", true, 300000, ""},
        {"{\"allow\":true,\"lifetime\":\"250ms\"}", true, 250, ""},
        {"{\"allow\":true,\"lifetime\":30}", true, 30000, ""},
        {"{\"allow\":true,\"lifetime\":315360000}", true, INT64_C(315360000000), ""},
        {"{\"allow\":false,\"reason\":\"n\\u00e4h\",\"lifetime\":1}", false, 1000, "näh"},
        {"{\"allow\":true,\"subjects\":[\">\"]}", true, 0, ""},
        {"{\"allow\":true,\"subjects\":[\"news.>\",\"x\",\"orders.*\"]}", true, 0, ""},
        {"{\"allow\":true,\"subjects\":[]}", false, 0, "one of the subjects is outside what is allowed"},
        {"{\"allow\":true,\"subjects\":[\"orders.>\"]}", false, 0, "one of the subjects is outside what is allowed"},
        {"{\"allow\":true,\"subjects\":[\"orders.1\",\"news.a\"]}", false, 0,
         "one of the subjects is outside what is allowed"},
        {"{\"allow\":false,\"subjects\":[\">\"]}", false, 0, ""},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        cr_assert(read_reply(cases[i].text), "%s: %s", cases[i].text, error);
        cr_assert_eq(reply.is_allowed, cases[i].allowed, "%s", cases[i].text);
        cr_assert_eq(reply.lifetime_ms, cases[i].lifetime_ms, "%s", cases[i].text);
        cr_assert_str_eq(reply.reason, cases[i].reason);
    }
}

Test(http_service_auth, what_is_no_answer)
{
    static const char *const cases[] = {
        "",
        "true",
        "null",
        "{",
        "{}",
        "[{\"allow\":true}]",
        "{\"allow\":\"true\"}",
        "{\"allow\":1}",
        "{\"allow\":null}",
        "{\"allow\":true} {\"allow\":true}",
        "{\"allow\":true,\"allow\":true}",
        "{\"allow\":false,\"allow\":true}",
        "{\"allow\":true,\"lifetime\":null}",
        "{\"allow\":true,\"lifetime\":0}",
        "{\"allow\":true,\"lifetime\":\"0\"}",
        "{\"allow\":true,\"lifetime\":-1}",
        "{\"allow\":true,\"lifetime\":1.5}",
        "{\"allow\":true,\"lifetime\":\"5\"}",
        "{\"allow\":true,\"lifetime\":\"5 m\"}",
        "{\"allow\":true,\"lifetime\":315360001}",
        "{\"allow\":true,\"lifetime\":99999999999999999999999}",
        "{\"allow\":true,\"subjects\":\">\"}",
        "{\"allow\":true,\"subjects\":null}",
        "{\"allow\":true,\"subjects\":[7]}",
        "{\"allow\":true,\"subjects\":[\"a..b\"]}",
        "{\"allow\":true,\"subjects\":[\"$SYS.>\"]}",
        "{\"allow\":false,\"reason\":7}",
        "{\"allow\":false,\"reason\":null}",
        "{\"allow\":true,\"reason\":\"\xff\"}",
        "{\"allow\":true,\"reason\":\"a\\u0000b\"}",
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        error[0] = '\0';
        cr_assert_not(read_reply(cases[i]), "%s", cases[i]);
        cr_assert_neq(error[0], '\0', "%s", cases[i]);
        cr_assert_not(reply.is_allowed, "%s", cases[i]);
    }
    char many[8192] = "{\"allow\":true,\"subjects\":[\">\"";
    for (unsigned i = 1; i != SERVICE_SUBJECTS_MAX; ++i)
        memcpy(many + strlen(many), ",\">\"", 5);
    size_t len = strlen(many);
    memcpy(many + len, "]}", 3);
    cr_assert(read_reply(many));
    memcpy(many + len, ",\">\"]}", 7);
    cr_assert_not(read_reply(many));
}

Test(http_service_auth, a_long_reason_is_cut_between_characters)
{
    for (unsigned lead = 0; lead != 4; ++lead) {
        char text[2048];
        int n = snprintf(text, sizeof(text), "{\"allow\":false,\"reason\":\"%.*s", (int)lead, "abc");
        for (unsigned i = 0; i != 200; ++i)
            n += snprintf(text + n, sizeof(text) - (size_t)n, "\xf0\x9f\x8c\x8a");
        snprintf(text + n, sizeof(text) - (size_t)n, "\"}");
        cr_assert(read_reply(text));
        size_t len = strlen(reply.reason);
        cr_assert(len < SERVICE_REASON_MAX && len > SERVICE_REASON_MAX - 5);
        cr_assert(text_is_utf8(reply.reason, len));
    }
}

/* ---- what is kept ---- */

static const unsigned char *question(unsigned n)
{
    static unsigned char digest[DIGEST_SIZE];
    digest_of(&n, sizeof(n), digest);
    return digest;
}

Test(http_service_auth, digests_tell_texts_apart)
{
    unsigned char abc[DIGEST_SIZE], nothing[DIGEST_SIZE];
    digest_of("abc", 3, abc);
    digest_of("", 0, nothing);
    cr_assert(abc[0] == 0xba && abc[1] == 0x78 && abc[31] == 0xad, "FIPS 180-4's example");
    cr_assert(nothing[0] == 0xe3 && nothing[31] == 0x55);
}

Test(http_service_auth, kept_until_its_end)
{
    struct service_cache *cache = service_cache_create(4);
    cr_assert_null(service_cache_find(cache, question(1), 0));
    service_cache_put(cache, question(1), &(struct service_verdict){.is_allowed = true, .until_ns = 100});
    service_cache_put(cache, question(2), &(struct service_verdict){.until_ns = 200, .reason = (char[]){"no"}});
    cr_assert(service_cache_find(cache, question(1), 99)->is_allowed);
    cr_assert_null(service_cache_find(cache, question(1), 100));
    cr_assert_eq(service_cache_count(cache), 1, "and gone with it");
    cr_assert_not(service_cache_find(cache, question(2), 100)->is_allowed);
    cr_assert_str_eq(service_cache_find(cache, question(2), 100)->reason, "no");
    service_cache_put(cache, question(2), &(struct service_verdict){.is_allowed = true, .until_ns = 300});
    cr_assert(service_cache_find(cache, question(2), 250)->is_allowed);
    cr_assert_null(service_cache_find(cache, question(2), 250)->reason);
    service_cache_clear(cache);
    cr_assert_null(service_cache_find(cache, question(2), 0));
    cr_assert_eq(service_cache_count(cache), 0);
    service_cache_destroy(cache);
}

Test(http_service_auth, who_was_asked_for_longest_ago_gives_way)
{
    struct service_cache *cache = service_cache_create(100);
    for (unsigned i = 0; i != 100; ++i)
        service_cache_put(cache, question(i), &(struct service_verdict){.is_allowed = true, .until_ns = 1000});
    for (unsigned i = 0; i != 10; ++i)
        cr_assert_not_null(service_cache_find(cache, question(i), 0));
    for (unsigned i = 100; i != 190; ++i)
        service_cache_put(cache, question(i), &(struct service_verdict){.is_allowed = true, .until_ns = 1000});
    cr_assert_eq(service_cache_count(cache), 100);
    for (unsigned i = 0; i != 190; ++i)
        cr_assert_eq(service_cache_find(cache, question(i), 0) != NULL, i < 10 || i >= 100, "%u", i);
    service_cache_destroy(cache);
}
