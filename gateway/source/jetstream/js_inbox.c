/* js_inbox.c - what other threads leave for the control thread of a JetStream source, and what they wait for */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_inbox.h"

#include <stdio.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/js_session.h"

#define RELEASE_POLL_MS 5

static void reset_ends(struct js_inbox *inbox)
{
    inbox->looks_end = &inbox->looks;
    inbox->publishes_end = &inbox->publishes;
}

void js_inbox_init(struct js_inbox *inbox)
{
    lock_init(&inbox->lock);
    condition_init(&inbox->changed);
    condition_init(&inbox->settled);
    reset_ends(inbox);
}

void js_inbox_dispose(struct js_inbox *inbox)
{
    CHECK(inbox->publish_count == 0 && inbox->current == NULL);
    condition_dispose(&inbox->settled);
    condition_dispose(&inbox->changed);
    lock_dispose(&inbox->lock);
}

static void wake_control(struct js_inbox *inbox)
{
    CHECK_HELD(&inbox->lock);
    inbox->has_work = true;
    condition_signal(&inbox->changed);
}

/* ---- what the core asks for ---- */

bool js_inbox_look(struct js_inbox *inbox, struct look *look)
{
    lock_take(&inbox->lock);
    bool takes = !inbox->is_over;
    if (takes) {
        *inbox->looks_end = look;
        inbox->looks_end = &look->next;
        wake_control(inbox);
    }
    lock_give(&inbox->lock);
    return takes;
}

bool js_inbox_publish(struct js_inbox *inbox, struct publish *publish)
{
    lock_take(&inbox->lock);
    bool takes = !inbox->is_over && !atomic_load(&inbox->is_stopping) && inbox->current != NULL &&
                 !atomic_load(&inbox->current->is_over) && inbox->publish_count < JS_PUBLISHES_MAX;
    if (takes) {
        ++inbox->publish_count;
        *inbox->publishes_end = publish;
        inbox->publishes_end = &publish->next;
        wake_control(inbox);
    }
    lock_give(&inbox->lock);
    return takes;
}

void js_inbox_published(struct js_inbox *inbox)
{
    lock_take(&inbox->lock);
    CHECK(inbox->publish_count-- != 0);
    lock_give(&inbox->lock);
}

void js_inbox_stop(struct js_inbox *inbox, bool has_control)
{
    lock_take(&inbox->lock);
    atomic_store(&inbox->is_stopping, true);
    inbox->is_over = inbox->is_over || !has_control;
    wake_control(inbox);
    condition_broadcast(&inbox->settled);
    lock_give(&inbox->lock);
}

/* ---- what other threads report ---- */

void js_inbox_wake(struct js_inbox *inbox)
{
    lock_take(&inbox->lock);
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void js_inbox_give_up(struct js_inbox *inbox, struct js_session *session)
{
    lock_take(&inbox->lock);
    atomic_store(&session->is_over, true);
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void js_inbox_closed(struct js_inbox *inbox, struct js_link_news *news, struct js_session *session)
{
    lock_take(&inbox->lock);
    news->is_closed = true;
    atomic_store(&session->is_over, true);
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void js_inbox_lame_duck(struct js_inbox *inbox, struct js_link_news *news)
{
    lock_take(&inbox->lock);
    news->is_lame_duck = true;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void js_inbox_discovered(struct js_inbox *inbox, struct js_link_news *news)
{
    lock_take(&inbox->lock);
    news->has_discovered = true;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void js_inbox_denied(struct js_inbox *inbox, struct js_link_news *news, const char *text)
{
    lock_take(&inbox->lock);
    snprintf(news->denial, sizeof(news->denial), "%s", text);
    lock_give(&inbox->lock);
}

void js_inbox_listen(struct js_inbox *inbox, struct js_link_news *news)
{
    lock_take(&inbox->lock);
    ++news->listening;
    lock_give(&inbox->lock);
}

void js_inbox_complete(struct js_inbox *inbox, struct js_link_news *news, bool *is_completed)
{
    lock_take(&inbox->lock);
    CHECK(news->listening-- != 0);
    if (is_completed != NULL)
        *is_completed = true;
    wake_control(inbox);
    lock_give(&inbox->lock);
}

void js_inbox_set_warm(struct js_inbox *inbox)
{
    /* asked for each event, and true for all but the first ones */
    if (atomic_load_explicit(&inbox->is_warm, memory_order_relaxed) || atomic_exchange(&inbox->is_warm, true))
        return;
    lock_take(&inbox->lock);
    condition_broadcast(&inbox->settled);
    lock_give(&inbox->lock);
}

void js_inbox_set_fault(struct js_inbox *inbox, const char *text)
{
    lock_take(&inbox->lock);
    if (inbox->fault[0] == '\0')
        snprintf(inbox->fault, sizeof(inbox->fault), "%s", text);
    condition_broadcast(&inbox->settled);
    lock_give(&inbox->lock);
}

/* ---- control ---- */

static void empty_inbox(struct js_inbox *inbox, struct js_link_news *news, struct js_work *work)
{
    CHECK_HELD(&inbox->lock);
    *work = (struct js_work){
        .looks = inbox->looks, .publishes = inbox->publishes, .is_stopping = atomic_load(&inbox->is_stopping)};
    if (news != NULL) {
        work->is_closed = news->is_closed;
        work->is_lame_duck = news->is_lame_duck;
        work->has_discovered = news->has_discovered;
        news->has_discovered = false;
    }
    inbox->looks = NULL;
    inbox->publishes = NULL;
    reset_ends(inbox);
    inbox->has_work = false;
}

void js_inbox_take(struct js_inbox *inbox, struct js_link_news *news, struct js_work *work, int64_t until_ns)
{
    bool in_time = true;
    lock_take(&inbox->lock);
    while (!inbox->has_work && in_time)
        in_time = condition_wait_until(&inbox->changed, &inbox->lock, until_ns);
    empty_inbox(inbox, news, work);
    lock_give(&inbox->lock);
}

void js_inbox_take_last(struct js_inbox *inbox, struct js_work *work)
{
    lock_take(&inbox->lock);
    CHECK(!inbox->is_over);
    empty_inbox(inbox, NULL, work);
    inbox->is_over = true;
    lock_give(&inbox->lock);
}

void js_inbox_set_current(struct js_inbox *inbox, struct js_session *session)
{
    if (session != NULL)
        js_session_retain(session);
    lock_take(&inbox->lock);
    struct js_session *before = inbox->current;
    inbox->current = session;
    condition_broadcast(&inbox->settled);
    lock_give(&inbox->lock);
    if (before != NULL)
        js_session_release(before);
}

bool js_inbox_take_denial(struct js_inbox *inbox, struct js_link_news *news, char text[JS_REASON_MAX])
{
    lock_take(&inbox->lock);
    bool was_denied = news->denial[0] != '\0';
    snprintf(text, JS_REASON_MAX, "%s", news->denial);
    news->denial[0] = '\0';
    lock_give(&inbox->lock);
    return was_denied;
}

bool js_inbox_is_completed(struct js_inbox *inbox, const bool *is_completed)
{
    lock_take(&inbox->lock);
    bool completed = *is_completed;
    lock_give(&inbox->lock);
    return completed;
}

/* A release wakes no thread, hence the polling. Work that has come meanwhile is still new to control afterwards. */
void js_inbox_await_release(struct js_inbox *inbox, const struct js_link_news *news, struct js_session *session,
                            int64_t until_ns)
{
    int64_t now_ns = clock_mono_ns();
    lock_take(&inbox->lock);
    while (!news->is_closed && atomic_load(&session->refs) > 1 && now_ns < until_ns) {
        condition_wait_until(&inbox->changed, &inbox->lock, now_ns + RELEASE_POLL_MS * NS_PER_MS);
        now_ns = clock_mono_ns();
    }
    inbox->has_work = true;
    lock_give(&inbox->lock);
}

bool js_inbox_await_end(struct js_inbox *inbox, const struct js_link_news *news, int64_t until_ns)
{
    bool in_time = true;
    lock_take(&inbox->lock);
    while (in_time && !(news->is_closed && news->listening == 0))
        in_time = condition_wait_until(&inbox->changed, &inbox->lock, until_ns);
    inbox->has_work = true;
    lock_give(&inbox->lock);
    return in_time;
}

/* ---- others that wait ---- */

struct js_session *js_inbox_acquire(struct js_inbox *inbox)
{
    struct js_session *session = NULL;
    lock_take(&inbox->lock);
    while (!atomic_load(&inbox->is_stopping) && (inbox->current == NULL || atomic_load(&inbox->current->is_over)))
        condition_wait(&inbox->settled, &inbox->lock);
    if (!atomic_load(&inbox->is_stopping)) {
        session = inbox->current;
        js_session_retain(session);
    }
    lock_give(&inbox->lock);
    return session;
}

enum js_settled js_inbox_await_settled(struct js_inbox *inbox, int64_t until_ns, char *fault, size_t fault_size)
{
    bool in_time = true;
    lock_take(&inbox->lock);
    while (in_time && !(atomic_load(&inbox->is_warm) && inbox->current != NULL) && !atomic_load(&inbox->is_stopping) &&
           inbox->fault[0] == '\0')
        in_time = condition_wait_until(&inbox->settled, &inbox->lock, until_ns);
    enum js_settled settled = JS_SETTLED_NOT_YET;
    if (inbox->fault[0] != '\0')
        settled = JS_SETTLED_FAULT;
    else if (atomic_load(&inbox->is_warm) && inbox->current != NULL)
        settled = JS_SETTLED_WARM;
    if (settled == JS_SETTLED_FAULT)
        snprintf(fault, fault_size, "%s", inbox->fault);
    lock_give(&inbox->lock);
    return settled;
}
