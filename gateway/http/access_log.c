/* access_log.c - one log line for each stream that has ended */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access_log.h"

#include <h2o.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/config/config.h"
#include "gateway/core/channel.h"
#include "gateway/core/identity.h"
#include "gateway/core/reader.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"

#define FIELDS_MAX 13

/* "a.b c.>": subjects have no blanks. */
static struct buffer list_subjects(const struct reader *reader)
{
    struct buffer text = {.bytes = NULL};
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct channel *channel = reader->cursors[i].view->channel;
        buffer_add(&text, " ", i != 0);
        buffer_add(&text, channel->pattern, channel->pattern_len);
    }
    return text;
}

void access_log_stream(const struct exchange *exchange, const struct reader *reader)
{
    struct app *app = exchange->app;
    uint64_t suppressed;
    if (!app->config->log.access || !log_enabled(LOG_INFO))
        return;
    app->access_limit.burst = ACCESS_LOG_BURST; /* 0 in a new app, which would admit nothing */
    if (!log_limit_admit(&app->access_limit, &suppressed))
        return;
    struct log_field fields[FIELDS_MAX];
    char peer[IP_TEXT_MAX];
    size_t n = 0;
    struct buffer subjects = list_subjects(reader);
    fields[n++] = log_str("route", reader->route->path);
    fields[n++] = log_bytes("subjects", subjects.bytes, subjects.len);
    fields[n++] = log_f64("duration", (double)(clock_mono_ns() - reader->opened_ns) / (double)NS_PER_S);
    fields[n++] = log_u64("events", reader->events);
    fields[n++] = log_u64("bytes", reader->bytes);
    fields[n++] = log_u64("gaps", reader->gaps);
    fields[n++] = log_str("reason", close_reason_label(reader->reason));
    fields[n++] = log_str("protocol", exchange->req->version >= 0x200 ? "h2" : "http/1.1");
    fields[n++] = log_str("peer", exchange_address(exchange, peer));
    if (reader->identity != NULL && reader->identity->sub != NULL)
        fields[n++] = log_str("sub", reader->identity->sub);
    if (suppressed != 0)
        fields[n++] = log_u64("suppressed", suppressed);
    CHECK(n < FIELDS_MAX);
    fields[n] = (struct log_field){.key = NULL};
    log_write_fields(LOG_INFO, "stream-end", fields);
    buffer_dispose(&subjects);
}
