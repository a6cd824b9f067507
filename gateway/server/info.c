/* info.c - answers over NATS what /streams shows, for questions to all gateways at once */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/info.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/hub.h"
#include "gateway/core/message.h"
#include "gateway/core/reserved.h"
#include "gateway/core/source.h"
#include "gateway/core/snapshot.h"
#include "gateway/http/app.h"
#include "proto/subject.h"

/* A message has to take the answer: the broker's limit is 1 MiB unless told otherwise. */
#define LIMIT_MAX 1000

struct info {
    const char *gateway;
    struct source *source;
    _Atomic(struct app *) app; /* NULL: not open yet */
    atomic_uint asks;
    char subject[SUBJECT_MAX + 1];
};

/* One question on its way through the worker's thread, and back. */
struct ask {
    struct mailbox_task task;
    struct info *info;
    struct publish publish; /* the answer; its subject is the reply's from the start */
    bool is_error;
    size_t len;
    char data[]; /* the question */
};

struct info *info_create(const char *gateway, struct source *source)
{
    struct info *info = check_calloc(1, sizeof(*info));
    info->gateway = gateway;
    info->source = source;
    snprintf(info->subject, sizeof(info->subject), INFO_SUBJECT_OF, gateway);
    return info;
}

void info_destroy(struct info *info)
{
    CHECK(info == NULL || atomic_load(&info->asks) == 0);
    free(info);
}

const char *info_subject(const struct info *info)
{
    return info->subject;
}

void info_open(struct info *info, struct app *app)
{
    atomic_store(&info->app, app);
}

static void end_ask(struct ask *ask)
{
    unsigned before = atomic_fetch_sub(&ask->info->asks, 1);
    CHECK(before != 0);
    free(ask->publish.subject);
    free(ask->publish.data);
    free(ask);
}

/* ---- answering ---- */

/* Takes the text over. */
static void send_answer(struct ask *ask, char *json, size_t len)
{
    struct source *source = ask->info->source;
    /* Of an answer that was too long: an error takes its place. */
    free(ask->publish.data);
    ask->publish.data = json;
    ask->publish.data_len = len;
    source->ops->publish(source, &ask->publish);
}

static void send_error(struct ask *ask, const char *what)
{
    struct buffer json = {.bytes = NULL};
    ask->is_error = true;
    buffer_add_text(&json, "{\"gateway\":");
    buffer_add_json(&json, ask->info->gateway, strlen(ask->info->gateway));
    buffer_add_text(&json, ",\"error\":");
    buffer_add_json(&json, what, strlen(what));
    buffer_add_text(&json, "}\n");
    size_t len = json.len;
    send_answer(ask, buffer_take(&json), len);
}

/* On a thread of the source. */
static void on_published(struct publish *publish)
{
    struct ask *ask = publish->owner;
    /* Once: an error that does not fit either would go round in circles. */
    if (publish->status == PUBLISH_TOO_LARGE && !ask->is_error) {
        send_error(ask, "the answer is longer than the broker's messages may be; ask with a smaller limit");
        return;
    }
    if (publish->status != PUBLISH_OK)
        log_write_limited(LOG_WARN, "info-unanswered",
                          log_str("reason", publish->status == PUBLISH_DENIED
                                                ? "the broker does not let the gateway reply"
                                                : "the broker is away, or busy"));
    end_ask(ask);
}

static void on_snapshot(void *arg, const char *json, size_t len)
{
    /* The text goes with the snapshot, when this returns. */
    char *copy = check_malloc(len + 1);
    memcpy(copy, json, len);
    send_answer(arg, copy, len);
}

/* ---- the question ---- */

/* NULL, or the fault of the question. The filter lives as long as the question. */
static const char *read_question(const json_t *question, struct snapshot_options *options)
{
    const json_t *limit = json_object_get(question, "limit"), *filter = json_object_get(question, "filter");
    if (!json_is_object(question))
        return "the question is not a JSON object";
    if (limit != NULL &&
        (!json_is_integer(limit) || json_integer_value(limit) < 0 || json_integer_value(limit) > LIMIT_MAX))
        return "limit is not a number from 0 to 1000";
    if (limit != NULL)
        options->limit = (unsigned)json_integer_value(limit);
    if (filter == NULL)
        return NULL;
    options->filter = json_string_value(filter);
    options->filter_len = json_string_length(filter);
    if (options->filter == NULL || options->filter_len > SUBJECT_MAX)
        return "filter is not a string, or longer than a subject";
    if (subject_has_wildcard(options->filter, options->filter_len) &&
        subject_check_pattern(options->filter, options->filter_len) != SUBJECT_OK)
        return "filter has a wildcard and is not a subject pattern";
    return NULL;
}

static void start_snapshot(struct ask *ask, struct hub *hub)
{
    struct snapshot_options options = {.gateway = ask->info->gateway, .limit = SNAPSHOT_LIMIT_DEFAULT};
    json_t *question = ask->len != 0 ? json_loadb(ask->data, ask->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *wrong = ask->len != 0 ? read_question(question, &options) : NULL;
    if (wrong == NULL && snapshot_start(hub, &options, on_snapshot, ask) == NULL)
        wrong = "too many questions at a time";
    json_decref(question);
    if (wrong != NULL)
        send_error(ask, wrong);
}

static void on_turn(struct mailbox_task *task)
{
    struct ask *ask = LIST_ENTRY(task, struct ask, task);
    struct hub *hub = atomic_load(&ask->info->app)->hub;
    if (hub->stopping)
        end_ask(ask);
    else
        start_snapshot(ask, hub);
}

static void refuse_ask(const char *reason)
{
    metrics_add_shared(METRIC_REJECTED_INFO, 1);
    log_write_limited(LOG_WARN, "info-refused", log_str("reason", reason));
}

/* The gateway must not publish for a client of the broker what that client may not publish itself. */
static bool is_harmless(const char *reply)
{
    size_t len = strlen(reply);
    /* Replies go to _INBOX as a rule, so '_' may begin one; '$' begins the server's own subjects. */
    return subject_check_token(reply, strcspn(reply, ".")) == SUBJECT_OK && *reply != '$' &&
           !reserved_is_control(reply, len) && !reserved_is_declared(reply, len);
}

void info_ask(void *arg, const char *data, size_t len, const char *reply)
{
    struct info *info = arg;
    struct app *app = atomic_load(&info->app);
    if (app == NULL || reply == NULL || *reply == '\0')
        return;
    if (!is_harmless(reply) || len > INFO_QUESTION_MAX) {
        refuse_ask(len > INFO_QUESTION_MAX ? "the question is too long" : "the reply subject is reserved");
        return;
    }
    if (atomic_fetch_add(&info->asks, 1) >= INFO_ASKS_MAX) {
        atomic_fetch_sub(&info->asks, 1);
        refuse_ask("too many questions at a time");
        return;
    }
    struct ask *ask = check_calloc(1, sizeof(*ask) + len + 1);
    ask->info = info;
    ask->task.run = on_turn;
    ask->len = len;
    if (len != 0)
        memcpy(ask->data, data, len);
    ask->publish = (struct publish){.subject = check_strdup(reply), .done = on_published, .owner = ask};
    mailbox_post(&app->hub->mailbox, &ask->task);
}
