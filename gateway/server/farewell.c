/* farewell.c - from the signal that ends the gateway until no client is left */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/farewell.h"

#include <signal.h>
#include <stdbool.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/config/config.h"
#include "gateway/server/process/signals.h"
#include "gateway/server/worker.h"

static bool are_drained(struct worker *const *workers, unsigned count)
{
    for (unsigned i = 0; i != count; ++i) {
        if (!worker_is_drained(workers[i]))
            return false;
    }
    return true;
}

static void ask_all(struct worker *const *workers, unsigned count)
{
    for (unsigned i = 0; i != count; ++i)
        worker_ask_drained(workers[i]);
}

static void log_end(enum drain_end end, int64_t begin_ns)
{
    static const char *const reasons[] = {[DRAIN_TIMEOUT] = "drain.timeout", [DRAIN_SIGNAL] = "a second signal"};

    if (end == DRAIN_DONE)
        log_write(LOG_INFO, "drained", log_i64("ms", (clock_mono_ns() - begin_ns) / NS_PER_MS));
    else
        log_write(LOG_WARN, "drain-cut", log_str("reason", reasons[end]),
                  log_u64("streams", metrics_sum(METRIC_STREAMS)),
                  log_u64("connections", metrics_sum(METRIC_CONNECTIONS)));
}

/* Returns at that time, at a signal, or when a worker's answer has come. */
static int take_signal(int64_t until_ns)
{
    int64_t left_ns = until_ns - clock_mono_ns();
    return signals_take(left_ns > 0 ? left_ns : 0);
}

enum drain_end farewell_run(struct worker *const *workers, unsigned count, const struct config_drain *config,
                            int64_t turn_ns, void (*turn)(void *arg, uint64_t streams), void *arg)
{
    CHECK(count != 0 && turn_ns > 0 && config->timeout_ms >= 0);
    int64_t begin_ns = clock_mono_ns(), next_ns = begin_ns;
    int64_t end_ns = begin_ns + config->timeout_ms * NS_PER_MS;
    enum drain_end end = DRAIN_DONE;
    bool asked_again = false;

    log_write(LOG_INFO, "draining", log_u64("streams", metrics_sum(METRIC_STREAMS)),
              log_i64("window_ms", config->window_ms), log_i64("timeout_ms", config->timeout_ms));
    for (unsigned i = 0; i != count; ++i)
        worker_drain(workers[i], config->window_ms * NS_PER_MS);
    ask_all(workers, count);
    for (;;) {
        /* All must say so twice: one that still accepted may have handed a connection to one that had answered. */
        if (are_drained(workers, count)) {
            if (asked_again)
                break;
            asked_again = true;
            ask_all(workers, count);
        }
        int number = take_signal(next_ns < end_ns ? next_ns : end_ns);
        if (number == SIGTERM || number == SIGINT) /* it is too late for a reload: SIGHUP does nothing */
            end = DRAIN_SIGNAL;
        else if (clock_mono_ns() >= end_ns)
            end = DRAIN_TIMEOUT;
        if (end != DRAIN_DONE)
            break;
        /* a worker's answer has ended the wait */
        if (clock_mono_ns() < next_ns)
            continue;
        next_ns = clock_mono_ns() + turn_ns;
        turn(arg, metrics_sum(METRIC_STREAMS));
    }
    log_end(end, begin_ns);
    return end;
}
