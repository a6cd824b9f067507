/* metrics_page.c - /metrics: all counters and gauges in the text format of Prometheus */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/metrics_page.h"

#include <h2o.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/process.h"
#include "gateway/http/reply.h"

static const struct row {
    const char *name, *type, *label, *value, *help;
} rows[METRIC_COUNT] = {
#define COUNTER(symbol, name, help) [METRIC_##symbol] = {name, "counter", NULL, NULL, help},
#define GAUGE(symbol, name, help) [METRIC_##symbol] = {name, "gauge", NULL, NULL, help},
#define LABELLED(symbol, name, label, value, help) [METRIC_##symbol] = {name, "counter", label, value, help},
#define HISTOGRAM(symbol, name, help) [METRIC_##symbol] = {name, "histogram", NULL, NULL, help},
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
#undef HISTOGRAM
};

static void write_head(struct buffer *text, const char *name, const char *type, const char *help)
{
    buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Seconds without trailing zeros: 0.0025, 10. */
static void write_bound(struct buffer *text, int64_t ns)
{
    if (ns == INT64_MAX)
        buffer_add_text(text, "+Inf");
    else
        buffer_format(text, "%.10g", (double)ns / (double)NS_PER_S);
}

/* Buckets are cumulative here. A worker that counts meanwhile may make _sum a little older than _count. */
static void write_histogram(struct buffer *text, enum metric histogram)
{
    const char *name = rows[histogram].name;
    CHECK(metrics_bound_ns[METRICS_BUCKETS - 1] == INT64_MAX);
    double sum = (double)metrics_sum(histogram) / (double)NS_PER_S;
    unsigned long long count = 0;
    for (unsigned i = 0; i != METRICS_BUCKETS; ++i) {
        count += metrics_sum((enum metric)(histogram + 1 + i));
        buffer_format(text, "%s_bucket{le=\"", name);
        write_bound(text, metrics_bound_ns[i]);
        buffer_format(text, "\"} %llu\n", count);
    }
    buffer_format(text, "%s_sum %.9f\n%s_count %llu\n", name, sum, name, count);
}

static void write_row(struct buffer *text, enum metric metric)
{
    const struct row *row = &rows[metric];
    if (strcmp(row->type, "histogram") == 0)
        write_histogram(text, metric);
    else if (row->label != NULL)
        buffer_format(text, "%s{%s=\"%s\"} %llu\n", row->name, row->label, row->value,
                      (unsigned long long)metrics_sum(metric));
    else
        buffer_format(text, "%s %llu\n", row->name, (unsigned long long)metrics_sum(metric));
}

static void write_rows(struct buffer *text)
{
    const char *name = "";
    for (unsigned i = 0; i != METRIC_COUNT; ++i) {
        const struct row *row = &rows[i];
        if (row->name == NULL) /* a histogram's further numbers */
            continue;
        /* The format wants HELP and TYPE once for a name, before all of its rows. */
        if (strcmp(row->name, name) != 0)
            write_head(text, row->name, row->type, row->help);
        name = row->name;
        write_row(text, (enum metric)i);
    }
}

static void write_whole(struct buffer *text, const char *name, const char *help, uint64_t value)
{
    write_head(text, name, "gauge", help);
    buffer_format(text, "%s %llu\n", name, (unsigned long long)value);
}

static void write_time(struct buffer *text, const char *name, const char *type, const char *help, int64_t ns)
{
    write_head(text, name, type, help);
    buffer_format(text, "%s ", name);
    buffer_add_seconds(text, ns);
    buffer_add_text(text, "\n");
}

/* Under the names that the client libraries of Prometheus use. */
static void write_process(struct buffer *text)
{
    struct process process = process_look();
    write_time(text, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
               process.cpu_ns);
    write_time(text, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
               process.start_ns);
    write_whole(text, "process_resident_memory_bytes", "Resident memory size in bytes.", process.resident_bytes);
    write_whole(text, "process_virtual_memory_bytes", "Virtual memory size in bytes.", process.virtual_bytes);
    write_whole(text, "process_open_fds", "Number of open file descriptors.", process.open_fds);
    write_whole(text, "process_max_fds", "Maximum number of open file descriptors.", process.max_fds);
}

void metrics_page_answer(struct exchange *exchange)
{
    struct buffer text = {.bytes = NULL};
    write_head(&text, "freshet_build_info", "gauge", "The version that runs.");
    buffer_add_text(&text, "freshet_build_info{version=\"" FRESHET_VERSION "\"} 1\n");
    write_rows(&text);
    write_process(&text);
    reply_send(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.bytes, text.len);
    buffer_dispose(&text);
}
