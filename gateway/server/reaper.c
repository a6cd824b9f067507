/* reaper.c - ends connections that are idle, stuck or too old */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/reaper.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/http/connection.h"
#include "gateway/server/guard.h"

/* For one that is too old, but in the middle of a request. */
#define BUSY_NS (30 * NS_PER_S)

_Static_assert(REAPER_HEAD_NS > WHEEL_TICK_NS && BUSY_NS > REAPER_HEAD_NS, "a request under way gets longer than none");

void reaper_init(struct reaper *reaper, const struct config_limits *limits, struct metrics *metrics, int64_t now_ns)
{
    *reaper = (struct reaper){.thread = pthread_self(), .limits = limits, .metrics = metrics, .now_ns = now_ns};
    wheel_init(&reaper->wheel, now_ns);
}

void reaper_set_limits(struct reaper *reaper, const struct config_limits *limits)
{
    CHECK_THREAD(reaper);
    reaper->limits = limits;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * Each of these answers when its reason to end the connection comes up, if
 * nothing changes until then; INT64_MAX: not as things stand.
 */

static int64_t idle_end_ns(const struct reaper *reaper, const struct connection *connection)
{
    if (connection->asking != 0 || reaper->limits->idle_ms == 0) /* in use, or without a limit */
        return INT64_MAX;
    /* A request whose body is coming in has the same time, from where its body began. */
    return later(connection->idle_since_ns, connection->body_since_ns) + reaper->limits->idle_ms * NS_PER_MS;
}

static int64_t head_end_ns(const struct connection *connection)
{
    /* over HTTP/2 a preface without requests is only idle, and the gate bounds its frames */
    if (connection->protocol != CONNECTION_HTTP1 || connection->has_requested || connection->body_since_ns != 0)
        return INT64_MAX;
    return connection->idle_since_ns + REAPER_HEAD_NS;
}

static int64_t stuck_end_ns(const struct reaper *reaper, const struct connection *connection)
{
    if (connection->unsent == 0 || reaper->limits->write_timeout_ms == 0)
        return INT64_MAX;
    /* Streams that move show that the client reads, even if the answer has not left yet. */
    return later(connection->unsent_since_ns, connection->last_progress_ns) +
           reaper->limits->write_timeout_ms * NS_PER_MS;
}

static int64_t age_end_ns(const struct reaper *reaper, const struct connection *connection)
{
    int64_t age_ns = reaper->limits->connection_age_ms * NS_PER_MS, end_ns;

    if (age_ns == 0)
        return INT64_MAX;
    /* By the microsecond of its arrival, so that connections that came together go one by one. */
    end_ns = connection->accepted_ns + age_ns - age_ns / 10 / 1024 * (connection->accepted_ns / 1000 % 1024);
    /* streams resume, but an answer that is being worked on would be lost */
    if (connection->asking != connection->admitted || connection->body_since_ns != 0)
        end_ns = earlier(later(end_ns, reaper->now_ns + WHEEL_TICK_NS), end_ns + BUSY_NS);
    return end_ns;
}

/* When an unused one could be due at the earliest, should its last request end right now. */
static int64_t next_look_ns(const struct reaper *reaper)
{
    int64_t next_ms = reaper->limits->idle_ms != 0 ? reaper->limits->idle_ms : INT64_MAX / NS_PER_MS;

    if (reaper->limits->write_timeout_ms != 0)
        next_ms = earlier(next_ms, reaper->limits->write_timeout_ms);
    return next_ms == INT64_MAX / NS_PER_MS ? INT64_MAX : reaper->now_ns + next_ms * NS_PER_MS;
}

static void end_connection(struct reaper *reaper, struct connection *connection, enum metric metric, const char *reason)
{
    char peer[CONNECTION_PEER_MAX];

    metrics_add(reaper->metrics, metric, 1);
    log_write_limited(LOG_DEBUG, "connection-ended", log_str("reason", reason),
                      log_str("peer", connection_peer(connection, peer)));
    connection_kill(connection);
}

static void look_at_connection(struct reaper *reaper, struct connection *connection)
{
    int64_t now_ns = reaper->now_ns, next_ns;
    int64_t idle_ns = idle_end_ns(reaper, connection), head_ns = head_end_ns(connection);
    int64_t stuck_ns = stuck_end_ns(reaper, connection), age_ns = age_end_ns(reaper, connection);

    if (connection->is_killed) /* it closes as soon as libh2o notices */
        return;
    if (stuck_ns <= now_ns) {
        end_connection(reaper, connection, METRIC_REJECTED_IDLE, "answer not taken");
    } else if (head_ns <= now_ns) {
        end_connection(reaper, connection, METRIC_REJECTED_IDLE, "no request");
    } else if (idle_ns <= now_ns) {
        end_connection(reaper, connection, METRIC_REJECTED_IDLE, "idle");
    } else if (age_ns <= now_ns) {
        end_connection(reaper, connection, METRIC_REJECTED_AGE, "age");
    } else {
        next_ns = earlier(earlier(idle_ns, head_ns), earlier(stuck_ns, age_ns));
        next_ns = earlier(next_ns, next_look_ns(reaper));
        if (next_ns != INT64_MAX) /* else no limit is set, until a reload */
            wheel_add(&reaper->wheel, &connection->guard->deadline, next_ns);
    }
}

void reaper_watch(struct reaper *reaper, struct connection *connection)
{
    CHECK_THREAD(reaper);
    CHECK(connection->protocol != CONNECTION_OPENING && list_is_empty(&connection->guard->deadline));
    look_at_connection(reaper, connection);
}

static void on_due(void *arg, struct list *node)
{
    look_at_connection(arg, LIST_ENTRY(node, struct guard, deadline)->connection);
}

void reaper_tick(struct reaper *reaper, int64_t now_ns)
{
    CHECK_THREAD(reaper);
    CHECK(now_ns >= reaper->now_ns);
    reaper->now_ns = now_ns;
    wheel_run(&reaper->wheel, now_ns, on_due, reaper);
}
