/* mailbox.h - what any thread may hand to a worker's thread */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_MAILBOX_H
#define GATEWAY_CORE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "gateway/base/lock.h"

/* Something to run on the owner's thread. Belongs to the mailbox until it runs, and may free itself then. */
struct mailbox_task {
    void (*run)(struct mailbox_task *task);
    struct mailbox_task *next;
};

/* "Look at this", set by any thread any number of times and taken once. Lies in the object to be looked at. */
struct mailbox_mark {
    _Atomic bool is_set; /* it is in the mailbox */
    struct mailbox_mark *next;
};

/*
 * One per worker, embedded in its hub. Tasks run once each, in the order in
 * which one thread has posted them. A wake-up is coalesced: `wake` is called
 * for the first of all that come before the owner has answered it.
 *
 * Lock order: this lock is the innermost; nothing is called while it is held.
 */
struct mailbox {
    void (*wake)(void *arg); /* any thread: makes the owner's loop turn soon */
    void *wake_arg;
    unsigned index; /* in the registry */
    _Atomic bool is_woken;
    struct lock lock; /* of the next ones */
    struct mailbox_mark *marks;
    struct mailbox_task *tasks, **tasks_end;
};

void mailbox_init(struct mailbox *mailbox, void (*wake)(void *arg), void *wake_arg);
/* It is empty, and no thread posts any more. */
void mailbox_dispose(struct mailbox *mailbox);

/* ---- any thread ---- */
void mailbox_wake(struct mailbox *mailbox);
/* Wakes the owner, too. */
void mailbox_post(struct mailbox *mailbox, struct mailbox_task *task);
/* Doesn't wake the owner: see registry_wake. The lock of the channel that the mark stands for is held. */
void mailbox_mark(struct mailbox *mailbox, struct mailbox_mark *mark);

/* ---- the owner's thread ---- */
/* Was it woken since it was asked last? What the waker wrote before is seen from here on. */
bool mailbox_take_wake(struct mailbox *mailbox);
/* Runs all tasks there are, but not those that they post. */
void mailbox_run_tasks(struct mailbox *mailbox);
/* Takes all marks, to be gone through with mailbox_next_mark. */
struct mailbox_mark *mailbox_take_marks(struct mailbox *mailbox);
/* Unsets one that was taken, before its object is looked at, so that it can be set again. The mark after it, or NULL. */
struct mailbox_mark *mailbox_next_mark(struct mailbox_mark *mark);
/* The mark's object is about to be freed, and no thread sets it any more. */
void mailbox_unmark(struct mailbox *mailbox, struct mailbox_mark *mark);

#endif
