/* info.h - answers over NATS what /streams shows, for questions to all gateways at once */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_INFO_H
#define GATEWAY_SERVER_INFO_H

#include <stddef.h>

struct app;
struct info;
struct source;

/* Every gateway answers on the first, and one on the other, in which its name stands. */
#define INFO_SUBJECT "freshet.info"
#define INFO_SUBJECT_OF "freshet.%s.info"

/*
 * gateway: its name; source: where answers are published. Both outlive it.
 * Destroyed when the source has stopped and all workers are gone.
 */
struct info *info_create(const char *gateway, struct source *source);
/* NULL is fine. */
void info_destroy(struct info *info);

/* INFO_SUBJECT_OF this gateway; lives as long as info. */
const char *info_subject(const struct info *info);

/* The worker's loop turns: it answers all questions from now on. The app outlives info. */
void info_open(struct info *info, struct app *app);

/*
 * One question: for nats_source_answer, on any thread. Nothing, or a JSON
 * object with "limit" and "filter" as /streams has them. The answer is the JSON
 * of core/snapshot.h, or {"gateway":"NAME","error":"what is wrong"}. A question
 * without a reply subject, one whose reply would go where only gateways and the
 * broker's own interfaces listen, and more than INFO_ASKS_MAX at a time are not
 * answered; the last two are counted and logged.
 */
#define INFO_ASKS_MAX 16
#define INFO_QUESTION_MAX 4096
void info_ask(void *info, const char *data, size_t len, const char *reply);

#endif
