/* answer.c - fuzzes what comes over the broker: a microservice's answers, and revocations */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/revocation.h"
#include "gateway/auth/revoked.h"
#include "gateway/http/access/service_reply.h"
#include "proto/subject.h"
#include "proto/text.h"
#include "tests/support/subject_model.h"

/* The subjects that a request asks for; an answer may leave some out. */
static const char *const asked[] = {"orders.7.>", "public.*", "a.b"};
enum { ASKED = sizeof(asked) / sizeof(asked[0]) };

static bool is_granted(const json_t *patterns, const char *subject)
{
    const json_t *pattern;
    size_t i;

    json_array_foreach (patterns, i, pattern) {
        FUZZ_CHECK(subject_check_pattern(json_string_value(pattern), json_string_length(pattern)) == SUBJECT_OK);
        if (subject_model_covers(json_string_value(pattern), subject))
            return true;
    }
    return false;
}

static void check_reply(const struct fuzz_text *text, const json_t *json)
{
    struct service_reply reply;
    char error[64] = "";
    bool read = service_reply_read(text->s, text->len, asked, ASKED, &reply, error, sizeof(error));

    FUZZ_CHECK(read || (!reply.is_allowed && error[0] != '\0' && strlen(error) < sizeof(error)));
    if (!read)
        return;
    const json_t *patterns = json_object_get(json, "subjects"), *allow = json_object_get(json, "allow");
    /* A client is let in only by "allow": true, and only to granted subjects. */
    FUZZ_CHECK(!reply.is_allowed || json_is_true(allow));
    FUZZ_CHECK(json_is_boolean(allow) && (patterns == NULL || json_is_array(patterns)));
    bool granted = json_is_true(allow);
    for (size_t i = 0; granted && patterns != NULL && i != ASKED; ++i)
        granted = is_granted(patterns, asked[i]);
    FUZZ_CHECK(reply.is_allowed == granted);
    FUZZ_CHECK(reply.lifetime_ms >= 0 && (reply.lifetime_ms > 0) == (json_object_get(json, "lifetime") != NULL));
    FUZZ_CHECK(strlen(reply.reason) < SERVICE_REASON_MAX && text_is_utf8(reply.reason, strlen(reply.reason)));
}

/* A member that is there is taken as it is. */
static void check_member(const json_t *json, const char *name, const char *value)
{
    const json_t *member = json_object_get(json, name);

    FUZZ_CHECK((member != NULL) == (value != NULL));
    if (value == NULL)
        return;
    FUZZ_CHECK(json_is_string(member) && value[0] != '\0' && strlen(value) == json_string_length(member) &&
               strcmp(value, json_string_value(member)) == 0);
}

static void check_revocation(const struct fuzz_text *text, const json_t *json)
{
    char error[64] = "";
    struct revocation *revocation = revocation_parse(text->s, text->len, error, sizeof(error));

    FUZZ_CHECK(revocation != NULL || (error[0] != '\0' && strlen(error) < sizeof(error)));
    if (revocation == NULL)
        return;
    FUZZ_CHECK(json_is_object(json));
    check_member(json, "sub", revocation->sub);
    check_member(json, "jti", revocation->jti);
    check_member(json, "subject", revocation->subject);
    check_member(json, "route", revocation->route);
    FUZZ_CHECK(revocation->sub != NULL || revocation->jti != NULL || revocation->subject != NULL ||
               revocation->route != NULL);
    if (revocation->subject != NULL)
        FUZZ_CHECK(subject_check_pattern(revocation->subject, strlen(revocation->subject)) == SUBJECT_OK);
    const json_t *exp = json_object_get(json, "exp");
    FUZZ_CHECK((revocation->expires_s > 0) == (exp != NULL) && revocation->expires_s <= 253402300799);
    FUZZ_CHECK(exp == NULL || revocation->expires_s == (int64_t)json_number_value(exp));
    revocation_destroy(revocation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text text = fuzz_rest(&input);
    json_t *json = json_loadb(text.s, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

    check_reply(&text, json);
    check_revocation(&text, json);
    json_decref(json);
    free(text.s);
    return 0;
}
