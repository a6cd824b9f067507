/* nats_questions.h - questions to microservices, and their replies */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_QUESTIONS_H
#define GATEWAY_SOURCE_NATS_NATS_QUESTIONS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

struct nats_question;
struct nats_refused;
struct nats_source;
struct request;
struct source;

void nats_questions_init(struct nats_source *source);
void nats_questions_dispose(struct nats_source *source);

/* As source_ops.request. Any thread. */
void nats_questions_ask(struct source *base, struct request *request);

/* ---- control ---- */

/* Takes them from the inbox to the table and sends them; if not, answers that there is no broker. */
void nats_questions_send(struct nats_source *source, struct nats_question *questions, bool can_send);
/* Answers those that wait too long, and returns when to be called again (0: no need). */
int64_t nats_questions_tick(struct nats_source *source, int64_t now_ns);
/* No reply will come any more. refused: only to those of that subject; NULL: all. */
void nats_questions_fail(struct nats_source *source, const struct nats_refused *refused);

/* ---- delivery ---- */

void nats_questions_on_reply(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *feed);

#endif
