/* service_reply.c - the answer of a microservice to a question */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/service_reply.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "proto/subject.h"
#include "proto/units.h"

/* As in units_parse_duration. */
#define LIFETIME_MAX_MS (INT64_C(3650) * 86400000)

static bool read_lifetime(const json_t *value, int64_t *ms)
{
    if (json_is_string(value)) /* 0 is refused, as it stands for no lifetime at all */
        return units_parse_duration(json_string_value(value), json_string_length(value), ms) && *ms > 0;
    json_int_t seconds = json_integer_value(value);
    if (!json_is_integer(value) || seconds <= 0 || seconds > LIFETIME_MAX_MS / 1000)
        return false;
    *ms = seconds * 1000;
    return true;
}

/* Cut at the end of a character. */
static void read_reason(const json_t *value, char dst[static SERVICE_REASON_MAX])
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len > SERVICE_REASON_MAX - 1) {
        len = SERVICE_REASON_MAX - 1;
        while (len != 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            --len;
    }
    memcpy(dst, text, len);
    dst[len] = '\0';
}

static bool is_pattern_list(const json_t *patterns)
{
    size_t count = json_array_size(patterns);
    if (!json_is_array(patterns) || count > SERVICE_SUBJECTS_MAX)
        return false;
    for (size_t i = 0; i != count; ++i) {
        const json_t *pattern = json_array_get(patterns, i);
        if (!json_is_string(pattern) ||
            subject_check_pattern(json_string_value(pattern), json_string_length(pattern)) != SUBJECT_OK)
            return false;
    }
    return true;
}

static bool is_covered(const json_t *patterns, const char *subject)
{
    for (size_t i = 0; i != json_array_size(patterns); ++i) {
        const json_t *pattern = json_array_get(patterns, i);
        if (subject_covers(json_string_value(pattern), json_string_length(pattern), subject, strlen(subject)))
            return true;
    }
    return false;
}

static void narrow_reply(const json_t *patterns, const char *const *subjects, size_t count, struct service_reply *reply)
{
    for (size_t i = 0; i != count && reply->is_allowed; ++i) {
        if (!is_covered(patterns, subjects[i])) {
            reply->is_allowed = false;
            snprintf(reply->reason, sizeof(reply->reason), "one of the subjects is outside what is allowed");
        }
    }
}

/* The first member that is missing or invalid, or NULL. */
static const char *read_members(const json_t *root, const char *const *subjects, size_t count,
                                struct service_reply *reply)
{
    const json_t *allow = json_object_get(root, "allow"), *patterns = json_object_get(root, "subjects");
    const json_t *lifetime = json_object_get(root, "lifetime"), *reason = json_object_get(root, "reason");
    if (!json_is_boolean(allow))
        return "allow";
    if (patterns != NULL && !is_pattern_list(patterns))
        return "subjects";
    if (lifetime != NULL && !read_lifetime(lifetime, &reply->lifetime_ms))
        return "lifetime";
    if (reason != NULL && !json_is_string(reason))
        return "reason";
    reply->is_allowed = json_is_true(allow);
    if (reason != NULL)
        read_reason(reason, reply->reason);
    if (patterns != NULL)
        narrow_reply(patterns, subjects, count, reply);
    return NULL;
}

bool service_reply_read(const char *text, size_t len, const char *const *subjects, size_t subject_count,
                        struct service_reply *reply, char *error, size_t size)
{
    json_error_t wrong;
    CHECK(size != 0);
    *reply = (struct service_reply){.is_allowed = false};
    /* a service that repeats input of the client may let it add a second "allow" */
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
    if (!json_is_object(root)) {
        snprintf(error, size, "not a JSON object%s%s", root == NULL ? ": " : "", root == NULL ? wrong.text : "");
        json_decref(root);
        return false;
    }
    const char *bad = read_members(root, subjects, subject_count, reply);
    if (bad != NULL)
        snprintf(error, size, "\"%s\" is missing or invalid", bad);
    json_decref(root);
    return bad == NULL;
}
