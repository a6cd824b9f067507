/* js_consumer.c - the push consumer that follows the stream: made, ignored, deleted */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/source/jetstream/js_held.h"
#include "gateway/source/jetstream/js_rewind.h"
#include "gateway/source/jetstream/js_state.h"

#define FORGET_WAIT_MS 500 /* for a consumer to be deleted: it ends automatically, too */
#define INACTIVE_MS 2000   /* the broker drops a consumer that has had no listener for so long */
#define CONSUMER_NAME_SIZE sizeof(((struct js_live *)NULL)->consumer)

static void name_consumer(const struct js_link *link, uint64_t generation, char name[CONSUMER_NAME_SIZE])
{
    const char *unique = strrchr(link->inbox, '.');
    snprintf(name, CONSUMER_NAME_SIZE, "freshet-%.32s-%" PRIu64, unique != NULL ? unique + 1 : link->inbox, generation);
}

static natsStatus delete_named(struct js_source *source, struct js_link *link, const char *name)
{
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = FORGET_WAIT_MS;
    return js_DeleteConsumer(link->session.js, source->stream, name, &options, NULL);
}

/*
 * The broker may yet do what it hasn't answered, even make a consumer after it
 * was asked to delete it. All are heard by one subscription, so that the
 * broker doesn't find this one inactive.
 */
static void add_stray(struct js_link *link, uint64_t generation)
{
    if (link->stray_count == JS_STRAYS_MAX)
        memmove(link->strays, link->strays + 1, --link->stray_count * sizeof(*link->strays));
    link->strays[link->stray_count++] = generation;
}

void js_consumer_delete_strays(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    char name[CONSUMER_NAME_SIZE];
    unsigned kept = 0;
    bool answers = true;
    for (unsigned i = 0; i != link->stray_count; ++i) {
        natsStatus status = NATS_TIMEOUT;
        name_consumer(link, link->strays[i], name);
        if (answers)
            status = delete_named(source, link, name);
        answers = answers && (status == NATS_OK || status == NATS_NOT_FOUND);
        if (status != NATS_OK) /* not found: it may be on its way */
            link->strays[kept++] = link->strays[i];
    }
    link->stray_count = kept;
}

void js_consumer_delete(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    struct js_live *live = &source->live;
    char name[CONSUMER_NAME_SIZE];
    name_consumer(link, live->generation, name);
    natsStatus status = live->consumer[0] != '\0' ? delete_named(source, link, live->consumer) : NATS_OK;
    /* one of another session ends automatically */
    if (status != NATS_OK && status != NATS_NOT_FOUND && strcmp(live->consumer, name) == 0)
        add_stray(link, live->generation);
    live->consumer[0] = '\0';
}

/* From here on what it delivers counts: that may arrive before the broker's answer. */
static uint64_t expect_consumer(struct js_source *source, struct js_link *link)
{
    struct js_live *live = &source->live;
    lock_take(&live->lock);
    name_consumer(link, ++live->generation, live->consumer);
    size_t size = strlen(source->stream) + strlen(live->consumer) + sizeof("...");
    live->mark = check_realloc(live->mark, size);
    snprintf(live->mark, size, ".%s.%s.", source->stream, live->consumer);
    live->link = link;
    live->consumer_sequence = 0;
    live->is_working = true;
    live->broken = NULL;
    int64_t now_ns = clock_mono_ns();
    atomic_store(&live->heard_ns, now_ns);
    live->heartbeats_from_ns = now_ns + JS_HEARTBEAT_MS / 2 * NS_PER_MS;
    uint64_t after = js_rewind_start(source);
    source->republish.consumer_at = live->seen = after;
    lock_give(&live->lock);
    source->hole_at_ns = 0; /* a pause that the session before had to make is over */
    return after - live->base + 1;
}

natsStatus js_consumer_create(struct js_source *source, struct js_link *link, jsErrCode *code)
{
    CHECK_THREAD(source);
    uint64_t next = expect_consumer(source, link);
    size_t size = link->inbox_len + sizeof(".l");
    char *deliver = check_malloc(size);
    snprintf(deliver, size, "%s.l", link->inbox);
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Name = source->live.consumer;
    config.Description = "freshet follows the stream";
    config.DeliverSubject = deliver;
    config.DeliverPolicy = js_DeliverByStartSequence;
    config.OptStartSeq = next;
    config.AckPolicy = js_AckNone;
    config.MaxDeliver = 1;
    config.FlowControl = true;
    config.Heartbeat = JS_HEARTBEAT_MS * NS_PER_MS;
    config.InactiveThreshold = INACTIVE_MS * NS_PER_MS;
    config.MemoryStorage = true;
    config.Replicas = 1;
    *code = 0;
    natsStatus status = js_AddConsumer(NULL, link->session.js, source->stream, &config, NULL, code);
    free(deliver);
    if (status != NATS_OK) { /* also one that the broker says it can't make now may come to be when it has a leader */
        add_stray(link, source->live.generation);
        source->live.consumer[0] = '\0';
    }
    return status;
}

void js_consumer_ignore(struct js_source *source)
{
    CHECK_THREAD(source);
    lock_take(&source->live.lock);
    source->live.is_working = false;
    js_held_forget(&source->live);
    source->live.link = NULL;
    source->live.broken = NULL;
    lock_give(&source->live.lock);
}
