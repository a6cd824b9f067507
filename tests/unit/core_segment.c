/* core_segment.c - how much fits into a segment, and which release frees it */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/segment.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

Test(core_segment, starts_empty_with_one_reference)
{
    struct segment *segment = segment_create(256);
    cr_assert_eq(segment->capacity, 256);
    cr_assert_eq(segment->front + segment->back + segment->live, 0);
    cr_assert_eq(atomic_load(&segment->refs), 1);
    memset(segment->bytes, 'x', 256);
    segment_release(segment);
}

Test(core_segment, frames_and_subjects_share_the_room)
{
    static const struct {
        uint32_t used_front, used_back;
        size_t front, back;
        bool fits;
    } cases[] = {
        {0, 0, 100, 0, true},  {0, 0, 0, 100, true},         {0, 0, 101, 0, false},        {0, 0, 60, 40, true},
        {0, 0, 60, 41, false}, {60, 30, 10, 0, true},        {60, 30, 10, 1, false},       {60, 40, 0, 0, true},
        {60, 40, 1, 0, false}, {100, 0, 0, 1, false},        {0, 100, 1, 0, false},        {0, 100, 0, 0, true},
        {50, 50, 0, 1, false}, {0, 0, 5000000000, 0, false}, {0, 0, 0, 5000000000, false},
    };
    struct segment *segment = segment_create(100);
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        segment->front = cases[i].used_front;
        segment->back = cases[i].used_back;
        cr_expect_eq(segment_has_room(segment, cases[i].front, cases[i].back), cases[i].fits, "case %zu", i);
    }
    segment_release(segment);
}

Test(core_segment, the_last_to_release_frees)
{
    struct segment *segment = segment_create(16);
    segment_retain(segment);
    segment_retain(segment);
    segment_release(segment);
    segment_release(segment);
    segment->bytes[15] = 'x'; /* still there: AddressSanitizer would know */
    cr_assert_eq(atomic_load(&segment->refs), 1);
    segment_release(segment);
}

static void *retain_and_release(void *arg)
{
    struct segment *segment = arg;
    for (unsigned i = 0; i != 20000; ++i) {
        segment_retain(segment);
        segment_retain(segment);
        segment_release(segment);
        segment_release(segment);
    }
    segment_release(segment);
    return NULL;
}

Test(core_segment, counts_across_threads)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct segment *segment = segment_create(16);
    for (unsigned i = 0; i != THREADS; ++i) {
        segment_retain(segment);
        cr_assert_eq(pthread_create(&threads[i], NULL, retain_and_release, segment), 0);
    }
    for (unsigned i = 0; i != THREADS; ++i)
        pthread_join(threads[i], NULL);
    cr_assert_eq(atomic_load(&segment->refs), 1);
    segment_release(segment);
}
