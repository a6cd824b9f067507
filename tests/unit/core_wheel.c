/* core_wheel.c - timers run when they are due, however time passes */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/wheel.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SPAN_NS ((int64_t)WHEEL_SLOTS * WHEEL_TICK_NS)

struct timer {
    struct list node;
    int64_t deadline_ns;
    int64_t ran_ns;
    unsigned runs;
    unsigned again; /* goes back in so many times, a step later each */
    int64_t step_ns;
    struct timer *removes; /* another one that it takes out */
};

/* now_ns: what wheel_run was given; ticks that were run late are run with it, too. */
struct clockwork {
    struct wheel wheel;
    int64_t now_ns;
    unsigned runs;
};

static void on_due(void *arg, struct list *node)
{
    struct clockwork *work = arg;
    struct timer *timer = LIST_ENTRY(node, struct timer, node);
    cr_assert(list_is_empty(node), "a node is in no list when it comes up");
    ++timer->runs;
    ++work->runs;
    timer->ran_ns = work->now_ns;
    if (timer->removes != NULL)
        list_remove(&timer->removes->node);
    if (timer->again != 0) {
        --timer->again;
        timer->deadline_ns += timer->step_ns;
        wheel_add(&work->wheel, node, timer->deadline_ns);
    }
}

static void start(struct clockwork *work, int64_t now_ns)
{
    *work = (struct clockwork){.now_ns = now_ns};
    wheel_init(&work->wheel, now_ns);
}

static void add(struct clockwork *work, struct timer *timer, int64_t deadline_ns)
{
    list_init(&timer->node);
    timer->deadline_ns = deadline_ns;
    wheel_add(&work->wheel, &timer->node, deadline_ns);
}

static void run_at(struct clockwork *work, int64_t now_ns)
{
    work->now_ns = now_ns;
    wheel_run(&work->wheel, now_ns, on_due, work);
}

Test(core_wheel, comes_up_at_the_first_tick_at_or_after_its_deadline)
{
    static const int64_t offsets[] = {
        1, WHEEL_TICK_NS - 1, WHEEL_TICK_NS, WHEEL_TICK_NS + 1, 7 * WHEEL_TICK_NS, SPAN_NS - 2 * WHEEL_TICK_NS};
    for (size_t i = 0; i != sizeof(offsets) / sizeof(offsets[0]); ++i) {
        struct clockwork work;
        struct timer timer = {.runs = 0};
        start(&work, 1000 * WHEEL_TICK_NS);
        add(&work, &timer, 1000 * WHEEL_TICK_NS + offsets[i]);
        int64_t tick = (timer.deadline_ns + WHEEL_TICK_NS - 1) / WHEEL_TICK_NS * WHEEL_TICK_NS;
        run_at(&work, tick - 1);
        cr_assert_eq(timer.runs, 0, "offset %lld: too early", (long long)offsets[i]);
        run_at(&work, tick);
        cr_assert_eq(timer.runs, 1, "offset %lld", (long long)offsets[i]);
        run_at(&work, tick + 2 * SPAN_NS);
        cr_assert_eq(timer.runs, 1, "once");
    }
}

Test(core_wheel, what_has_passed_comes_up_at_the_next_tick)
{
    struct clockwork work;
    struct timer past = {.runs = 0}, now = {.runs = 0}, zero = {.runs = 0};
    start(&work, 1000 * WHEEL_TICK_NS);
    add(&work, &past, 10 * WHEEL_TICK_NS);
    add(&work, &now, 1000 * WHEEL_TICK_NS);
    add(&work, &zero, 0);
    run_at(&work, 1001 * WHEEL_TICK_NS - 1);
    cr_assert_eq(work.runs, 0);
    run_at(&work, 1001 * WHEEL_TICK_NS);
    cr_assert_eq(past.runs + now.runs + zero.runs, 3);
}

Test(core_wheel, a_far_deadline_comes_up_early_for_a_look)
{
    struct clockwork work;
    struct timer far = {.again = 1};
    start(&work, 1000 * WHEEL_TICK_NS);
    add(&work, &far, 1000 * WHEEL_TICK_NS + 10 * SPAN_NS);
    far.step_ns = 0; /* it finds that it is not due and goes back in, unchanged */
    run_at(&work, 1000 * WHEEL_TICK_NS + SPAN_NS - 2 * WHEEL_TICK_NS);
    cr_assert_eq(far.runs, 0);
    run_at(&work, 1000 * WHEEL_TICK_NS + SPAN_NS);
    cr_assert_eq(far.runs, 1);
    run_at(&work, 1000 * WHEEL_TICK_NS + 2 * SPAN_NS - 3 * WHEEL_TICK_NS);
    cr_assert_eq(far.runs, 1, "not in the slot that is just being run");
    run_at(&work, 1000 * WHEEL_TICK_NS + 2 * SPAN_NS);
    cr_assert_eq(far.runs, 2);
}

Test(core_wheel, a_long_pause_finds_everybody_once)
{
    enum { MANY = 600 };
    static struct timer timers[MANY];
    struct clockwork work;
    start(&work, 1000 * WHEEL_TICK_NS);
    for (int i = 0; i != MANY; ++i)
        add(&work, &timers[i], 1000 * WHEEL_TICK_NS + i * (SPAN_NS / MANY));
    run_at(&work, 1000 * WHEEL_TICK_NS + 100000 * SPAN_NS + 77); /* a machine that slept */
    for (int i = 0; i != MANY; ++i)
        cr_assert_eq(timers[i].runs, 1, "timer %d: %u", i, timers[i].runs);
    struct timer next = {.runs = 0};
    add(&work, &next, work.now_ns + 1);
    run_at(&work, work.now_ns + 2 * WHEEL_TICK_NS);
    cr_assert_eq(next.runs, 1, "and time continues from there");
}

Test(core_wheel, time_that_stands_still_or_goes_back_runs_nothing)
{
    struct clockwork work;
    struct timer timer = {.runs = 0};
    start(&work, 1000 * WHEEL_TICK_NS);
    add(&work, &timer, 1001 * WHEEL_TICK_NS);
    run_at(&work, 1000 * WHEEL_TICK_NS);
    run_at(&work, 1000 * WHEEL_TICK_NS);
    run_at(&work, 999 * WHEEL_TICK_NS);
    cr_assert_eq(work.runs, 0);
    run_at(&work, 1001 * WHEEL_TICK_NS);
    run_at(&work, 1001 * WHEEL_TICK_NS);
    cr_assert_eq(work.runs, 1);
}

Test(core_wheel, re_adding_in_the_callback_never_loops)
{
    struct clockwork work;
    /* always due again: whatever comes back in waits for the next tick, so one run has an end */
    struct timer timer = {.again = 1000000, .step_ns = 0};
    start(&work, 1000 * WHEEL_TICK_NS);
    add(&work, &timer, 1000 * WHEEL_TICK_NS);
    run_at(&work, 1001 * WHEEL_TICK_NS);
    cr_assert_eq(timer.runs, 1);
    run_at(&work, 1011 * WHEEL_TICK_NS);
    cr_assert_eq(timer.runs, 11, "a tick each");
    run_at(&work, 1011 * WHEEL_TICK_NS + 1000 * SPAN_NS);
    cr_assert_leq(timer.runs, 11 + WHEEL_SLOTS, "after a pause one round, not one for each tick that was missed");
}

Test(core_wheel, a_callback_may_remove_others_of_its_tick)
{
    struct clockwork work;
    struct timer first = {.runs = 0}, second = {.runs = 0}, third = {.runs = 0};
    start(&work, 1000 * WHEEL_TICK_NS);
    add(&work, &first, 1001 * WHEEL_TICK_NS);
    add(&work, &second, 1001 * WHEEL_TICK_NS);
    add(&work, &third, 1001 * WHEEL_TICK_NS);
    first.removes = &second;
    run_at(&work, 1001 * WHEEL_TICK_NS);
    cr_assert_eq(first.runs, 1);
    cr_assert_eq(second.runs, 0);
    cr_assert_eq(third.runs, 1);
}

Test(core_wheel, many_at_random_never_early_never_late)
{
    enum { MANY = 500 };
    static struct timer timers[MANY];
    struct clockwork work;
    const char *given = getenv("FRESHET_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    fprintf(stderr, "core_wheel: FRESHET_SEED=%u\n", seed);
    srand(seed);
    int64_t now = 5000000000000;
    start(&work, now);
    for (int i = 0; i != MANY; ++i)
        add(&work, &timers[i], now + rand() % 60000 * 1000000LL);
    while (work.runs != MANY) {
        /* mostly small steps, sometimes a pause; all of it below the span, so that no timer is early */
        int64_t step = rand() % 20 == 0 ? rand() % 10000 * 1000000LL : rand() % 200 * 1000000LL;
        int64_t before = now;
        now += step;
        run_at(&work, now);
        for (int i = 0; i != MANY; ++i) {
            const struct timer *timer = &timers[i];
            bool due = timer->deadline_ns + WHEEL_TICK_NS <= now;
            cr_assert(timer->runs == 1 || !due, "timer %d is late", i);
            if (timer->runs == 1 && timer->ran_ns == now && step != 0)
                cr_assert(timer->deadline_ns <= now && timer->deadline_ns + 2 * WHEEL_TICK_NS > before);
        }
    }
}
