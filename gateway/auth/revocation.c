/* revocation.c - one message on freshet.control.revoke, parsed */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/revocation.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "proto/subject.h"

/* Larger dates are in other units, or a mistake. */
#define DATE_MAX 253402300799.0 /* the end of the year 9999 */

/* False: the member is there, but can't name anything. */
static bool read_name(const json_t *root, const char *name, char **text, char *error, size_t size)
{
    const json_t *value = json_object_get(root, name);
    const char *s = json_string_value(value);
    if (value == NULL)
        return true;
    /* A NUL would end the name early, and match another user's. */
    if (s == NULL || *s == '\0' || strlen(s) != json_string_length(value)) {
        snprintf(error, size, "\"%s\" must be a string that is not empty", name);
        return false;
    }
    *text = check_strdup(s);
    return true;
}

static bool read_date(const json_t *root, int64_t *date, char *error, size_t size)
{
    const json_t *value = json_object_get(root, "exp");
    if (value == NULL)
        return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 1 && number <= DATE_MAX)) {
        snprintf(error, size, "\"exp\" must be a number of seconds since 1970");
        return false;
    }
    *date = (int64_t)number;
    return true;
}

static bool read_members(const json_t *root, struct revocation *revocation, char *error, size_t size)
{
    if (!read_name(root, "sub", &revocation->sub, error, size) ||
        !read_name(root, "jti", &revocation->jti, error, size) ||
        !read_name(root, "subject", &revocation->subject, error, size) ||
        !read_name(root, "route", &revocation->route, error, size) ||
        !read_date(root, &revocation->expires_s, error, size))
        return false;
    if (revocation->sub == NULL && revocation->jti == NULL && revocation->subject == NULL &&
        revocation->route == NULL) {
        snprintf(error, size, "it names no sub, jti, subject or route");
        return false;
    }
    if (revocation->subject != NULL) {
        enum subject_verdict verdict = subject_check_pattern(revocation->subject, strlen(revocation->subject));
        if (verdict != SUBJECT_OK)
            snprintf(error, size, "its subject %s", subject_verdict_text(verdict));
        return verdict == SUBJECT_OK;
    }
    return true;
}

struct revocation *revocation_parse(const char *json, size_t len, char *error, size_t size)
{
    json_error_t wrong;
    if (len > REVOCATION_MAX) {
        snprintf(error, size, "it is longer than %d bytes", REVOCATION_MAX);
        return NULL;
    }
    /* Duplicates are refused: which of two members is meant would be a guess. */
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &wrong);
    if (!json_is_object(root)) {
        snprintf(error, size, "it is not a JSON object%s%s", root == NULL ? ": " : "", root == NULL ? wrong.text : "");
        json_decref(root);
        return NULL;
    }
    struct revocation *revocation = check_calloc(1, sizeof(*revocation));
    if (!read_members(root, revocation, error, size)) {
        revocation_destroy(revocation);
        revocation = NULL;
    }
    json_decref(root);
    return revocation;
}

void revocation_destroy(struct revocation *revocation)
{
    if (revocation == NULL)
        return;
    free(revocation->sub);
    free(revocation->jti);
    free(revocation->subject);
    free(revocation->route);
    free(revocation);
}
