/* service_reply.h - the answer of a microservice to a question */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_SERVICE_REPLY_H
#define GATEWAY_HTTP_ACCESS_SERVICE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_REASON_MAX 256   /* bytes of a reason; a longer one is cut */
#define SERVICE_SUBJECTS_MAX 256 /* patterns of one answer */

struct service_reply {
    bool is_allowed;
    int64_t lifetime_ms;             /* 0: for this request only, and its stream does not expire */
    char reason[SERVICE_REASON_MAX]; /* UTF-8, "" if there is none */
};

/*
 * {"allow": true|false, "subjects": [pattern…], "lifetime": "5m" or seconds,
 * "reason": text}, of which only the first is required. Not allowed, too, when
 * one of the requested subjects lies outside the patterns. Other members are
 * ignored. False: not a valid answer; error says why.
 */
bool service_reply_read(const char *text, size_t len, const char *const *subjects, size_t subject_count,
                        struct service_reply *reply, char *error, size_t size);

#endif
