/* metrics_page.c - /metrics: all that is counted, as Prometheus reads it */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/metrics_page.h"

#include <h2o.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/metrics.h"
#include "gateway/http/problem.h"

static const struct row {
    const char *name, *type, *label, *value, *help;
} rows[METRIC_COUNT] = {
#define COUNTER(symbol, name, help) [METRIC_##symbol] = {name, "counter", NULL, NULL, help},
#define GAUGE(symbol, name, help) [METRIC_##symbol] = {name, "gauge", NULL, NULL, help},
#define LABELLED(symbol, name, label, value, help) [METRIC_##symbol] = {name, "counter", label, value, help},
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
};

static void write_head(struct buffer *text, const char *name, const char *type, const char *help)
{
    buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_rows(struct buffer *text)
{
    for (unsigned i = 0; i != METRIC_COUNT; ++i) {
        const struct row *row = &rows[i];
        unsigned long long value = metrics_sum((enum metric)i);
        if (i == 0 || strcmp(row->name, rows[i - 1].name) != 0)
            write_head(text, row->name, row->type, row->help);
        if (row->label != NULL)
            buffer_format(text, "%s{%s=\"%s\"} %llu\n", row->name, row->label, row->value, value);
        else
            buffer_format(text, "%s %llu\n", row->name, value);
    }
}

void metrics_page_answer(struct app *app, h2o_req_t *req)
{
    struct buffer text = {.bytes = NULL};
    write_head(&text, "freshet_build_info", "gauge", "The version that runs.");
    buffer_add_text(&text, "freshet_build_info{version=\"" FRESHET_VERSION "\"} 1\n");
    write_rows(&text);
    reply_send(app, req, 200, "text/plain; version=0.0.4; charset=utf-8", text.bytes, text.len);
    buffer_dispose(&text);
}
