/* health.c - /livez and /readyz, for orchestrators */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/health.h"

#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/core/source.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/liveness.h"
#include "gateway/http/reply.h"

#define TEXT_MAX 320
#define CHECKS_MAX (3 + CONFIG_STREAMS_MAX)
#define PLAIN "text/plain; charset=utf-8"

struct check {
    char name[TEXT_MAX];
    const char *state; /* in few words */
    bool is_bad;
    char problem[TEXT_MAX]; /* … and as a sentence, where it is bad */
};

struct checks {
    struct check rows[CHECKS_MAX];
    unsigned count, bad;
};

void health_answer_live(struct exchange *exchange, bool in_full)
{
    const struct app *app = exchange->app;
    unsigned worker = 0;
    int64_t ns = app->liveness != NULL ? app->liveness->longest_ns(app->liveness->arg, &worker) : 0;
    if (ns < LIVENESS_STUCK_NS)
        reply_send(exchange, 200, PLAIN, H2O_STRLIT("alive\n"));
    else if (in_full)
        reply_problem(exchange, 503, "worker %u is stuck: its loop has not turned for %lld.%lld s", worker,
                      (long long)(ns / NS_PER_S), (long long)(ns / (NS_PER_S / 10) % 10));
    else
        reply_problem(exchange, 503, "a worker is stuck");
}

/* A durable route has its own connection, and its streams wait while that is down; microservices need core NATS. */
static bool needs_core(const struct app *app)
{
    for (unsigned i = 0; i != app->config->routes_count; ++i) {
        const struct config_route *route = &app->config->routes[i];
        if (route->history.source == 0 || route->auth.request != NULL)
            return true;
    }
    return false;
}

static struct check *add_check(struct checks *checks, bool is_good, const char *good, const char *bad)
{
    CHECK(checks->count < CHECKS_MAX);
    struct check *check = &checks->rows[checks->count++];
    check->is_bad = !is_good;
    check->state = is_good ? good : bad;
    checks->bad += !is_good;
    return check;
}

/* In the order in which an operator wants to read them. */
static void run_checks(const struct app *app, struct checks *checks)
{
    struct check *check;
    bool connected = app->sources[0]->ops->is_connected(app->sources[0]);
    checks->count = checks->bad = 0;

    bool stays = !app->hub->stopping && !app->hub->drain.active;
    check = add_check(checks, stays, "no", "yes");
    snprintf(check->name, sizeof(check->name), "draining");
    snprintf(check->problem, sizeof(check->problem), "the gateway is draining");
    /* By the same flag: a drain begins by closing them. */
    check = add_check(checks, stays, "ok", "closed");
    snprintf(check->name, sizeof(check->name), "listeners");
    snprintf(check->problem, sizeof(check->problem), "the listeners are closed");
    check = add_check(checks, connected || !needs_core(app), connected ? "ok" : "not connected, and no route needs it",
                      "not connected");
    snprintf(check->name, sizeof(check->name), "nats");
    snprintf(check->problem, sizeof(check->problem), "there is no connection to NATS");
    for (unsigned i = 0; i != app->config->streams_count; ++i) {
        const char *name = app->config->streams[i].name;
        /* Source 0 is core NATS. */
        struct source *source = app->sources[i + 1];
        if (app->config->streams[i].subjects_count == 0) /* no route has it any more */
            continue;
        check = add_check(checks, source->ops->is_connected(source), "ok", "not reached");
        snprintf(check->name, sizeof(check->name), "stream %s", name);
        snprintf(check->problem, sizeof(check->problem), "stream %s: not reached", name);
    }
}

static void send_ready(struct exchange *exchange, const struct checks *checks)
{
    struct buffer text = {.bytes = NULL};
    buffer_add_text(&text, "ready\n");
    for (unsigned i = 0; i != checks->count; ++i)
        buffer_format(&text, "%s: %s\n", checks->rows[i].name, checks->rows[i].state);
    reply_send(exchange, 200, PLAIN, text.bytes, text.len);
    buffer_dispose(&text);
}

/* RFC 9457, with a member of our own. */
static void send_not_ready(struct exchange *exchange, const struct checks *checks)
{
    struct buffer json = {.bytes = NULL}, detail = {.bytes = NULL};
    for (unsigned i = 0; i != checks->count; ++i) {
        if (!checks->rows[i].is_bad)
            continue;
        buffer_add_text(&detail, detail.len != 0 ? "; " : "");
        buffer_add_text(&detail, checks->rows[i].problem);
    }
    buffer_format(&json, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":503,\"detail\":", reply_phrase(503));
    buffer_add_json(&json, detail.bytes, detail.len);
    buffer_add_text(&json, ",\"checks\":{");
    for (unsigned i = 0; i != checks->count; ++i) {
        const struct check *check = &checks->rows[i];
        buffer_add(&json, ",", i != 0);
        buffer_add_json(&json, check->name, strlen(check->name));
        buffer_format(&json, ":\"%s\"", check->state);
    }
    buffer_add_text(&json, "}}");
    reply_send(exchange, 503, "application/problem+json", json.bytes, json.len);
    buffer_dispose(&json);
    buffer_dispose(&detail);
}

void health_answer_ready(struct exchange *exchange, bool in_full)
{
    struct checks checks;
    run_checks(exchange->app, &checks);
    if (in_full && checks.bad == 0)
        send_ready(exchange, &checks);
    else if (in_full)
        send_not_ready(exchange, &checks);
    else if (checks.bad == 0)
        reply_send(exchange, 200, PLAIN, H2O_STRLIT("ready\n"));
    else
        reply_problem(exchange, 503, "not ready; a request with the admin token gets the reasons");
}
