/* errand.c - what a hub asks of a source, and the way back to its thread */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/errand.h"

#include "gateway/base/check.h"
#include "gateway/base/list.h"
#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/request.h"
#include "gateway/core/source.h"

static void run_back(struct mailbox_task *task)
{
    struct errand *errand = LIST_ENTRY(task, struct errand, task);
    CHECK_THREAD(errand->hub);
    CHECK(errand->is_out);
    errand->is_out = false;
    errand->back(errand);
}

void errand_init(struct errand *errand, struct hub *hub, void (*back)(struct errand *errand))
{
    *errand = (struct errand){.task.run = run_back, .hub = hub, .back = back};
}

void errand_start(struct errand *errand)
{
    CHECK_THREAD(errand->hub);
    CHECK(!errand->is_out);
    errand->is_out = true;
}

void errand_return(struct errand *errand)
{
    mailbox_post(&errand->hub->mailbox, &errand->task);
}

static void on_published(struct publish *publish)
{
    errand_return(publish->owner);
}

void errand_publish(struct errand *errand, struct source *source, struct publish *publish)
{
    CHECK_THREAD(errand->hub);
    errand_start(errand);
    publish->done = on_published;
    publish->owner = errand;
    source->ops->publish(source, publish);
}

static void on_answered(struct request *request)
{
    errand_return(request->owner);
}

void errand_request(struct errand *errand, struct source *source, struct request *request)
{
    CHECK_THREAD(errand->hub);
    errand_start(errand);
    request->done = on_answered;
    request->owner = errand;
    source->ops->request(source, request);
}
