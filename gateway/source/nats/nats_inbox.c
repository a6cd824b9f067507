/* nats_inbox.c - what other threads leave for the control thread of a NATS source */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_inbox.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/core/source.h"
#include "gateway/source/nats/nats_state.h"

static void reset_ends(struct nats_inbox *inbox)
{
    inbox->opens_end = &inbox->work.opens;
    inbox->closes_end = &inbox->work.closes;
    inbox->publishes_end = &inbox->work.publishes;
    inbox->questions_end = &inbox->work.questions;
    inbox->denials_end = &inbox->work.denials;
}

void nats_inbox_init(struct nats_inbox *inbox)
{
    lock_init(&inbox->lock);
    condition_init(&inbox->changed);
    condition_init(&inbox->marked);
    reset_ends(inbox);
}

void nats_inbox_dispose(struct nats_inbox *inbox)
{
    CHECK(inbox->work.opens == NULL && inbox->publish_count == 0 && inbox->question_count == 0);
    condition_dispose(&inbox->marked);
    condition_dispose(&inbox->changed);
    lock_dispose(&inbox->lock);
}

/* The lock is held. */
static void wake_control(struct nats_inbox *inbox)
{
    inbox->has_work = true;
    condition_signal(&inbox->changed);
}

/* ---- what the core asks for ---- */

bool nats_inbox_open(struct nats_inbox *inbox, struct nats_channel *channel)
{
    lock_take(&inbox->lock);
    bool takes = !inbox->is_over;
    if (takes) {
        *inbox->opens_end = channel;
        inbox->opens_end = &channel->next_open;
        wake_control(inbox);
    }
    lock_give(&inbox->lock);
    return takes;
}

bool nats_inbox_close(struct nats_inbox *inbox, struct nats_channel *channel)
{
    lock_take(&inbox->lock);
    bool takes = !inbox->is_over;
    if (takes) {
        *inbox->closes_end = channel;
        inbox->closes_end = &channel->next_close;
        wake_control(inbox);
    }
    lock_give(&inbox->lock);
    return takes;
}

bool nats_inbox_publish(struct nats_inbox *inbox, struct publish *publish)
{
    lock_take(&inbox->lock);
    bool takes = !inbox->is_over && !inbox->work.is_stopping && inbox->publish_count < NATS_PUBLISHES_MAX;
    if (takes) {
        ++inbox->publish_count;
        *inbox->publishes_end = publish;
        inbox->publishes_end = &publish->next;
        wake_control(inbox);
    }
    lock_give(&inbox->lock);
    return takes;
}

bool nats_inbox_ask(struct nats_inbox *inbox, struct nats_question *question)
{
    lock_take(&inbox->lock);
    bool takes = !inbox->is_over && !inbox->work.is_stopping && inbox->question_count < NATS_QUESTIONS_MAX;
    if (takes) {
        ++inbox->question_count;
        *inbox->questions_end = question;
        inbox->questions_end = &question->next;
        wake_control(inbox);
    }
    lock_give(&inbox->lock);
    return takes;
}

void nats_inbox_done(struct nats_inbox *inbox, unsigned publishes, unsigned questions)
{
    lock_take(&inbox->lock);
    CHECK(inbox->publish_count >= publishes && inbox->question_count >= questions);
    inbox->publish_count -= publishes;
    inbox->question_count -= questions;
    lock_give(&inbox->lock);
}

void nats_inbox_stop(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    inbox->work.is_stopping = true;
    wake_control(inbox);
    condition_broadcast(&inbox->marked);
    lock_give(&inbox->lock);
}

/* ---- what the client library's threads report ---- */

void nats_inbox_up(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    inbox->work.link.is_up = true;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void nats_inbox_down(struct nats_inbox *inbox)
{
    struct nats_link_news *news = &inbox->work.link;
    lock_take(&inbox->lock);
    news->is_up = false;
    ++news->downs_ever;
    if (news->downs++ == 0)
        news->down_since_ns = clock_mono_ns();
    wake_control(inbox);
    lock_give(&inbox->lock);
}

/* The lock is held. */
static void note_reason(struct nats_link_news *news, natsStatus reason, const char *text)
{
    news->reason = reason;
    snprintf(news->reason_text, sizeof(news->reason_text), "%s", text != NULL ? text : "");
}

void nats_inbox_closed(struct nats_inbox *inbox, natsStatus reason, const char *text)
{
    struct nats_link_news *news = &inbox->work.link;
    lock_take(&inbox->lock);
    news->is_up = false;
    news->is_closed = true;
    note_reason(news, reason, text);
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void nats_inbox_denied(struct nats_inbox *inbox, const char *text)
{
    struct nats_denial *denial = check_calloc(1, sizeof(*denial));
    snprintf(denial->text, sizeof(denial->text), "%s", text);
    lock_take(&inbox->lock);
    *inbox->denials_end = denial;
    inbox->denials_end = &denial->next;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void nats_inbox_slow(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    inbox->work.has_slow_consumer = true;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void nats_inbox_completed(struct nats_inbox *inbox, struct nats_feed *feed)
{
    lock_take(&inbox->lock);
    feed->next = inbox->work.completed;
    inbox->work.completed = feed;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void nats_inbox_connected(struct nats_inbox *inbox, natsConnection *connection, unsigned downs, natsStatus status,
                          const char *text)
{
    struct nats_link_news *news = &inbox->work.link;
    lock_take(&inbox->lock);
    news->is_connector_done = true;
    news->connection = connection;
    /* No callback reports an immediate success; one may already have reported its end. */
    if (status == NATS_OK && news->downs_ever == downs)
        news->is_up = true;
    if (connection == NULL)
        note_reason(news, status, text);
    wake_control(inbox);
    lock_give(&inbox->lock);
}

unsigned nats_inbox_count_downs(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    unsigned downs = inbox->work.link.downs_ever;
    lock_give(&inbox->lock);
    return downs;
}

/* ---- control ---- */

/* Everything at once, so that requests of any number share one round trip. The lock is held. */
static void empty_inbox(struct nats_inbox *inbox, struct nats_work *work)
{
    *work = inbox->work;
    /* States stay; events are reported once. */
    inbox->work = (struct nats_work){
        .link = {.is_up = work->link.is_up, .downs_ever = work->link.downs_ever},
        .is_stopping = work->is_stopping,
    };
    reset_ends(inbox);
    inbox->has_work = false;
}

bool nats_inbox_take(struct nats_inbox *inbox, struct nats_work *work, int64_t until_ns)
{
    bool in_time = true;
    lock_take(&inbox->lock);
    while (!inbox->has_work && in_time)
        in_time = condition_wait_until(&inbox->changed, &inbox->lock, until_ns);
    bool has_work = inbox->has_work;
    empty_inbox(inbox, work);
    lock_give(&inbox->lock);
    return has_work;
}

void nats_inbox_take_last(struct nats_inbox *inbox, struct nats_work *work)
{
    lock_take(&inbox->lock);
    CHECK(!inbox->is_over);
    empty_inbox(inbox, work);
    inbox->is_over = true;
    lock_give(&inbox->lock);
}

struct nats_denial *nats_inbox_take_denials(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    struct nats_denial *denials = inbox->work.denials;
    inbox->work.denials = NULL;
    inbox->denials_end = &inbox->work.denials;
    lock_give(&inbox->lock);
    return denials;
}

/* The lock is held. */
static unsigned count_denials(const struct nats_inbox *inbox, const char *text)
{
    unsigned count = 0;
    for (const struct nats_denial *denial = inbox->work.denials; denial != NULL; denial = denial->next)
        count += strcmp(denial->text, text) == 0;
    return count;
}

void nats_inbox_await_denials(struct nats_inbox *inbox, const char *text, unsigned count, int64_t until_ns)
{
    bool in_time = true;
    lock_take(&inbox->lock);
    while (in_time && count_denials(inbox, text) < count)
        in_time = condition_wait_until(&inbox->changed, &inbox->lock, until_ns);
    lock_give(&inbox->lock);
}

bool nats_inbox_is_up(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    bool is_up = inbox->work.link.is_up;
    lock_give(&inbox->lock);
    return is_up;
}

/* ---- delivery waits for marks ---- */

bool nats_inbox_await_mark(struct nats_inbox *inbox, const _Atomic uint64_t *marked, uint64_t session, int64_t until_ns)
{
    bool in_time = true;
    lock_take(&inbox->lock);
    while (in_time && !inbox->work.is_stopping && atomic_load(marked) < session)
        in_time = condition_wait_until(&inbox->marked, &inbox->lock, until_ns);
    bool stop = inbox->work.is_stopping;
    lock_give(&inbox->lock);
    return !stop;
}

void nats_inbox_wake_marked(struct nats_inbox *inbox)
{
    lock_take(&inbox->lock);
    condition_broadcast(&inbox->marked);
    lock_give(&inbox->lock);
}
