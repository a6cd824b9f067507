/* durable_time.c - streams with since=DURATION or since=TIME */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>
#include <time.h>

TestSuite(durable_time, .fini = durable_stop, .timeout = 120);

/* Between what was published before and what is published after: the time it is. */
static void take_time(char text[64])
{
    struct timespec ts;
    char utc[40];
    struct tm tm;

    sleep_ms(20);
    clock_gettime(CLOCK_REALTIME, &ts);
    sleep_ms(20);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, 64, "%s.%03ldZ", utc, ts.tv_nsec / 1000000);
}

TEST_IN_BOTH_MODES(durable_time, since_a_duration_and_a_time)
{
    int64_t written;
    char between[64];

    durable_publish_through(100);
    written = now_ms();
    take_time(between);
    durable_publish_through(60);
    durable_check_start("/all", between, 101, 1, 0);
    durable_check_start("/orders/2", between, 101, 4, 2);
    durable_check_start("/all", "5m", 1, 1, 0);
    durable_check_start("/all", "2001-01-01T00:00:00Z", 1, 1, 0);
    durable_check_start("/all", "2100-01-01T00:00:00Z", durable.stored + 1, 1, 0);
    /* the age of an event is what is tested, so time itself is the condition */
    while (now_ms() < written + 3000)
        http_pump(durable.client, 20);
    durable_publish_through(10);
    durable_check_start("/small/1", "1h", 1, 4, 1);
    durable_check_start("/all", "1s", durable.stored - 29, 1, 0);
}

/* The client library (3.4) writes 12:00:00.05 as 12:00:00.5: messages of half a second were passed over. */
TEST_IN_BOTH_MODES(durable_time, a_time_early_in_its_second)
{
    struct timespec ts;
    char between[64];

    do
        clock_gettime(CLOCK_REALTIME, &ts);
    while (ts.tv_nsec < 1000000 || ts.tv_nsec > 30000000);
    durable_publish(10);
    take_time(between);
    durable_publish_through(40);
    durable_check_start("/all", between, 11, 1, 0);
}
