/* jetstream.c - creates JetStream streams and publishes to them, whatever outages come */
/* SPDX-License-Identifier: MIT */
#include "tests/support/jetstream.h"

#include <nats/nats.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/publisher.h"
#include "tests/support/sandbox.h"

#define GIVE_UP_MS 60000
/* For one try: a leader that has been killed does not answer, and its successor takes seconds. */
#define TRY_MS 500
#define HEARTBEAT_NS 1000000000
/* Acknowledgements in flight: behind more of them a try would time out. */
#define PENDING_MAX 4096

struct jetstream {
    struct publisher *publisher;
    jsCtx *context;
    unsigned long published;
    atomic_ulong refused; /* of jetstream_publish_later */
};

static void on_refused(jsCtx *context, jsPubAckErr *error, void *arg)
{
    struct jetstream *js = arg;

    (void)context;
    (void)error;
    js->refused++;
}

struct jetstream *jetstream_connect(const char *url)
{
    struct jetstream *js = calloc(1, sizeof(*js));
    jsOptions options;

    if (js == NULL)
        fixture_fail("out of memory");
    js->publisher = publisher_connect(url);
    jsOptions_Init(&options);
    options.Wait = scaled_ms(TRY_MS);
    options.PublishAsync.MaxPending = PENDING_MAX;
    options.PublishAsync.StallWait = scaled_ms(10000);
    options.PublishAsync.ErrHandler = on_refused;
    options.PublishAsync.ErrHandlerClosure = js;
    if (natsConnection_JetStream(&js->context, publisher_connection(js->publisher), &options) != NATS_OK)
        fixture_fail("no JetStream context");
    return js;
}

void jetstream_destroy(struct jetstream *js)
{
    if (js == NULL)
        return;
    jsCtx_Destroy(js->context);
    publisher_destroy(js->publisher);
    free(js);
}

/* False: try again. A permanent error of the broker ends the process. */
static bool is_done(natsStatus status, int64_t deadline, const char *what, const char *name)
{
    if (status == NATS_OK)
        return true;
    if (now_ms() > deadline)
        fixture_fail("JetStream: %s %s: %s (%s)", what, name, natsStatus_GetText(status), nats_GetLastError(NULL));
    sleep_ms(20);
    return false;
}

static void fill_config(jsStreamConfig *config, jsRePublish *republish, const struct jetstream_stream *stream)
{
    jsStreamConfig_Init(config);
    config->Name = stream->name;
    config->Subjects = (const char **)(uintptr_t)stream->subjects;
    while (config->SubjectsLen < 4 && stream->subjects[config->SubjectsLen] != NULL)
        config->SubjectsLen++;
    config->Storage = stream->in_memory ? js_MemoryStorage : js_FileStorage;
    config->Retention = stream->work_queue ? js_WorkQueuePolicy : js_LimitsPolicy;
    if (stream->replicas != 0)
        config->Replicas = stream->replicas;
    if (stream->max_messages != 0)
        config->MaxMsgs = stream->max_messages;
    if (stream->max_messages_per_subject != 0)
        config->MaxMsgsPerSubject = stream->max_messages_per_subject;
    config->AllowRollup = stream->allow_rollup;
    config->MaxAge = stream->max_age_ms * 1000000;
    if (stream->max_age_ms != 0 && stream->max_age_ms < 120000)
        config->Duplicates = config->MaxAge; /* may not be longer */
    if (stream->republish_from != NULL) {
        jsRePublish_Init(republish);
        republish->Source = stream->republish_from;
        republish->Destination = stream->republish_to;
        config->RePublish = republish;
    }
}

void jetstream_create(struct jetstream *js, const struct jetstream_stream *stream)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);
    jsStreamConfig config;
    jsRePublish republish;
    jsOptions options;

    fill_config(&config, &republish, stream);
    jsOptions_Init(&options);
    options.Wait = scaled_ms(5000); /* a raft group has to find its leader first */
    while (!is_done(js_AddStream(NULL, js->context, &config, &options, NULL), deadline, "create", stream->name))
        ;
}

void jetstream_update(struct jetstream *js, const struct jetstream_stream *stream)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);
    jsStreamConfig config;
    jsRePublish republish;

    fill_config(&config, &republish, stream);
    while (!is_done(js_UpdateStream(NULL, js->context, &config, NULL, NULL), deadline, "update", stream->name))
        ;
}

void jetstream_delete(struct jetstream *js, const char *stream)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);
    natsStatus status;

    do
        status = js_DeleteStream(js->context, stream, NULL, NULL);
    while (status != NATS_NOT_FOUND && !is_done(status, deadline, "delete", stream));
}

void jetstream_purge(struct jetstream *js, const char *stream, const char *subject)
{
    jetstream_purge_keep(js, stream, subject, 0);
}

void jetstream_purge_keep(struct jetstream *js, const char *stream, const char *subject, uint64_t keep)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);
    jsOptions options;

    jsOptions_Init(&options);
    options.Stream.Purge.Subject = subject;
    options.Stream.Purge.Keep = keep;
    while (!is_done(js_PurgeStream(js->context, stream, &options, NULL), deadline, "purge", stream))
        ;
}

void jetstream_delete_message(struct jetstream *js, const char *stream, uint64_t sequence)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);

    while (!is_done(js_DeleteMsg(js->context, stream, sequence, NULL, NULL), deadline, "delete from", stream))
        ;
}

bool jetstream_ask_state(struct jetstream *js, const char *stream, struct jetstream_state *state)
{
    jsStreamInfo *info = NULL;

    if (js_GetStreamInfo(&info, js->context, stream, NULL, NULL) != NATS_OK)
        return false;
    *state = (struct jetstream_state){
        .first = info->State.FirstSeq,
        .last = info->State.LastSeq,
        .count = info->State.Msgs,
        .consumers = (unsigned)info->State.Consumers,
    };
    if (info->Cluster != NULL && info->Cluster->Leader != NULL)
        snprintf(state->leader, sizeof(state->leader), "%s", info->Cluster->Leader);
    jsStreamInfo_Destroy(info);
    return true;
}

struct jetstream_state jetstream_state(struct jetstream *js, const char *stream)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);
    struct jetstream_state state;

    while (!jetstream_ask_state(js, stream, &state)) {
        if (now_ms() > deadline)
            fixture_fail("JetStream: no state of %s: %s", stream, nats_GetLastError(NULL));
        sleep_ms(20);
    }
    return state;
}

uint64_t jetstream_publish(struct jetstream *js, const char *subject, const char *text)
{
    int64_t deadline = deadline_in(GIVE_UP_MS);
    /* by this the stream recognises a message that an earlier try stored without our knowing */
    char *id = text_format("%d-%p-%lu", (int)getpid(), (void *)js, ++js->published);
    jsPubOptions options;
    jsPubAck *ack = NULL;
    uint64_t sequence;

    jsPubOptions_Init(&options);
    options.MsgId = id;
    options.MaxWait = scaled_ms(TRY_MS);
    while (!is_done(js_Publish(&ack, js->context, subject, text, (int)strlen(text), &options, NULL), deadline,
                    "publish on", subject))
        ;
    sequence = ack->Sequence;
    jsPubAck_Destroy(ack);
    free(id);
    return sequence;
}

uint64_t jetstream_publish_format(struct jetstream *js, const char *subject, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    char *text = text_format_list(format, ap);
    va_end(ap);
    uint64_t sequence = jetstream_publish(js, subject, text);
    free(text);
    return sequence;
}

void jetstream_publish_later(struct jetstream *js, const char *subject, const char *text)
{
    if (js_PublishAsync(js->context, subject, text, (int)strlen(text), NULL) != NATS_OK)
        fixture_fail("JetStream: publish on %s: %s", subject, nats_GetLastError(NULL));
}

void jetstream_publish_rollup_later(struct jetstream *js, const char *subject, const char *text)
{
    natsMsg *message = NULL;

    if (natsMsg_Create(&message, subject, NULL, text, (int)strlen(text)) != NATS_OK ||
        natsMsgHeader_Set(message, JSMsgRollup, JSMsgRollupSubject) != NATS_OK ||
        js_PublishMsgAsync(js->context, &message, NULL) != NATS_OK)
        fixture_fail("JetStream: publish on %s: %s", subject, nats_GetLastError(NULL));
}

void jetstream_flush(struct jetstream *js)
{
    jsPubOptions options;

    jsPubOptions_Init(&options);
    options.MaxWait = scaled_ms(30000);
    if (js_PublishAsyncComplete(js->context, &options) != NATS_OK || js->refused != 0)
        fixture_fail("JetStream: %lu messages are not stored: %s", js->refused, nats_GetLastError(NULL));
}

void jetstream_read(struct jetstream *js, const char *stream, jetstream_on_message *on_message, void *arg)
{
    struct jetstream_state state = jetstream_state(js, stream);
    int64_t deadline = deadline_in(GIVE_UP_MS);
    natsSubscription *subscription = NULL;
    jsSubOptions options;
    uint64_t sequence = 0;

    if (state.count == 0)
        return;
    jsSubOptions_Init(&options);
    options.Stream = stream;
    options.Ordered = true;
    /* After two that are missed the library makes another consumer: with its 5 s, just as our patience ends. */
    options.Config.Heartbeat = HEARTBEAT_NS;
    while (!is_done(js_SubscribeSync(&subscription, js->context, ">", NULL, &options, NULL), deadline, "read", stream))
        ;
    while (sequence < state.last) {
        natsMsg *message = NULL;
        jsMsgMetaData *meta = NULL;
        if (natsSubscription_NextMsg(&message, subscription, scaled_ms(10000)) != NATS_OK ||
            natsMsg_GetMetaData(&meta, message) != NATS_OK)
            fixture_fail("JetStream: reading %s: %s", stream, nats_GetLastError(NULL));
        sequence = meta->Sequence.Stream;
        on_message(arg, sequence, natsMsg_GetSubject(message), natsMsg_GetData(message),
                   (size_t)natsMsg_GetDataLength(message));
        jsMsgMetaData_Destroy(meta);
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(subscription);
}
