/* core_hub.c - tasks, wakes, fair turns, and views without readers */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "gateway/base/random.h"
#include "gateway/base/thread.h"

TestSuite(core_hub, .init = rig_start, .fini = rig_stop);

/* ---- tasks ---- */

struct numbered_task {
    struct mailbox_task task;
    unsigned number;
    struct mailbox_task *posts; /* another one, while it runs */
};

static unsigned ran[64];
static size_t ran_count;

static void run_task(struct mailbox_task *task)
{
    struct numbered_task *mine = (struct numbered_task *)task;
    CHECK_THREAD(&rig.hub);
    ran[ran_count++] = mine->number;
    if (mine->posts != NULL)
        mailbox_post(&rig.hub.mailbox, mine->posts);
    mine->number += 100; /* it is its owner's again: a second run would show */
}

Test(core_hub, tasks_run_once_in_the_order_they_came)
{
    struct numbered_task tasks[8];
    for (unsigned i = 0; i != 8; ++i) {
        tasks[i] = (struct numbered_task){.task.run = run_task, .number = i};
        mailbox_post(&rig.hub.mailbox, &tasks[i].task);
    }
    cr_assert_eq(ran_count, 0, "never in the caller");
    cr_assert_eq(rig.wakes, 1, "one wake for all");
    rig_turn();
    rig_turn();
    cr_assert_eq(ran_count, 8);
    for (unsigned i = 0; i != 8; ++i)
        cr_assert_eq(ran[i], i);
    mailbox_post(&rig.hub.mailbox, &tasks[3].task);
    cr_assert_eq(rig.wakes, 2);
    rig_turn();
    cr_assert_eq(ran[8], 103);
}

Test(core_hub, a_task_posted_by_a_task_runs_in_a_later_turn)
{
    struct numbered_task second = {.task.run = run_task, .number = 2};
    struct numbered_task first = {.task.run = run_task, .number = 1, .posts = &second.task};
    mailbox_post(&rig.hub.mailbox, &first.task);
    turn_run(&rig.hub, rig.now_ns);
    cr_assert_eq(ran_count, 1, "so that tasks that post themselves leave a turn its end");
    cr_assert_eq(rig.wakes, 2);
    rig_turn();
    cr_assert_eq(ran_count, 2);
}

enum { POSTERS = 4, POSTS = 2000 };
static struct mailbox_task posted[POSTERS][POSTS];
static unsigned posted_ran;

static void count_task(struct mailbox_task *task)
{
    task->run = NULL;
    ++posted_ran;
}

static void *post_many(void *arg)
{
    struct mailbox_task *tasks = arg;
    for (unsigned i = 0; i != POSTS; ++i) {
        tasks[i].run = count_task;
        mailbox_post(&rig.hub.mailbox, &tasks[i]);
    }
    return NULL;
}

Test(core_hub, tasks_come_from_any_thread)
{
    pthread_t threads[POSTERS];
    for (unsigned i = 0; i != POSTERS; ++i)
        pthread_create(&threads[i], NULL, post_many, posted[i]);
    while (posted_ran < POSTERS * POSTS / 2)
        rig_turn();
    for (unsigned i = 0; i != POSTERS; ++i)
        pthread_join(threads[i], NULL);
    rig_turn();
    cr_assert_eq(posted_ran, POSTERS * POSTS, "every post is followed by a turn that sees it");
}

static void *open_elsewhere(void *arg)
{
    return rig_open_one(READER_FROM_NOW, NULL, arg);
}

Test(core_hub, a_reader_belongs_to_the_hubs_thread, .signal = SIGABRT)
{
    pthread_t thread;
    char subject[] = "a";
    pthread_create(&thread, NULL, open_elsewhere, subject);
    pthread_join(thread, NULL);
}

/* ---- wakes ---- */

Test(core_hub, wakes_are_one_until_the_next_turn)
{
    struct rig_reader *r = rig_open_now("a");
    unsigned before = rig.wakes;
    rig_publish_n("a", "a", 0, 50);
    mailbox_wake(&rig.hub.mailbox);
    ingress_lost(&rig.source, rig.channels, 1);
    cr_assert_eq(rig.wakes, before + 1);
    rig_flush(r);
    rig_publish("a", "a", "x");
    cr_assert_eq(rig.wakes, before + 2);
    rig_close(r);
}

Test(core_hub, a_channel_nobody_here_reads_wakes_nobody)
{
    struct rig_reader *r = rig_open_now("a");
    rig_close(r);
    rig.now_ns += 2000000000;
    rig_turn();
    unsigned before = rig.wakes;
    rig_publish_n("a", "a", 0, 50);
    cr_assert_eq(rig.wakes, before);
}

/*
 * A publisher that is held up between its append and the move of the horizon:
 * a hub that makes its view in between is not among those it wakes.
 */
static atomic_bool view_is_made, source_is_locked;

static void *finish_publishing(void *arg)
{
    (void)arg;
    lock_take(&rig.source.lock);
    atomic_store(&source_is_locked, true);
    /* either the view is made without us, which is the mistake, or it waits for us: then nothing will happen */
    for (unsigned ms = 0; ms != 300 && !atomic_load(&view_is_made); ++ms)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store(&rig.source.published, rig.source.sequence);
    lock_give(&rig.source.lock);
    return NULL;
}

Test(core_hub, a_view_made_while_a_message_is_being_published_misses_nothing)
{
    pthread_t publisher;
    struct rig_reader *r = rig_open_now("a");
    rig_close(r);
    rig.now_ns += 2000000000;
    rig_turn(); /* the channel lingers without a view */
    uint64_t horizon = atomic_load(&rig.source.published);
    rig_publish("a", "a", "x");
    atomic_store(&rig.source.published, horizon);
    pthread_create(&publisher, NULL, finish_publishing, NULL);
    while (!atomic_load(&source_is_locked))
        ;

    r = rig_open_one(READER_FROM_CURSOR, "abc-1", "a");
    rig_flush(r);
    atomic_store(&view_is_made, true);
    pthread_join(publisher, NULL); /* it finishes; it had no hub to wake */
    RIG_EXPECT(r, "|abc-2|x\n");
    rig_close(r);
}

/* ---- turns ---- */

static size_t count_flying(struct rig_reader *const *readers, size_t count)
{
    size_t flying = 0;
    for (size_t i = 0; i != count; ++i)
        flying += readers[i]->flying;
    return flying;
}

static void open_many(struct rig_reader **readers, size_t count, const char *subject)
{
    for (size_t i = 0; i != count; ++i) {
        readers[i] = rig_open_one(READER_FROM_NOW, NULL, subject);
        rig_flush(readers[i]);
    }
}

static void close_many(struct rig_reader **readers, size_t count)
{
    for (size_t i = 0; i != count; ++i)
        rig_close(readers[i]);
}

Test(core_hub, one_turn_is_bounded_and_the_next_goes_on)
{
    enum { MANY = 5000 };
    static struct rig_reader *many[MANY];
    open_many(many, MANY, "a");
    rig_publish("a", "a", "x");
    size_t turns = 0, flying = 0;
    bool more;
    do {
        more = turn_run(&rig.hub, rig.now_ns);
        size_t now = count_flying(many, MANY);
        cr_assert_leq(now - flying, 2048, "turn %zu looked at %zu", turns, now - flying);
        cr_assert(!more || now > flying, "each turn gets somewhere");
        flying = now;
        ++turns;
    } while (more);
    cr_assert_eq(flying, MANY);
    cr_assert_eq(turns, 3);
    close_many(many, MANY);
}

Test(core_hub, channels_take_turns_whatever_their_size)
{
    enum { MANY = 1500 };
    static struct rig_reader *big[MANY], *other[MANY], *few[3];
    open_many(big, MANY, "big");
    open_many(other, MANY, "other");
    open_many(few, 3, "small");
    rig_publish("big", "big", "x");
    rig_publish("other", "other", "x");
    rig_publish("small", "small", "x");
    cr_assert(turn_run(&rig.hub, rig.now_ns));
    cr_assert_eq(count_flying(few, 3), 3);
    size_t a = count_flying(big, MANY), b = count_flying(other, MANY);
    cr_assert(a > b ? a - b <= 256 : b - a <= 256, "%zu and %zu", a, b);
    rig_turn();
    cr_assert_eq(count_flying(big, MANY) + count_flying(other, MANY), 2 * MANY);
    close_many(big, MANY);
    close_many(other, MANY);
    close_many(few, 3);
}

Test(core_hub, a_reader_closed_while_it_is_pending_is_left_out)
{
    enum { MANY = 3000 };
    static struct rig_reader *many[MANY];
    open_many(many, MANY, "a");
    rig_publish("a", "a", "x");
    cr_assert(turn_run(&rig.hub, rig.now_ns));
    size_t left = 0;
    for (size_t i = 0; i != MANY; ++i) {
        if (!many[i]->flying) {
            rig_close(many[i]); /* among them the next one to be looked at */
            many[i] = NULL;
        }
    }
    rig_turn();
    for (size_t i = 0; i != MANY; ++i) {
        if (many[i] != NULL) {
            ++left;
            rig_close(many[i]);
        }
    }
    cr_assert_eq(left, 2048);
    cr_assert_eq(rig.hub.reader_count, 0);
}

/* ---- views without readers ---- */

static size_t view_count(void)
{
    return HASH_COUNT(rig.hub.views);
}

Test(core_hub, a_view_stays_a_second_for_who_comes_back)
{
    struct rig_reader *r = rig_open_now("a");
    cr_assert_eq(view_count(), 1);
    rig_close(r);
    rig.now_ns += 999999999;
    rig_turn();
    cr_assert_eq(view_count(), 1);
    r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig.now_ns += 10000000000;
    rig_turn();
    cr_assert_eq(view_count(), 1, "a reader that returned keeps it");
    rig_close(r);
    rig.now_ns += 1000000000;
    rig_turn();
    cr_assert_eq(view_count(), 0);
    cr_assert_eq(rig.channels[0]->users, 0);
    cr_assert_null(rig.channels[0]->followers[0]);
}

Test(core_hub, a_view_dropped_while_it_is_to_be_synced_is_forgotten)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    struct rig_reader *other = rig_open_now("b");
    rig_flush(other);
    rig_close(r);
    rig.now_ns += 2000000000;
    rig_publish("a", "a", "x");
    rig_publish("b", "b", "y");
    atomic_store(&rig.hub.mailbox.is_woken, false); /* a publisher that has not come to its wake yet */
    turn_run(&rig.hub, rig.now_ns);                 /* drops the view that is in the list of those to sync */
    cr_assert_eq(view_count(), 1);
    mailbox_wake(&rig.hub.mailbox);
    RIG_EXPECT(other, "|abc-4|y\n");
    rig_close(other);
}

Test(core_hub, a_hub_that_stops_keeps_no_view)
{
    struct rig_reader *r = rig_open_now("a");
    turn_shutdown(&rig.hub);
    rig_close(r);
    rig_turn();
    cr_assert_eq(view_count(), 0);
    cr_assert_eq(rig.channels[0]->users, 0);
}

/* ---- two hubs ---- */

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

Test(core_hub, hubs_share_a_channel_and_not_its_pace)
{
    struct hub second;
    struct metrics metrics = {.next = NULL};
    unsigned wakes = 0;
    hub_init(&second, &rig.registry, &metrics, count_wake, &wakes);
    registry_add_mailbox(&rig.registry, &second.mailbox);
    hub_add_source(&second, &rig.source);
    hub_start(&second, rig.now_ns);
    struct channel_profile profile = rig_profile();
    profile.events = rig.route.history.events = 4;

    struct rig_reader *r = rig_open_now("a");
    struct view *view = hub_join(&second, &profile, "a", 1);
    hub_refresh(&second);
    cr_assert_eq(rig.channel_count, 1);
    cr_assert_eq(rig.channels[0]->users, 2);
    for (unsigned i = 0; i != 20; ++i) {
        rig_publish_n("a", "a", i, 1);
        rig_flush(r);
    }
    cr_assert_eq(rig_events(r), 20);
    cr_assert_eq(wakes, 1, "the one that sleeps was woken once");
    cr_assert_eq(view->head, RING_ORIGIN, "and has taken nothing");
    while (turn_run(&second, rig.now_ns))
        ;
    cr_assert_eq(view->head, RING_ORIGIN + 20);
    cr_assert_eq(view->tail, RING_ORIGIN + 16);
    hub_leave(&second, view);
    hub_release_views(&second);
    turn_end(&second);
    hub_dispose(&second);
    rig_close(r);
}

/* ---- spread ---- */

Test(core_hub, hubs_that_start_together_spread_apart)
{
    struct hub second;
    struct metrics metrics = {.next = NULL};
    hub_init(&second, &rig.registry, &metrics, rig_wake, NULL);
    registry_add_mailbox(&rig.registry, &second.mailbox);
    unsigned same = 0;
    for (unsigned i = 0; i != 1000; ++i)
        same += random_spread(&rig.hub.random, 1000000) == random_spread(&second.random, 1000000);
    cr_assert_lt(same, 10);
    turn_end(&second);
    hub_dispose(&second);
}
