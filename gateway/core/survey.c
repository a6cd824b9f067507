/* survey.c - what the gateway holds right now, gathered from all workers without stopping any */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/survey.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "gateway/core/hub.h"
#include "gateway/core/registry.h"
#include "gateway/core/survey_rows.h"
#include "gateway/core/top.h"
#include "gateway/core/walk.h"

/* Channels looked at in one turn, under the registry's lock: some hundred microseconds. */
#define TURN_CHANNELS 1000
#define SURVEY_NS INT64_C(2000000000)

/* One hub's part. Its own until it is over, then the survey's. */
struct part {
    struct hub_task task;
    struct hub_walk walk;
    struct survey *survey;
    struct hub *hub;
    struct top slow;
    bool over; /* under the survey's lock */
};

/*
 * The hub it was started for waits no longer than SURVEY_NS, parts end when
 * they do: whoever comes last frees it.
 */
struct survey {
    struct list link; /* of the hub's */
    struct hub *hub;
    struct registry *registry;
    struct registry_walk walk;
    bool walking; /* channels are left to look at */
    int64_t deadline_ns;
    struct top channels;
    char *gateway;
    struct survey_filter filter;
    void (*done)(void *arg, const char *json, size_t len);
    void *arg;

    pthread_mutex_t lock; /* of the next ones */
    unsigned refs;        /* the parts that are not over, and the hub */
    unsigned parts_left;
    bool waiting; /* the hub is, and can be woken */
    unsigned part_count;
    struct part parts[];
};

/* The lock is held, and given back. May free the survey. */
static void release(struct survey *survey)
{
    bool is_last = --survey->refs == 0;
    pthread_mutex_unlock(&survey->lock);
    if (!is_last)
        return;
    atomic_fetch_sub(&survey->registry->surveys, 1);
    for (unsigned i = 0; i != survey->part_count; ++i)
        top_dispose(&survey->parts[i].slow);
    top_dispose(&survey->channels);
    pthread_mutex_destroy(&survey->lock);
    free(survey->gateway);
    free(survey->filter.text);
    free(survey);
}

/* ---- a part, on its hub's thread ---- */

static bool look_at_reader(struct hub_walk *walk, struct reader *reader)
{
    struct part *part = LIST_ENTRY(walk, struct part, walk);
    survey_add_slow(&part->slow, &part->survey->filter, part->hub, reader);
    return true;
}

static void on_walk_over(struct hub_walk *walk)
{
    struct part *part = LIST_ENTRY(walk, struct part, walk);
    struct survey *survey = part->survey;
    pthread_mutex_lock(&survey->lock);
    part->over = true;
    if (--survey->parts_left == 0 && survey->waiting)
        hub_wake(survey->hub);
    release(survey);
}

static void on_task(struct hub_task *task)
{
    struct part *part = LIST_ENTRY(task, struct part, task);
    hub_walk(part->hub, &part->walk);
}

/* ---- the survey, on the thread of the hub that it is for ---- */

static void look_at_channel(void *arg, struct channel *channel)
{
    struct survey *survey = arg;
    survey_add_channel(&survey->channels, &survey->filter, channel);
}

struct survey *survey_start(struct hub *hub, const struct survey_options *options,
                            void (*done)(void *arg, const char *json, size_t len), void *arg)
{
    struct registry *registry = hub->registry;
    hub_check_thread(hub);
    if (atomic_fetch_add(&registry->surveys, 1) >= SURVEYS_MAX) {
        atomic_fetch_sub(&registry->surveys, 1);
        return NULL;
    }
    struct survey *survey = check_calloc(1, sizeof(*survey) + registry->hub_count * sizeof(struct part));
    survey->hub = hub;
    survey->registry = registry;
    survey->done = done;
    survey->arg = arg;
    survey->deadline_ns = hub->now_ns + SURVEY_NS;
    survey->gateway = options->gateway != NULL ? check_strdup(options->gateway) : NULL;
    survey_filter_init(&survey->filter, options->filter, options->filter_len);
    top_init(&survey->channels, options->limit);
    CHECK(pthread_mutex_init(&survey->lock, NULL) == 0);
    survey->part_count = survey->parts_left = registry->hub_count;
    survey->refs = survey->part_count + 1;
    survey->waiting = survey->walking = true;
    list_append(&hub->surveys, &survey->link);
    registry_walk_begin(registry, &survey->walk);
    for (unsigned i = 0; i != survey->part_count; ++i) {
        struct part *part = &survey->parts[i];
        *part = (struct part){.task.run = on_task, .survey = survey, .hub = registry->hubs[i]};
        part->walk = (struct hub_walk){.look = look_at_reader, .over = on_walk_over};
        top_init(&part->slow, SURVEY_SLOW_MAX);
        hub_post(part->hub, &part->task);
    }
    return survey;
}

/* Nobody waits for it any more. What is over is the caller's to read until release. */
static void leave(struct survey *survey)
{
    list_remove(&survey->link);
    registry_walk_end(survey->registry, &survey->walk);
    pthread_mutex_lock(&survey->lock);
    survey->waiting = false;
    pthread_mutex_unlock(&survey->lock);
}

void survey_cancel(struct survey *survey)
{
    leave(survey);
    pthread_mutex_lock(&survey->lock);
    release(survey);
}

static void write_head(const struct survey *survey, struct buffer *json)
{
    struct registry *registry = survey->registry;
    buffer_add_text(json, "{\"version\":\"" FRESHET_VERSION "\"");
    if (survey->gateway != NULL) {
        buffer_add_text(json, ",\"gateway\":");
        buffer_add_json(json, survey->gateway, strlen(survey->gateway));
    }
    buffer_add_text(json, ",\"uptime_seconds\":");
    buffer_add_seconds(json, survey->hub->now_ns - registry->started_ns);
    buffer_format(json, ",\"connections\":%llu,\"streams\":%llu,\"channels_total\":%zu",
                  (unsigned long long)metrics_sum(METRIC_CONNECTIONS), (unsigned long long)metrics_sum(METRIC_STREAMS),
                  registry_channel_count(registry));
}

/* Takes what the parts that are over have found. False: some are not. */
static bool gather_slow(struct survey *survey, struct top *slow)
{
    pthread_mutex_lock(&survey->lock);
    for (unsigned i = 0; i != survey->part_count; ++i) {
        if (survey->parts[i].over)
            top_merge(slow, &survey->parts[i].slow);
    }
    bool complete = survey->parts_left == 0;
    pthread_mutex_unlock(&survey->lock);
    return complete;
}

static void finish(struct survey *survey)
{
    struct buffer json = {.bytes = NULL};
    struct top slow;
    leave(survey);
    top_init(&slow, SURVEY_SLOW_MAX);
    bool complete = gather_slow(survey, &slow) && !survey->walking;
    write_head(survey, &json);
    buffer_add_text(&json, ",\"channels\":[");
    top_write(&survey->channels, &json);
    buffer_add_text(&json, "],\"slow\":[");
    top_write(&slow, &json);
    buffer_format(&json, "],\"complete\":%s}\n", complete ? "true" : "false");
    survey->done(survey->arg, json.bytes, json.len);
    buffer_dispose(&json);
    top_dispose(&slow);
    pthread_mutex_lock(&survey->lock);
    release(survey);
}

/* True: it is done, one way or the other. */
static bool step_one(struct survey *survey, int64_t now_ns)
{
    if (survey->walking)
        survey->walking = registry_walk_step(survey->registry, &survey->walk, TURN_CHANNELS, look_at_channel, survey);
    pthread_mutex_lock(&survey->lock);
    bool is_done = !survey->walking && survey->parts_left == 0;
    pthread_mutex_unlock(&survey->lock);
    return is_done || now_ns >= survey->deadline_ns;
}

bool survey_step(struct hub *hub)
{
    bool more = false;
    for (struct list *node = hub->surveys.next, *next; node != &hub->surveys; node = next) {
        struct survey *survey = LIST_ENTRY(node, struct survey, link);
        next = node->next;
        if (step_one(survey, hub->now_ns))
            finish(survey);
        else
            more |= survey->walking;
    }
    return more;
}

void survey_end_all(struct hub *hub)
{
    while (!list_is_empty(&hub->surveys))
        finish(LIST_ENTRY(hub->surveys.next, struct survey, link));
}
