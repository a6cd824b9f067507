/* report.c - the figures of a run, for people and as JSON */
/* SPDX-License-Identifier: MIT */
#include "bench/load/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const counter_names[] = {
#define X(symbol, is_error, help) #symbol,
#include "bench/load/counters.def"
#undef X
};
static const bool counter_is_error[] = {
#define X(symbol, is_error, help) is_error,
#include "bench/load/counters.def"
#undef X
};

struct total {
    uint64_t counters[COUNTER_COUNT];
    int64_t last_event_ns;
    struct histogram latency, connect, first_byte;
};

static void add_up(struct total *total, const struct engine *engines, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        const struct engine *engine = &engines[i];
        for (int c = 0; c < COUNTER_COUNT; ++c)
            total->counters[c] += engine->counters[c];
        if (engine->last_event_ns > total->last_event_ns)
            total->last_event_ns = engine->last_event_ns;
        histogram_merge(&total->latency, &engine->latency);
        histogram_merge(&total->connect, &engine->connect);
        histogram_merge(&total->first_byte, &engine->first_byte);
    }
}

static bool tolerated(const struct options *o, int counter)
{
    if (counter == COUNTER_gaps || counter == COUNTER_lost) /* an announced gap explains what is missing */
        return o->allow_gaps;
    return o->allow_closed &&
           (counter == COUNTER_closed || counter == COUNTER_byes || counter == COUNTER_connections_lost);
}

static uint64_t errors_in(const struct report *r, const struct total *total)
{
    uint64_t errors = r->expect_checked ? r->behind : 0;
    for (int c = 0; c < COUNTER_COUNT; ++c) {
        if (counter_is_error[c] && !tolerated(r->options, c))
            errors += total->counters[c];
    }
    return errors;
}

static double per(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double resume_s(const struct report *r, const struct total *total)
{
    return r->resume_ns == 0 || total->last_event_ns < r->resume_ns
               ? 0
               : (double)(total->last_event_ns - r->resume_ns) / 1e9;
}

static void print_latency(const char *what, const struct histogram *h)
{
    if (histogram_count(h) == 0)
        return;
    printf("%-12s p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms (%" PRIu64 ")\n", what,
           (double)histogram_at(h, 0.5) / 1e6, (double)histogram_at(h, 0.99) / 1e6,
           (double)histogram_at(h, 0.999) / 1e6, (double)h->max / 1e6, histogram_count(h));
}

static void print(const struct report *r, const struct total *total, uint64_t errors)
{
    double server_cpu = r->window_server_cpu_s;
    printf("streams      %" PRIu64 " open after %.3f s\n", r->streams_ready, r->ready_s);
    if (r->window_s > 0)
        printf("events       %" PRIu64 " in %.3f s = %.0f/s, %.1f to a DATA frame, %.1f MB/s\n", r->window_events,
               r->window_s, (double)r->window_events / r->window_s,
               per((double)r->window_events, (double)r->window_frames), (double)r->window_bytes / r->window_s / 1e6);
    print_latency("latency", &total->latency);
    print_latency("connect", &total->connect);
    print_latency("first byte", &total->first_byte);
    if (r->window_client_cpu_s > 0)
        printf("client CPU   %.2f s = %.0f events per CPU second\n", r->window_client_cpu_s,
               per((double)r->window_events, r->window_client_cpu_s));
    if (r->options->servers.count != 0)
        printf("server CPU   %.2f s = %.0f events per CPU second; resident %.1f MB (%.2f KB a stream)\n", server_cpu,
               per((double)r->window_events, server_cpu), (double)r->server_end.rss_kb / 1024,
               per((double)r->server_ready.pss_kb - (double)r->server_before.pss_kb, (double)r->streams_ready));
    if (resume_s(r, total) > 0)
        printf("resume       %.3f s from the first connect to the last event\n", resume_s(r, total));
    if (r->expect_checked && r->behind != 0)
        printf("BEHIND       %" PRIu64 " streams have not reached the expected sequence\n", r->behind);
    for (int c = 0; c < COUNTER_COUNT; ++c) {
        if (counter_is_error[c] && total->counters[c] != 0)
            printf("%-12s %s %" PRIu64 "\n", tolerated(r->options, c) ? "tolerated" : "ERROR", counter_names[c],
                   total->counters[c]);
    }
    printf("%s\n", errors == 0 ? "every stream complete and in order" : "FAILED");
    fflush(stdout);
}

static void json_usage(FILE *f, const char *name, const struct tool_usage *u)
{
    fprintf(f,
            "  \"%s\": {\"cpu_s\": %.2f, \"rss_kb\": %" PRIu64 ", \"pss_kb\": %" PRIu64 ", \"peak_rss_kb\": %" PRIu64
            ", \"processes\": %u},\n",
            name, u->cpu_s, u->rss_kb, u->pss_kb, u->peak_rss_kb, u->alive);
}

static void json(const struct report *r, const struct engine *engines, const struct total *total, uint64_t errors)
{
    const struct options *o = r->options;
    FILE *f = fopen(o->json, "we");
    if (f == NULL)
        tool_die("%s: %s", o->json, strerror(errno));
    fprintf(f, "{\n  \"tool\": \"freshet-load\",\n  \"tls\": \"%s\",\n", engines[0].tls_name);
    fprintf(f,
            "  \"connections\": %u, \"streams\": %" PRIu64 ", \"streams_ready\": %" PRIu64
            ", \"subjects\": %u, \"subjects_per_stream\": %u, \"threads\": %u,\n",
            o->connections, (uint64_t)o->connections * o->streams, r->streams_ready, o->subjects,
            o->subjects_per_stream, o->threads);
    fprintf(f, "  \"ready_s\": %.6f, \"window_s\": %.6f, \"resume_s\": %.6f,\n", r->ready_s, r->window_s,
            resume_s(r, total));
    fprintf(f,
            "  \"window_events\": %" PRIu64 ", \"window_bytes\": %" PRIu64 ", \"window_frames\": %" PRIu64
            ", \"events_per_s\": %.1f, \"events_per_frame\": %.3f,\n",
            r->window_events, r->window_bytes, r->window_frames, per((double)r->window_events, r->window_s),
            per((double)r->window_events, (double)r->window_frames));
    fprintf(f, "  \"window_client_cpu_s\": %.4f, \"window_server_cpu_s\": %.4f,\n", r->window_client_cpu_s,
            r->window_server_cpu_s);
    json_usage(f, "server_before", &r->server_before);
    json_usage(f, "server_ready", &r->server_ready);
    json_usage(f, "server_end", &r->server_end);
    fprintf(f, "  \"latency_ns\": ");
    histogram_json(&total->latency, f);
    fprintf(f, ",\n  \"connect_ns\": ");
    histogram_json(&total->connect, f);
    fprintf(f, ",\n  \"first_byte_ns\": ");
    histogram_json(&total->first_byte, f);
    fprintf(f, ",\n  \"counters\": {");
    for (int c = 0; c < COUNTER_COUNT; ++c)
        fprintf(f, "%s\"%s\": %" PRIu64, c == 0 ? "" : ", ", counter_names[c], total->counters[c]);
    fprintf(f, "},\n  \"expect_checked\": %s, \"behind\": %" PRIu64 ", \"errors\": %" PRIu64 "\n}\n",
            r->expect_checked ? "true" : "false", r->behind, errors);
    if (fclose(f) != 0)
        tool_die("%s: %s", o->json, strerror(errno));
}

bool report_write(const struct report *report, const struct engine *engines)
{
    struct total *total = tool_calloc(1, sizeof(*total));
    add_up(total, engines, report->options->threads);
    uint64_t errors = errors_in(report, total);
    print(report, total, errors);
    if (report->options->json != NULL)
        json(report, engines, total, errors);
    free(total);
    return errors == 0;
}
