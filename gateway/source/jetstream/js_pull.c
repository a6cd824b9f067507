/* js_pull.c - one short-lived pull consumer at a time, on whatever session there is */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_pull.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_session.h"

#define CALL_WAIT_MS 2000
#define FORGET_WAIT_MS 200 /* to delete a consumer that perhaps no server answers for */
#define PATIENCE_MAX 3     /* 16 s */
#define SLICE_MS 20        /* an interrupt is noticed within */
/* A pull waits so long for a message that is not stored yet. */
#define EXPIRES_NS 500000000
/* Counts of what pends can be wrong, and servers of the 2.9 series may drop a pull without a word as it expires. */
#define SILENCE_MS 1000
#define GATHER_NS 20000000
#define BATCH_BYTES (256 * 1024)
#define AVERAGE_AT_FIRST 8192
#define INACTIVE_NS (5 * NS_PER_S) /* for the servers to clean up after a gateway that died */

void js_pull_init(struct js_pull *pull)
{
    *pull = (struct js_pull){.average = AVERAGE_AT_FIRST};
}

void js_pull_dispose(struct js_pull *pull)
{
    CHECK(pull->session == NULL);
    js_answers_dispose(&pull->inbox);
    js_answers_dispose(&pull->answers);
}

static void forget_messages(struct js_pull *pull)
{
    while (pull->count != 0)
        js_pull_taken(pull);
    pull->then = JS_PULL_OK;
    pull->is_open = pull->is_requested = pull->has_message = pull->is_oversize = false;
    pull->pending = 0;
}

bool js_pull_attach(struct js_pull *pull, struct js_session *session)
{
    /* More than a pull asks for never comes; a few of the largest messages always fit. */
    int64_t bytes = 4 * natsConnection_GetMaxPayload(session->connection) + 16 * BATCH_BYTES;
    CHECK(pull->session == NULL);
    pull->session = session;
    if (js_answers_open(&pull->inbox, session, 4 * JS_PULL_MESSAGES, bytes) && js_ask_open(&pull->answers, session))
        return true;
    js_pull_detach(pull);
    return false;
}

void js_pull_detach(struct js_pull *pull)
{
    if (pull->session == NULL)
        return;
    forget_messages(pull);
    js_answers_close(&pull->inbox, pull->session);
    js_answers_close(&pull->answers, pull->session);
    pull->timeouts = 0;
    js_session_release(pull->session);
    pull->session = NULL;
}

static void note_answer(struct js_pull *pull, const char *call, natsStatus status, jsErrCode error)
{
    pull->timeouts = status == NATS_TIMEOUT ? pull->timeouts + 1 : 0;
    if (status == NATS_OK || atomic_load(&pull->session->is_over))
        return;
    log_write_limited(LOG_WARN, "jetstream-call-failed", log_str("stream", pull->session->stream),
                      log_str("call", call), log_str("reason", natsStatus_GetText(status)), log_u64("code", error));
}

static void fill_config(const struct js_pull_start *start, const char *name, jsConsumerConfig *config)
{
    jsConsumerConfig_Init(config);
    config->Name = name;
    config->FilterSubject = start->filter;
    config->AckPolicy = js_AckNone;
    config->MemoryStorage = true;
    config->Replicas = 1;
    config->InactiveThreshold = INACTIVE_NS;
    switch (start->from) {
    case JS_PULL_FROM_SEQUENCE:
        config->DeliverPolicy = js_DeliverByStartSequence;
        config->OptStartSeq = start->sequence;
        break;
    case JS_PULL_FROM_TIME:
        config->DeliverPolicy = js_DeliverByStartTime;
        /* The library (3.4) writes a fraction without its leading zeros: .024 becomes .24. The reader leaves out messages that are too old. */
        config->OptStartTime = start->time_ns - start->time_ns % NS_PER_S;
        break;
    case JS_PULL_FROM_LAST:
        config->DeliverPolicy = js_DeliverLastPerSubject;
        break;
    }
}

/*
 * Before it answers, the server counts what is pending, which takes it seconds where there are very many subjects:
 * asked again each time after the same wait, it would never be done. A server of several may also be one that is gone,
 * which the next consumer may not be placed on: there only the slowest question gets the time.
 */
static int64_t create_wait_ms(const struct js_pull *pull, const struct js_pull_start *start)
{
    bool is_slow = start->from == JS_PULL_FROM_LAST || pull->session->replicas <= 1;
    return is_slow ? (int64_t)CALL_WAIT_MS << pull->patience : CALL_WAIT_MS;
}

static void learn_patience(struct js_pull *pull, natsStatus status)
{
    if (status == NATS_OK)
        pull->patience = 0;
    else if (status == NATS_TIMEOUT && pull->patience < PATIENCE_MAX)
        ++pull->patience;
}

enum js_pull_status js_pull_open(struct js_pull *pull, const struct js_pull_start *start)
{
    struct js_session *session = pull->session;
    jsConsumerConfig config;
    jsConsumerInfo *info = NULL;
    jsOptions options;
    jsErrCode error = 0;
    if (!js_pull_close(pull))
        return JS_PULL_FAILED;
    jsOptions_Init(&options);
    options.Wait = create_wait_ms(pull, start);
    /* Named by us: if no answer comes, it can be deleted all the same. */
    const char *random = strchr(pull->inbox.prefix, '.') + 1;
    snprintf(pull->consumer, sizeof(pull->consumer), "freshet-%.*s-%" PRIu64, (int)strcspn(random, "."), random,
             ++pull->consumers);
    fill_config(start, pull->consumer, &config);
    natsStatus status = js_AddConsumer(&info, session->js, session->stream, &config, &options, &error);
    note_answer(pull, "consumer-create", status, error);
    learn_patience(pull, status);
    pull->is_unanswered = status == NATS_TIMEOUT;
    if (status != NATS_OK) {
        if (error != 0 || status == NATS_NO_RESPONDERS)
            pull->consumer[0] = '\0';
        return JS_PULL_FAILED;
    }
    pull->is_open = true;
    pull->pending = info->NumPending;
    pull->start = info->Delivered.Stream + 1;
    pull->sequence = 0;
    pull->waited_ns = 0;
    pull->is_snapshot = start->from == JS_PULL_FROM_LAST;
    pull->left = 0;
    jsConsumerInfo_Destroy(info);
    return JS_PULL_OK;
}

bool js_pull_close(struct js_pull *pull)
{
    jsOptions options;
    jsErrCode error = 0;
    forget_messages(pull);
    if (pull->consumer[0] == '\0')
        return true;
    /* Perhaps it was placed on a server that is gone: the others delete it, and none answers. */
    bool is_forgotten = pull->is_unanswered && pull->session->replicas > 1;
    jsOptions_Init(&options);
    options.Wait = is_forgotten ? FORGET_WAIT_MS : CALL_WAIT_MS;
    natsStatus status = js_DeleteConsumer(pull->session->js, pull->session->stream, pull->consumer, &options, &error);
    if (error == JSConsumerNotFoundErr || error == JSStreamNotFoundErr)
        status = NATS_OK;
    note_answer(pull, "consumer-delete", status, error);
    if (status != NATS_OK && !(is_forgotten && status == NATS_TIMEOUT))
        return false;
    pull->consumer[0] = '\0';
    return true;
}

/* ---- pulling ---- */

static unsigned snapshot_batch(const struct js_pull *pull)
{
    unsigned batch = BATCH_BYTES / (pull->average + 1);
    return batch < 2 ? 2 : batch < JS_PULL_MESSAGES ? batch : JS_PULL_MESSAGES;
}

/*
 * A server of the 2.9 series loses a message of a snapshot that a pull's
 * max_bytes or expiry holds back: there the number alone bounds it.
 */
static bool send_pull(struct js_pull *pull)
{
    char subject[512], reply[sizeof(pull->inbox.prefix) + 24], limits[64] = "", text[128];
    unsigned batch = pull->is_snapshot ? snapshot_batch(pull) : pull->is_oversize ? 1 : JS_PULL_MESSAGES;
    if (!pull->is_snapshot)
        snprintf(limits, sizeof(limits), ",\"max_bytes\":%d,\"expires\":%d", pull->is_oversize ? 0 : BATCH_BYTES,
                 pull->pending == 0 ? EXPIRES_NS : 0);
    snprintf(text, sizeof(text), "{\"batch\":%u,\"no_wait\":true%s}", batch, limits);
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", pull->session->stream, pull->consumer);
    snprintf(reply, sizeof(reply), "%s%" PRIu64, pull->inbox.prefix, ++pull->requests);
    natsStatus status = natsConnection_PublishRequestString(pull->session->connection, subject, reply, text);
    pull->is_requested = status == NATS_OK;
    pull->has_message = pull->is_oversize = false;
    pull->left = batch;
    return pull->is_requested;
}

static bool is_of_consumer(const struct js_pull *pull, const char *reply)
{
    const char *found = strstr(reply, pull->consumer);
    return found != NULL && found[-1] == '.' && found[strlen(pull->consumer)] == '.';
}

/* Consumers of before may still be heard, and so may their pulls. */
enum verdict { VERDICT_MESSAGE, VERDICT_STALE, VERDICT_DRAINED, VERDICT_END, VERDICT_LOST };

static enum verdict judge_message(struct js_pull *pull, natsMsg *msg, struct js_metadata *metadata)
{
    const char *reply = natsMsg_GetReply(msg);
    if (!is_of_consumer(pull, reply))
        return VERDICT_STALE;
    /* One that is missing was dropped on the way, so what follows is not all that follows. */
    if (!js_metadata_read(reply, metadata) || metadata->consumer_sequence != pull->sequence + 1)
        return VERDICT_LOST;
    pull->sequence = metadata->consumer_sequence;
    pull->pending = metadata->pending;
    pull->has_message = true;
    if (pull->left != 0 && --pull->left == 0)
        pull->is_requested = false;
    uint32_t size = (uint32_t)natsMsg_GetDataLength(msg) + 128;
    pull->average = size > pull->average ? size : (uint32_t)(((uint64_t)pull->average * 7 + size) / 8);
    return VERDICT_MESSAGE;
}

static enum verdict judge_status(struct js_pull *pull, natsMsg *msg)
{
    char current[sizeof(pull->inbox.prefix) + 24];
    const char *code, *description = "";
    snprintf(current, sizeof(current), "%s%" PRIu64, pull->inbox.prefix, pull->requests);
    if (strcmp(natsMsg_GetSubject(msg), current) != 0)
        return VERDICT_STALE;
    if (natsMsgHeader_Get(msg, "Status", &code) != NATS_OK)
        return VERDICT_LOST;
    if (code[0] == '1') /* a heartbeat, or the like */
        return VERDICT_STALE;
    natsMsgHeader_Get(msg, "Description", &description);
    pull->is_requested = false;
    if (strcmp(code, "404") == 0 || strcmp(code, "408") == 0) {
        pull->pending = 0;
        return VERDICT_END;
    }
    if (strcmp(code, "409") == 0 && strstr(description, "MaxBytes") != NULL) {
        pull->is_oversize = !pull->has_message;
        return VERDICT_DRAINED;
    }
    log_write_limited(LOG_INFO, "jetstream-pull-failed", log_str("stream", pull->session->stream),
                      log_str("status", code), log_str("reason", description));
    return VERDICT_LOST;
}

static enum verdict judge_arrival(struct js_pull *pull, natsMsg *msg)
{
    struct js_metadata metadata;
    enum verdict verdict =
        natsMsg_GetReply(msg) != NULL ? judge_message(pull, msg, &metadata) : judge_status(pull, msg);
    if (verdict == VERDICT_MESSAGE)
        pull->queue[(pull->head + pull->count++) % JS_PULL_MESSAGES] = (struct js_pulled){msg, metadata};
    else
        natsMsg_Destroy(msg);
    return verdict;
}

/* What it means that no message came. STALE: wait on. */
static enum verdict judge_silence(struct js_pull *pull, natsStatus status, int64_t waited_ns)
{
    if (status == NATS_SLOW_CONSUMER) {
        /* Messages of a snapshot, larger than those before them: fewer at a time. */
        pull->average = BATCH_BYTES;
        return VERDICT_LOST;
    }
    if (status != NATS_TIMEOUT)
        return VERDICT_LOST;
    if (waited_ns < SILENCE_MS * NS_PER_MS)
        return VERDICT_STALE;
    /* Pulls from a consumer that is gone are not answered at all. Of a snapshot, the rest may have been superseded. */
    return pull->is_snapshot ? VERDICT_END : VERDICT_LOST;
}

static enum verdict receive_message(struct js_pull *pull, int64_t wait_ms, int64_t waited_ns)
{
    natsMsg *msg = NULL;
    natsStatus status = natsSubscription_NextMsg(&msg, pull->inbox.subscription, wait_ms);
    return status == NATS_OK ? judge_arrival(pull, msg) : judge_silence(pull, status, waited_ns);
}

/* VERDICT_STALE is no news. */
static enum js_pull_status status_of(enum verdict verdict)
{
    static const enum js_pull_status statuses[] = {
        [VERDICT_MESSAGE] = JS_PULL_OK,
        [VERDICT_DRAINED] = JS_PULL_DRAINED,
        [VERDICT_END] = JS_PULL_END,
        [VERDICT_LOST] = JS_PULL_FAILED,
    };
    CHECK(verdict != VERDICT_STALE);
    return statuses[verdict];
}

/* For one more message to be in the queue. */
static enum js_pull_status await_message(struct js_pull *pull, bool patient)
{
    int64_t since_ns = 0, waited_ns = 0;
    while (!atomic_load(pull->interrupt)) {
        bool at_end = pull->pending == 0 && (!patient || pull->is_snapshot);
        if (!pull->is_requested && at_end)
            return JS_PULL_END;
        if (!pull->is_requested && !send_pull(pull))
            return JS_PULL_FAILED;
        /* Most are here already, and need no clock. */
        enum verdict verdict = receive_message(pull, since_ns == 0 ? 0 : SLICE_MS, waited_ns);
        if (since_ns == 0)
            since_ns = verdict == VERDICT_MESSAGE ? 0 : clock_mono_ns();
        else
            waited_ns = clock_mono_ns() - since_ns;
        if (verdict == VERDICT_MESSAGE) {
            pull->timeouts = 0;
            pull->waited_ns += waited_ns;
        }
        if (verdict != VERDICT_STALE)
            return status_of(verdict);
        if (at_end)
            return JS_PULL_END;
    }
    return JS_PULL_FAILED;
}

enum js_pull_status js_pull_next(struct js_pull *pull, bool patient)
{
    enum js_pull_status status = JS_PULL_OK;
    CHECK(pull->is_open);
    if (pull->count == 0 && pull->then != JS_PULL_OK) {
        status = pull->then;
        pull->then = JS_PULL_OK;
    } else if (pull->count == 0) {
        status = await_message(pull, patient);
    }
    if (status == JS_PULL_OK)
        pull->metadata = js_pull_peek(pull, 0)->metadata;
    return status;
}

void js_pull_gather(struct js_pull *pull)
{
    int64_t now_ns = clock_mono_ns(), end_ns = now_ns + GATHER_NS;
    /* one place is left, for js_pull_put_first */
    while (pull->count < JS_PULL_MESSAGES - 1 && pull->is_requested && pull->pending != 0 && pull->then == JS_PULL_OK &&
           now_ns < end_ns && !atomic_load(pull->interrupt)) {
        enum verdict verdict = receive_message(pull, (end_ns - now_ns) / NS_PER_MS + 1, 0);
        int64_t before_ns = now_ns;
        now_ns = clock_mono_ns();
        if (verdict == VERDICT_MESSAGE)
            pull->waited_ns += now_ns - before_ns;
        else if (verdict != VERDICT_STALE)
            pull->then = status_of(verdict);
    }
}

const struct js_pulled *js_pull_peek(const struct js_pull *pull, unsigned n)
{
    CHECK(n < pull->count);
    return &pull->queue[(pull->head + n) % JS_PULL_MESSAGES];
}

unsigned js_pull_queued(const struct js_pull *pull)
{
    return pull->count;
}

void js_pull_put_first(struct js_pull *pull, natsMsg *message, const struct js_metadata *metadata)
{
    CHECK(pull->is_open && pull->count < JS_PULL_MESSAGES);
    pull->head = (pull->head + JS_PULL_MESSAGES - 1) % JS_PULL_MESSAGES;
    pull->queue[pull->head] = (struct js_pulled){message, *metadata};
    ++pull->count;
}

void js_pull_taken(struct js_pull *pull)
{
    natsMsg_Destroy(js_pull_peek(pull, 0)->message);
    pull->head = (pull->head + 1) % JS_PULL_MESSAGES;
    --pull->count;
}

bool js_pull_is_drained(const struct js_pull *pull)
{
    return pull->count == 0 && pull->then == JS_PULL_OK && !pull->is_requested && pull->pending != 0;
}
