/* js_inbox.h - what other threads leave for the control thread of a JetStream source, and what they wait for */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_INBOX_H
#define GATEWAY_SOURCE_JETSTREAM_JS_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/condition.h"
#include "gateway/base/lock.h"

struct js_session;
struct look;
struct publish;

#define JS_PUBLISHES_MAX 1024
#define JS_REASON_MAX 256
#define JS_FAULT_MAX (JS_REASON_MAX * 2)

/* News of one session, as the client library's callbacks leave it. Zeroed at first. */
struct js_link_news {
    bool is_closed;             /* the connection is */
    unsigned listening;         /* subscriptions whose end hasn't been reported */
    bool is_lame_duck;          /* its server is about to stop … */
    bool has_discovered;        /* … or has named others, since control looked last */
    char denial[JS_REASON_MAX]; /* what the broker refused last */
};

/* All that was left since control looked last. */
struct js_work {
    struct look *looks;
    struct publish *publishes;
    bool is_stopping;
    bool is_closed, is_lame_duck, has_discovered; /* of the session that was asked about */
};

/*
 * The lock is innermost: it is never held while anything else is called. It
 * guards the news of sessions, too. Nothing in here is touched by other files.
 */
struct js_inbox {
    struct lock lock;
    struct condition changed;   /* for control */
    struct condition settled;   /* for threads that wait for a session, or for the rings */
    bool has_work;              /* anything is new for control */
    bool is_over;               /* control is gone: what is posted now would stay here */
    atomic_bool is_stopping;    /* js_inbox_stop was called; other files may read it, for calls that take long */
    atomic_bool is_warm;        /* the rings are filled */
    struct js_session *current; /* a reference; NULL: none */
    struct look *looks, **looks_end;
    struct publish *publishes, **publishes_end;
    unsigned publish_count; /* not done yet */
    char fault[JS_FAULT_MAX];
};

void js_inbox_init(struct js_inbox *inbox);
/* No publish is in flight. */
void js_inbox_dispose(struct js_inbox *inbox);

/* ---- what the core asks for: any thread ---- */

/* False: control is gone. */
bool js_inbox_look(struct js_inbox *inbox, struct look *look);
/* False: refused, since there is no session, or too many are in flight. Else js_inbox_published has to follow. */
bool js_inbox_publish(struct js_inbox *inbox, struct publish *publish);
/* One is no longer in flight. */
void js_inbox_published(struct js_inbox *inbox);
/* has_control: there is a control thread, which will stop. */
void js_inbox_stop(struct js_inbox *inbox, bool has_control);

/* ---- what other threads report ---- */

/* There is something to do for control. */
void js_inbox_wake(struct js_inbox *inbox);
/* Something is wrong with the session: control ends it. */
void js_inbox_give_up(struct js_inbox *inbox, struct js_session *session);
void js_inbox_closed(struct js_inbox *inbox, struct js_link_news *news, struct js_session *session);
void js_inbox_lame_duck(struct js_inbox *inbox, struct js_link_news *news);
void js_inbox_discovered(struct js_inbox *inbox, struct js_link_news *news);
void js_inbox_denied(struct js_inbox *inbox, struct js_link_news *news, const char *text);
/* A subscription of the session begins to be listened to, and: its end is reported. *is_completed: set then; or NULL. */
void js_inbox_listen(struct js_inbox *inbox, struct js_link_news *news);
void js_inbox_complete(struct js_inbox *inbox, struct js_link_news *news, bool *is_completed);
/* The rings are filled: js_inbox_await_settled returns. */
void js_inbox_set_warm(struct js_inbox *inbox);
/* The configuration has to change: js_inbox_await_settled returns. The first fault counts. */
void js_inbox_set_fault(struct js_inbox *inbox, const char *text);

/* ---- control ---- */

/* Waits for something, until_ns at the latest (0: for ever), and takes all. news: of the session at work, or NULL. */
void js_inbox_take(struct js_inbox *inbox, struct js_link_news *news, struct js_work *work, int64_t until_ns);
/* Takes all; from then on nothing is accepted. */
void js_inbox_take_last(struct js_inbox *inbox, struct js_work *work);
/* The session for others to use, which is retained; NULL: none. */
void js_inbox_set_current(struct js_inbox *inbox, struct js_session *session);
/* What the broker refused last, if anything, which is forgotten then. */
bool js_inbox_take_denial(struct js_inbox *inbox, struct js_link_news *news, char text[JS_REASON_MAX]);
/* Has js_inbox_complete set it? */
bool js_inbox_is_completed(struct js_inbox *inbox, const bool *is_completed);
/* Waits until only control refers to the session, it is closed, or the time has come. */
void js_inbox_await_release(struct js_inbox *inbox, const struct js_link_news *news, struct js_session *session,
                            int64_t until_ns);
/* Waits until the session is closed and nothing of it is listened to. False: the time has come. */
bool js_inbox_await_end(struct js_inbox *inbox, const struct js_link_news *news, int64_t until_ns);

/* ---- others that wait: any thread ---- */

/* Waits for a session and retains it. NULL: the source stops. */
struct js_session *js_inbox_acquire(struct js_inbox *inbox);
/* Waits until the rings are filled and there is a session, or there is a fault; NOT_YET: the time has come. */
enum js_settled { JS_SETTLED_NOT_YET = 0, JS_SETTLED_WARM, JS_SETTLED_FAULT };
enum js_settled js_inbox_await_settled(struct js_inbox *inbox, int64_t until_ns, char *fault, size_t fault_size);

#endif
