/* mailbox.c - what any thread may hand to a worker's thread */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/mailbox.h"

#include <stddef.h>

#include "gateway/base/check.h"
#include "gateway/base/lock.h"

void mailbox_init(struct mailbox *mailbox, void (*wake)(void *arg), void *wake_arg)
{
    *mailbox = (struct mailbox){.wake = wake, .wake_arg = wake_arg};
    mailbox->tasks_end = &mailbox->tasks;
    lock_init(&mailbox->lock);
}

void mailbox_dispose(struct mailbox *mailbox)
{
    CHECK(mailbox->tasks == NULL && mailbox->marks == NULL);
    lock_dispose(&mailbox->lock);
}

void mailbox_wake(struct mailbox *mailbox)
{
    if (!atomic_exchange(&mailbox->is_woken, true))
        mailbox->wake(mailbox->wake_arg);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_task *task)
{
    task->next = NULL;
    lock_take(&mailbox->lock);
    *mailbox->tasks_end = task;
    mailbox->tasks_end = &task->next;
    lock_give(&mailbox->lock);
    mailbox_wake(mailbox);
}

void mailbox_mark(struct mailbox *mailbox, struct mailbox_mark *mark)
{
    if (atomic_exchange(&mark->is_set, true))
        return;
    lock_take(&mailbox->lock);
    mark->next = mailbox->marks;
    mailbox->marks = mark;
    lock_give(&mailbox->lock);
}

bool mailbox_take_wake(struct mailbox *mailbox)
{
    if (!atomic_load_explicit(&mailbox->is_woken, memory_order_relaxed))
        return false;
    atomic_exchange(&mailbox->is_woken, false); /* an exchange: it must see what the waker wrote before */
    return true;
}

void mailbox_run_tasks(struct mailbox *mailbox)
{
    lock_take(&mailbox->lock);
    struct mailbox_task *task = mailbox->tasks;
    mailbox->tasks = NULL;
    mailbox->tasks_end = &mailbox->tasks;
    lock_give(&mailbox->lock);
    while (task != NULL) {
        struct mailbox_task *next = task->next;
        task->run(task);
        task = next;
    }
}

struct mailbox_mark *mailbox_take_marks(struct mailbox *mailbox)
{
    lock_take(&mailbox->lock);
    struct mailbox_mark *marks = mailbox->marks;
    mailbox->marks = NULL;
    lock_give(&mailbox->lock);
    return marks;
}

struct mailbox_mark *mailbox_next_mark(struct mailbox_mark *mark)
{
    struct mailbox_mark *next = mark->next; /* read first: once unset, another thread may put it into the list again */
    atomic_store(&mark->is_set, false);
    return next;
}

void mailbox_unmark(struct mailbox *mailbox, struct mailbox_mark *mark)
{
    lock_take(&mailbox->lock);
    for (struct mailbox_mark **slot = &mailbox->marks; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == mark) {
            *slot = mark->next;
            break;
        }
    }
    lock_give(&mailbox->lock);
}
