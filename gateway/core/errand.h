/* errand.h - what a hub asks of a source, and the way back to its thread */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_ERRAND_H
#define GATEWAY_CORE_ERRAND_H

#include <stdbool.h>

#include "gateway/core/mailbox.h"

struct hub;
struct publish;
struct request;
struct source;

/*
 * A source answers on a thread of its own, and the asker may be gone by then.
 * So an errand lies, beside the question, in an object that does not end with
 * the asker but lives until `back` has run, with the tasks of a turn of its
 * hub. `back` passes the answer on if the asker still waits for it, and
 * frees the object or keeps it for its next question.
 */
struct errand {
    struct mailbox_task task;
    struct hub *hub;
    void (*back)(struct errand *errand); /* its last use of the errand: may free it */
    bool is_out;                         /* hub thread: started, and not back yet */
};

void errand_init(struct errand *errand, struct hub *hub, void (*back)(struct errand *errand));

/* ---- hub thread ---- */
/* Before a question that errand_return answers. It is not out. */
void errand_start(struct errand *errand);
/* Starts it and gives the question to the source, which answers through the question's `done`. */
void errand_publish(struct errand *errand, struct source *source, struct publish *publish);
void errand_request(struct errand *errand, struct source *source, struct request *request);

/* ---- any thread ---- */
/* Any thread: the answer is written. At most once for each start, and the thread's last use of the object. */
void errand_return(struct errand *errand);

#endif
