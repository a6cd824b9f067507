/* server_accept_pool.c - connections go to the worker that has the fewest, and never over the limit */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/accept_pool.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <sys/resource.h>

#define WORKERS 3

static struct worker {
    struct accept_slot *slot;
    unsigned received;
} workers[WORKERS];
static struct accept_pool *pool;

static void deliver(void *arg, void *accepted)
{
    struct worker *worker = arg;

    (void)accepted;
    worker->received++;
}

static void setup(void)
{
    pool = accept_pool_create(12, 0);
    for (size_t i = 0; i != WORKERS; i++)
        workers[i].slot = accept_pool_join(pool, deliver, &workers[i]);
}

TestSuite(server_accept_pool, .init = setup);

/* Worker `by` accepts; true: it keeps the connection. */
static bool accept_by(size_t by)
{
    cr_assert_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_OK);
    return !accept_pool_hand_over(workers[by].slot, NULL);
}

Test(server_accept_pool, one_worker_that_accepts_all_shares_evenly)
{
    unsigned kept = 0;

    for (size_t i = 0; i != 12; i++)
        kept += accept_by(0);
    cr_expect_eq(kept, 4);
    cr_expect_eq(workers[1].received, 4);
    cr_expect_eq(workers[2].received, 4);
}

Test(server_accept_pool, whoever_loses_connections_gets_the_next)
{
    for (size_t i = 0; i != 6; i++)
        accept_by(0);
    accept_pool_release(workers[2].slot, ACCEPT_PUBLIC, true);
    cr_expect_not(accept_by(0));
    cr_expect_eq(workers[2].received, 3);
}

Test(server_accept_pool, nothing_goes_to_a_closed_slot)
{
    accept_pool_close(workers[1].slot);
    for (size_t i = 0; i != 12; i++)
        accept_by(0);
    cr_expect_eq(workers[1].received, 0);
    cr_expect_eq(workers[2].received, 6);
}

Test(server_accept_pool, the_limit_counts_all_workers)
{
    for (size_t i = 0; i != 12; i++)
        accept_by(i % WORKERS);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_FULL);
    cr_expect_eq(accept_pool_look(pool, ACCEPT_PUBLIC), ACCEPT_FULL);
    accept_pool_release(workers[1].slot, ACCEPT_PUBLIC, true);
    cr_expect_eq(accept_pool_look(pool, ACCEPT_PUBLIC), ACCEPT_OK);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_OK);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_FULL);
    accept_pool_cancel(pool, ACCEPT_PUBLIC);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_OK);
}

Test(server_accept_pool, only_so_many_are_opening)
{
    struct accept_pool *small = accept_pool_create(4, 2);
    struct accept_slot *slot = accept_pool_join(small, deliver, &workers[0]);

    for (size_t i = 0; i != 2; i++) {
        cr_assert_eq(accept_pool_reserve(small, ACCEPT_PUBLIC), ACCEPT_OK);
        accept_pool_hand_over(slot, NULL);
    }
    cr_expect_eq(accept_pool_reserve(small, ACCEPT_PUBLIC), ACCEPT_OPENING);
    accept_pool_opened(slot, ACCEPT_PUBLIC);
    cr_expect_eq(accept_pool_reserve(small, ACCEPT_PUBLIC), ACCEPT_OK);
    accept_pool_hand_over(slot, NULL);
    cr_expect_eq(accept_pool_look(small, ACCEPT_PUBLIC), ACCEPT_OPENING);
    accept_pool_release(slot, ACCEPT_PUBLIC, false); /* the one that is open */
    cr_expect_eq(accept_pool_look(small, ACCEPT_PUBLIC), ACCEPT_OPENING);
    accept_pool_release(slot, ACCEPT_PUBLIC, true);
    cr_expect_eq(accept_pool_look(small, ACCEPT_PUBLIC), ACCEPT_OK);
    accept_pool_release(slot, ACCEPT_PUBLIC, true);
    accept_pool_close(slot);
    accept_pool_leave(slot);
    accept_pool_destroy(small);
}

Test(server_accept_pool, the_operator_gets_into_a_full_gateway)
{
    for (size_t i = 0; i != 12; i++)
        accept_by(0);
    for (size_t i = 0; i != ACCEPT_ADMIN_MAX; i++) {
        cr_expect_eq(accept_pool_reserve(pool, ACCEPT_ADMIN), ACCEPT_OK);
        accept_pool_hand_over(workers[0].slot, NULL);
    }
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_ADMIN), ACCEPT_FULL);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_FULL);
    accept_pool_release(workers[0].slot, ACCEPT_ADMIN, false);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_ADMIN), ACCEPT_OK);
    cr_expect_eq(accept_pool_reserve(pool, ACCEPT_PUBLIC), ACCEPT_FULL);
}

Test(server_accept_pool, a_slot_may_leave_before_its_last_connection)
{
    cr_assert(accept_by(0));
    for (size_t i = 0; i != WORKERS; i++) {
        accept_pool_close(workers[i].slot);
        accept_pool_leave(workers[i].slot);
    }
    cr_expect_eq(workers[0].received, 0);
    accept_pool_release(workers[0].slot, ACCEPT_PUBLIC, true);
    accept_pool_destroy(pool);
}

Test(server_accept_pool, the_limit_leaves_descriptors_for_the_process)
{
    struct rlimit files = {.rlim_cur = 1000, .rlim_max = 1000};

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    cr_expect_eq(accept_pool_limit(0, 2), 1000 - 80 - 16);
    cr_expect_eq(accept_pool_limit(100, 2), 100);
    cr_expect_eq(accept_pool_limit(5000, 2), 1000 - 80 - 16);
    files.rlim_cur = 64;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    cr_expect_eq(accept_pool_limit(0, 2), 32);
}
