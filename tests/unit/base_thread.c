/* base_thread.c - locks know their holder, conditions their deadline, threads their name and mask */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/thread.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "gateway/base/clock.h"

struct meeting {
    pthread_t thread; /* of the one that waits */
    struct lock lock;
    struct condition changed;
    bool is_there, may_go;
    char name[THREAD_NAME_MAX];
    sigset_t mask;
};

static void *meet(void *arg)
{
    struct meeting *meeting = arg;

    pthread_sigmask(SIG_BLOCK, NULL, &meeting->mask);
    lock_take(&meeting->lock);
    meeting->thread = pthread_self();
    CHECK_THREAD(meeting);
    meeting->is_there = true;
    condition_broadcast(&meeting->changed);
    while (!meeting->may_go)
        condition_wait(&meeting->changed, &meeting->lock);
    CHECK_HELD(&meeting->lock);
    pthread_getname_np(pthread_self(), meeting->name, sizeof(meeting->name));
    lock_give(&meeting->lock);
    return NULL;
}

static void init_meeting(struct meeting *meeting)
{
    memset(meeting, 0, sizeof(*meeting));
    lock_init(&meeting->lock);
    condition_init(&meeting->changed);
}

static void dispose_meeting(struct meeting *meeting)
{
    condition_dispose(&meeting->changed);
    lock_dispose(&meeting->lock);
}

Test(base_thread, two_threads_meet)
{
    struct meeting meeting;
    pthread_t thread;

    init_meeting(&meeting);
    cr_assert(thread_start(&thread, "meets", 256 * 1024, meet, &meeting));
    lock_take(&meeting.lock);
    while (!meeting.is_there)
        condition_wait_until(&meeting.changed, &meeting.lock, 0);
    CHECK_HELD(&meeting.lock);
    meeting.may_go = true;
    condition_signal(&meeting.changed);
    lock_give(&meeting.lock);
    thread_join(thread);
    cr_assert_str_eq(meeting.name, "meets");
    dispose_meeting(&meeting);
}

Test(base_thread, signals_are_blocked_but_for_faults)
{
    struct meeting meeting;
    pthread_t thread;
    sigset_t before, after;

    init_meeting(&meeting);
    meeting.may_go = true;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    cr_assert(thread_start(&thread, "masked", 0, meet, &meeting));
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    thread_join(thread);
    cr_assert_eq(sigismember(&meeting.mask, SIGTERM), 1);
    cr_assert_eq(sigismember(&meeting.mask, SIGUSR2), 1);
    cr_assert_eq(sigismember(&meeting.mask, SIGSEGV), 0);
    cr_assert_eq(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    dispose_meeting(&meeting);
}

Test(base_thread, a_signal_can_be_accepted_again)
{
    sigset_t before, now;

    thread_block_signals(&before);
    thread_accept_signal(SIGUSR2);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    thread_restore_signals(&before);
    cr_assert_eq(sigismember(&now, SIGUSR2), 0);
    cr_assert_eq(sigismember(&now, SIGUSR1), 1);
}

Test(base_thread, a_wait_ends_at_its_deadline)
{
    struct meeting meeting;
    int64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_MS;

    init_meeting(&meeting);
    lock_take(&meeting.lock);
    while (condition_wait_until(&meeting.changed, &meeting.lock, deadline_ns))
        ;
    CHECK_HELD(&meeting.lock);
    lock_give(&meeting.lock);
    cr_assert_geq(clock_mono_ns(), deadline_ns);
    dispose_meeting(&meeting);
}

Test(base_thread, a_deadline_in_the_past_does_not_wait)
{
    struct meeting meeting;

    init_meeting(&meeting);
    lock_take(&meeting.lock);
    cr_assert_not(condition_wait_until(&meeting.changed, &meeting.lock, 1));
    lock_give(&meeting.lock);
    dispose_meeting(&meeting);
}

static void *enter_foreign(void *arg)
{
    const struct meeting *meeting = arg;

    CHECK_THREAD(meeting);
    return NULL;
}

Test(base_thread, a_foreign_thread_aborts, .signal = SIGABRT)
{
    struct meeting meeting = {.thread = pthread_self()};
    pthread_t thread;

    cr_assert(thread_start(&thread, "foreign", 0, enter_foreign, &meeting));
    thread_join(thread);
}

#ifdef FRESHET_DEBUG
Test(base_thread, a_lock_that_is_not_held_aborts, .signal = SIGABRT)
{
    struct lock lock;

    lock_init(&lock);
    CHECK_HELD(&lock);
}

Test(base_thread, a_lock_given_twice_aborts, .signal = SIGABRT)
{
    struct lock lock;

    lock_init(&lock);
    lock_take(&lock);
    lock_give(&lock);
    lock_give(&lock);
}
#endif
