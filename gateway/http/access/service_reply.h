/* service_reply.h - what a microservice says about a question */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_SERVICE_REPLY_H
#define GATEWAY_HTTP_ACCESS_SERVICE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_REASON_MAX 256   /* bytes of a reason; what is longer is cut */
#define SERVICE_SUBJECTS_MAX 256 /* patterns of one answer */

struct service_reply {
    bool is_allowed;
    int64_t lifetime_ms;             /* 0: it is good for this once, and has no end */
    char reason[SERVICE_REASON_MAX]; /* UTF-8, "" if there is none */
};

/*
 * {"allow": true|false, "subjects": [pattern…], "lifetime": "5m" or seconds,
 * "reason": text}, of which only the first has to be there. Not allowed, too,
 * when one of the subjects asked for lies outside the patterns. Other members
 * are nobody's business. False: it is no answer at all; error says why.
 */
bool service_reply_read(const char *text, size_t len, const char *const *subjects, size_t subject_count,
                        struct service_reply *reply, char *error, size_t size);

#endif
