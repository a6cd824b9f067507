/* js_hole.c - control asks what the stream holds where the consumer has delivered nothing */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_hole.h"

#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_delivery.h"
#include "gateway/source/jetstream/js_held.h"
#include "gateway/source/jetstream/js_live.h"
#include "gateway/source/jetstream/js_rewind.h"
#include "gateway/source/jetstream/js_state.h"

#define QUESTIONS_MAX 64
/* Handed over under one hold of live.lock: opening a channel waits for it. */
#define RELEASE_MAX 64
/* Fetched one by one; for more a consumer is faster, which begins where they do. */
#define FETCH_MAX 8
#define BUDGET_NS 20000000 /* in a row: control has more to do */
#define HOLE_RETRY_MS 500  /* a question that wasn't answered is asked again */
#define FAILURES_MAX 4     /* questions in a row without an answer: perhaps another server gives one */
_Static_assert(HOLE_RETRY_MS << (FAILURES_MAX - 1) <= 4000, "the longest pause of a session");

/* live.lock is held. Only control makes consumers, so this is still the one that it looked at before. */
static bool is_working(const struct js_source *source, const struct js_link *link)
{
    return source->live.is_working && source->live.link == link;
}

static size_t list_questions(struct js_source *source, const struct js_link *link, struct js_question *questions)
{
    struct js_live *live = &source->live;
    size_t count = 0;
    lock_take(&live->lock);
    for (struct js_held *held = live->held; held != NULL && count != QUESTIONS_MAX && is_working(source, link);
         held = held->next) {
        if (held->first != 0)
            questions[count++].at_least = held->first - live->base;
    }
    lock_give(&live->lock);
    return count;
}

/* What has come meanwhile stands behind those that were asked about. */
static void note_answers(struct js_source *source, const struct js_link *link, const struct js_question *questions,
                         size_t count)
{
    struct js_live *live = &source->live;
    size_t i = 0;
    lock_take(&live->lock);
    for (struct js_held *held = live->held; held != NULL && i != count && is_working(source, link); held = held->next) {
        if (held->first == 0)
            continue;
        uint64_t found = questions[i++].found;
        bool is_missing = found < held->end - live->base;
        held->first = is_missing ? live->base + found : 0;
        if (is_missing && !held->is_missing)
            js_ask_report_skip(source->stream, found, held->end - live->base);
        held->is_missing = is_missing;
    }
    lock_give(&live->lock);
}

/* live.lock is held. */
static bool is_releasable(const struct js_source *source, const struct js_link *link)
{
    return is_working(source, link) && source->live.held != NULL && source->live.held->first == 0;
}

/* live.lock is held. */
static void release_held(struct js_source *source, struct js_held *held)
{
    if (held->kind == JS_HELD_HEARTBEAT)
        js_delivery_reach(source, held->end - 1);
    else if (held->kind == JS_HELD_EVENT)
        js_delivery_append(source, held->msg, &held->arrival);
    js_held_free(held);
}

/* True: there is more that can go. */
static bool release_some(struct js_source *source, struct js_link *link)
{
    struct js_live *live = &source->live;
    struct js_held *flow = NULL;
    bool more = true;
    lock_take(&live->lock);
    for (unsigned i = 0; i != RELEASE_MAX && flow == NULL && more; ++i) {
        more = is_releasable(source, link);
        if (more && live->held->kind == JS_HELD_FLOW)
            flow = js_held_take(live);
        else if (more)
            release_held(source, js_held_take(live));
    }
    lock_give(&live->lock);
    if (flow != NULL) {
        natsConnection_Publish(link->session.connection, natsMsg_GetReply(flow->msg), NULL, 0);
        js_held_free(flow);
    }
    return more;
}

/* The number that comes next and that the consumer has passed over; 0: there is none. */
static uint64_t next_missing(struct js_source *source, const struct js_link *link)
{
    struct js_live *live = &source->live;
    lock_take(&live->lock);
    bool is_missing = is_working(source, link) && live->held != NULL && live->held->is_missing;
    uint64_t number = is_missing ? live->held->first : 0;
    lock_give(&live->lock);
    return number;
}

/* False: no answer. A message that was deleted meanwhile counts as fetched. */
static bool fetch_missing(struct js_source *source, struct js_link *link, uint64_t number)
{
    struct js_live *live = &source->live;
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetMsg(&msg, link->session.js, source->stream, number - live->base, NULL, &code);
    if (status != NATS_OK && code != JSNoMessageFoundErr)
        return false;
    lock_take(&live->lock);
    if (is_working(source, link)) {
        live->held->first = number + 1 < live->held->end ? number + 1 : 0;
        live->held->is_missing = live->held->first != 0;
        if (status == NATS_OK)
            js_delivery_append(source, msg,
                               &(struct js_arrival){.number = number,
                                                    .stored_ns = natsMsg_GetTime(msg),
                                                    .arrived_ns = clock_mono_ns(),
                                                    .pending = UINT64_MAX});
    }
    lock_give(&live->lock);
    natsMsg_Destroy(msg);
    return true;
}

/* Held messages stay held. If the connection is at fault, another one may get an answer. */
static void ask_later(struct js_source *source, struct js_link *link)
{
    source->hole_at_ns = clock_mono_ns() + (HOLE_RETRY_MS << link->hole_failures) * NS_PER_MS;
    if (++link->hole_failures == FAILURES_MAX)
        js_inbox_give_up(&source->inbox, &link->session);
}

static void begin_again(struct js_source *source, const struct js_link *link)
{
    lock_take(&source->live.lock);
    if (is_working(source, link)) {
        js_rewind_keep_progress(source);
        js_live_break_off(source, "the consumer has passed over many messages that the stream holds");
    }
    lock_give(&source->live.lock);
}

int64_t js_hole_due(struct js_source *source)
{
    CHECK_THREAD(source);
    lock_take(&source->live.lock);
    bool waits = source->live.held != NULL;
    lock_give(&source->live.lock);
    return waits ? source->hole_at_ns : 0;
}

/* False: no answer, or the consumer has to begin again. */
static bool settle_next(struct js_source *source, struct js_link *link, struct js_question *questions, size_t count)
{
    if (js_ask_each(&link->session, &link->answers, &source->inbox.is_stopping, ">", questions, count) !=
        JS_ANSWER_OK) {
        ask_later(source, link);
        return false;
    }
    link->hole_failures = 0;
    note_answers(source, link, questions, count);
    while (release_some(source, link))
        ;
    uint64_t missing = next_missing(source, link);
    if (missing == 0) {
        source->hole_fetched = 0;
    } else if (source->hole_fetched++ == FETCH_MAX) {
        source->hole_fetched = 0;
        begin_again(source, link);
        return false;
    } else if (!fetch_missing(source, link, missing)) {
        ask_later(source, link);
        return false;
    }
    while (release_some(source, link))
        ;
    return true;
}

void js_hole_settle(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    struct js_question questions[QUESTIONS_MAX];
    int64_t now_ns = clock_mono_ns(), end_ns = now_ns + BUDGET_NS;
    size_t count;
    if (now_ns < source->hole_at_ns)
        return;
    while ((count = list_questions(source, link, questions)) != 0) {
        if (!settle_next(source, link, questions, count))
            return;
        now_ns = clock_mono_ns();
        if (now_ns >= end_ns) {
            source->hole_at_ns = now_ns; /* as soon as the rest has had its turn */
            return;
        }
    }
}
