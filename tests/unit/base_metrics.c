/* base_metrics.c - sums over threads, and rows for reasons and statuses */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "gateway/base/close_reason.h"

static const struct {
    const char *name, *label, *value;
} rows[METRIC_COUNT] = {
#define COUNTER(symbol, name, help) [METRIC_##symbol] = {name, NULL, NULL},
#define GAUGE(symbol, name, help) [METRIC_##symbol] = {name, NULL, NULL},
#define LABELLED(symbol, name, label, value, help) [METRIC_##symbol] = {name, label, value},
#define HISTOGRAM(symbol, name, help) [METRIC_##symbol... METRIC_##symbol##_LAST] = {name, "le", name},
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
#undef HISTOGRAM
};

Test(base_metrics, sums_all_blocks)
{
    static struct metrics a, b;

    metrics_register(&a);
    metrics_register(&b);
    metrics_add(&a, METRIC_EVENTS_SENT, 3);
    metrics_add(&b, METRIC_EVENTS_SENT, 4);
    metrics_add_shared(METRIC_EVENTS_SENT, 5);
    cr_assert_eq(metrics_sum(METRIC_EVENTS_SENT), 12);
    cr_assert_eq(metrics_sum(METRIC_BYTES_SENT), 0);
}

Test(base_metrics, gauge_up_here_and_down_there)
{
    static struct metrics a, b;

    metrics_register(&a);
    metrics_register(&b);
    metrics_add(&a, METRIC_STREAMS, 2);
    metrics_sub(&b, METRIC_STREAMS, 1);
    cr_assert_eq(metrics_sum(METRIC_STREAMS), 1);
    metrics_add_shared(METRIC_STREAMS, -1);
    cr_assert_eq(metrics_sum(METRIC_STREAMS), 0);
}

Test(base_metrics, a_block_that_is_gone_still_counts)
{
    static struct metrics first, middle, last;

    metrics_register(&first);
    metrics_register(&middle);
    metrics_register(&last);
    metrics_add(&first, METRIC_MESSAGES_RECEIVED, 1);
    metrics_add(&middle, METRIC_MESSAGES_RECEIVED, 10);
    metrics_add(&last, METRIC_MESSAGES_RECEIVED, 100);
    metrics_unregister(&middle);
    cr_assert_eq(metrics_sum(METRIC_MESSAGES_RECEIVED), 111);
    /* Unregistered: what it counts now is part of no sum. */
    metrics_add(&middle, METRIC_MESSAGES_RECEIVED, 1000);
    cr_assert_eq(metrics_sum(METRIC_MESSAGES_RECEIVED), 111);
    metrics_unregister(&last);
    metrics_unregister(&first);
    cr_assert_eq(metrics_sum(METRIC_MESSAGES_RECEIVED), 111);
}

#define THREADS 4
#define ROUNDS 20000

static void *count_on_a_thread(void *unused)
{
    struct metrics block;

    (void)unused;
    memset(&block, 0, sizeof(block));
    metrics_register(&block);
    for (int i = 0; i != ROUNDS; ++i) {
        metrics_add(&block, METRIC_EVENTS_SENT, 1);
        metrics_add_shared(METRIC_EVENTS_REPLAYED, 1);
    }
    metrics_unregister(&block);
    return NULL;
}

Test(base_metrics, sums_only_grow_while_threads_come_and_go)
{
    pthread_t threads[THREADS];
    uint64_t last = 0;

    for (int i = 0; i != THREADS; ++i)
        cr_assert_eq(pthread_create(&threads[i], NULL, count_on_a_thread, NULL), 0);
    while (last != THREADS * ROUNDS) {
        uint64_t now = metrics_sum(METRIC_EVENTS_SENT);

        cr_assert_geq(now, last);
        last = now;
    }
    for (int i = 0; i != THREADS; ++i)
        pthread_join(threads[i], NULL);
    cr_assert_eq(metrics_sum(METRIC_EVENTS_SENT), THREADS * ROUNDS);
    cr_assert_eq(metrics_sum(METRIC_EVENTS_REPLAYED), THREADS * ROUNDS);
}

Test(base_metrics, rows_of_one_name_stand_together)
{
    for (size_t i = 0; i != METRIC_COUNT; ++i) {
        cr_assert_neq(rows[i].name, NULL);
        for (size_t j = i + 1; j != METRIC_COUNT; ++j) {
            if (strcmp(rows[i].name, rows[j].name) != 0 || rows[i].value == rows[i].name)
                continue;
            for (size_t k = i + 1; k != j; ++k)
                cr_assert_str_eq(rows[k].name, rows[i].name);
            cr_assert(rows[i].label != NULL && rows[j].label != NULL);
            cr_assert_str_eq(rows[i].label, rows[j].label);
            cr_assert_str_neq(rows[i].value, rows[j].value);
        }
    }
}

Test(base_metrics, every_close_reason_has_its_row)
{
    for (unsigned reason = 0; reason != CLOSE_REASON_COUNT; ++reason) {
        enum metric metric = metrics_closed((enum close_reason)reason);

        cr_assert_str_eq(rows[metric].name, "freshet_streams_closed_total");
        cr_assert_str_eq(rows[metric].value, close_reason_label((enum close_reason)reason));
    }
}

Test(base_metrics, statuses_count_as_themselves_or_their_class)
{
    static const struct {
        int status;
        const char *row;
    } cases[] = {
        {200, "200"}, {201, "201"}, {204, "204"}, {404, "404"}, {406, "406"}, {429, "429"}, {503, "503"}, {206, "200"},
        {401, "401"}, {402, "400"}, {431, "431"}, {418, "400"}, {500, "503"}, {502, "503"}, {101, "200"}, {599, "503"},
    };

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        enum metric metric = metrics_status(cases[i].status);

        cr_assert_str_eq(rows[metric].name, "freshet_requests_total");
        cr_expect_str_eq(rows[metric].value, cases[i].row, "status %d", cases[i].status);
    }
}

Test(base_metrics, observations_fall_into_their_buckets)
{
    static const struct {
        int64_t ns;
        unsigned bucket;
    } cases[] = {{-1, 0},        {0, 0},       {100000, 0},       {100001, 1},
                 {1000000, 3},   {2500000, 4}, {10000000000, 15}, {10000000001, 16},
                 {INT64_MAX, 16}};
    static struct metrics block;

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        uint64_t before = block.values[METRIC_DELIVERY_FIRST + cases[i].bucket];

        metrics_observe(&block, METRIC_DELIVERY, cases[i].ns, 7);
        cr_expect_eq(block.values[METRIC_DELIVERY_FIRST + cases[i].bucket], before + 7, "%lld", (long long)cases[i].ns);
    }
    for (unsigned i = 1; i != METRICS_BUCKETS; ++i)
        cr_assert_gt(metrics_bound_ns[i], metrics_bound_ns[i - 1]);
    cr_assert_eq(metrics_bound_ns[METRICS_BUCKETS - 1], INT64_MAX);
}

Test(base_metrics, a_histogram_sums_what_it_was_told)
{
    static struct metrics block;

    metrics_observe(&block, METRIC_DELIVERY, 1500, 2);
    metrics_observe(&block, METRIC_DELIVERY, -5, 1);
    cr_assert_eq(block.values[METRIC_DELIVERY], 3000);
}
