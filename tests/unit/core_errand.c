/* core_errand.c - the way from a hub to a source's thread and back */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <pthread.h>
#include <signal.h>

#include "gateway/core/errand.h"
#include "gateway/core/request.h"

static struct asking {
    struct errand errand;
    struct publish publish;
    struct request request;
    unsigned backs;
    pthread_t thread; /* on which it came back */
} asking;

static struct publish *published;
static struct request *requested;

static void on_back(struct errand *errand)
{
    struct asking *mine = LIST_ENTRY(errand, struct asking, errand);
    cr_assert_not(errand->is_out, "it may start again from here");
    mine->thread = pthread_self();
    ++mine->backs;
}

static void do_publish(struct source *source, struct publish *publish)
{
    (void)source;
    published = publish;
}

static void do_request(struct source *source, struct request *request)
{
    (void)source;
    requested = request;
}

static void start(void)
{
    static const struct source_ops ops = {.publish = do_publish, .request = do_request};
    rig_start();
    rig.source.ops = &ops;
    asking = (struct asking){.backs = 0};
    errand_init(&asking.errand, &rig.hub, on_back);
}

TestSuite(core_errand, .init = start, .fini = rig_stop);

static void *answer(void *arg)
{
    (void)arg;
    if (published != NULL)
        published->done(published);
    else
        requested->done(requested);
    return NULL;
}

static void answer_elsewhere(void)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, answer, NULL), 0);
    pthread_join(thread, NULL);
}

static void check_way_back(void)
{
    cr_assert(asking.errand.is_out);
    rig_turn();
    cr_assert_eq(asking.backs, 0, "there is no answer yet");
    answer_elsewhere();
    cr_assert_eq(asking.backs, 0, "not on the source's thread");
    cr_assert_eq(rig.wakes, 1);
    rig_turn();
    cr_assert_eq(asking.backs, 1);
    cr_assert(pthread_equal(asking.thread, pthread_self()));
    rig_turn();
    cr_assert_eq(asking.backs, 1, "once");
}

Test(core_errand, a_publish_comes_back_on_the_hubs_thread)
{
    errand_publish(&asking.errand, &rig.source, &asking.publish);
    check_way_back();
}

Test(core_errand, a_request_comes_back_on_the_hubs_thread)
{
    errand_request(&asking.errand, &rig.source, &asking.request);
    check_way_back();
    errand_start(&asking.errand);
    errand_return(&asking.errand);
    rig_turn();
    cr_assert_eq(asking.backs, 2, "and may be sent again");
}

Test(core_errand, it_is_out_once_at_a_time, .signal = SIGABRT)
{
    errand_start(&asking.errand);
    errand_start(&asking.errand);
}

Test(core_errand, nobody_has_sent_it, .signal = SIGABRT)
{
    errand_return(&asking.errand);
    rig_turn();
}
