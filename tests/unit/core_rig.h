/* core_rig.h - a hub and a source without threads, and readers whose bytes are parsed as a browser would */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_CORE_RIG_H
#define TESTS_UNIT_CORE_RIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/core/channel.h"
#include "gateway/core/hub.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/reader.h"
#include "gateway/core/registry.h"
#include "gateway/core/turn.h"
#include "tests/support/sse_parser.h"

#define RIG_INCARNATION 0xabcu
#define RIG_CHANNELS 40

/* The core as it is; only NATS below and HTTP above it are left out. Time is what a test says it is. */
struct rig {
    struct registry registry;
    struct hub hub;
    struct metrics metrics;
    struct source source;
    struct config_route route;
    struct channel *channels[RIG_CHANNELS]; /* that the source was asked to open */
    size_t channel_count;
    bool hold_open; /* the test calls ingress_opened itself */
    int64_t now_ns;
    unsigned wakes;
};

struct rig_reader {
    struct reader reader;
    struct sse_parser parser;
    char log[65536]; /* "name|id|data\n" per event; much data is cut short */
    size_t sends, bytes;
    bool flying, final, refused, killed;
    enum reader_refusal refusal;
    int64_t progress_ns;
};

static struct rig rig;

static void rig_source_open(struct source *source, struct channel *channel)
{
    (void)source;
    cr_assert_lt(rig.channel_count, RIG_CHANNELS);
    rig.channels[rig.channel_count++] = channel;
    if (!rig.hold_open)
        ingress_opened(channel);
}

static void rig_source_close(struct source *source, struct channel *channel)
{
    (void)source;
    for (size_t i = 0; i != rig.channel_count; ++i) {
        if (rig.channels[i] == channel) {
            rig.channels[i] = rig.channels[--rig.channel_count];
            break;
        }
    }
    ingress_closed(channel);
}

static void rig_wake(void *arg)
{
    (void)arg;
    ++rig.wakes;
}

static void rig_start(void)
{
    static const struct source_ops ops = {.open = rig_source_open, .close = rig_source_close};
    rig.now_ns = 1000000000;
    rig.route = (struct config_route){
        .retry_ms = 2000,
        .heartbeat_ms = 15000,
        .history = {.events = 1024, .bytes = 4 << 20, .linger_ms = 60000},
    };
    source_init(&rig.source, &ops, 0, RIG_INCARNATION);
    registry_init(&rig.registry);
    hub_init(&rig.hub, &rig.registry, &rig.metrics, rig_wake, NULL);
    registry_add_mailbox(&rig.registry, &rig.hub.mailbox);
    hub_add_source(&rig.hub, &rig.source);
    rig.hub.write_timeout_ns = 30000000000;
    hub_start(&rig.hub, rig.now_ns);
}

static void rig_stop(void)
{
    hub_release_views(&rig.hub);
    registry_close_all(&rig.registry);
    registry_dispose(&rig.registry);
    turn_end(&rig.hub);
    hub_dispose(&rig.hub);
    source_dispose(&rig.source);
}

static void rig_turn(void)
{
    while (turn_run(&rig.hub, rig.now_ns))
        ;
}

/* To all channels whose pattern is the given one, as one subscription each. */
static void rig_publish(const char *pattern, const char *subject, const char *data)
{
    struct message message = {
        .subject = subject,
        .subject_len = strlen(subject),
        .data = data,
        .data_len = strlen(data),
        .received_ns = rig.now_ns,
    };
    for (size_t i = 0; i != rig.channel_count; ++i) {
        if (strcmp(ingress_pattern(rig.channels[i]), pattern) == 0)
            ingress_append(rig.channels[i], &message);
    }
}

static void rig_publish_n(const char *pattern, const char *subject, unsigned from, unsigned count)
{
    for (unsigned i = 0; i != count; ++i) {
        char data[16];
        snprintf(data, sizeof(data), "%u", from + i);
        rig_publish(pattern, subject, data);
    }
}

static struct rig_reader *rig_reader_of(const struct reader *reader)
{
    return LIST_ENTRY(reader, struct rig_reader, reader);
}

static void rig_on_event(void *arg, const struct sse_parsed_event *event)
{
    struct rig_reader *r = arg;
    size_t used = strlen(r->log);
    bool brief = event->data_len > 500;
    int n = snprintf(r->log + used, sizeof(r->log) - used, "%s|%s|%.*s%s\n",
                     strcmp(event->name, "message") == 0 ? "" : event->name, event->id, brief ? 8 : 500, event->data,
                     brief ? "..." : "");
    cr_assert_lt((size_t)n, sizeof(r->log) - used);
}

static void rig_do_send(struct reader *reader, const struct piece *pieces, size_t count, bool final)
{
    struct rig_reader *r = rig_reader_of(reader);
    cr_assert_not(r->flying);
    cr_assert_not(r->final);
    cr_assert(count != 0 || final);
    cr_assert_leq(count, BATCH_PIECES);
    cr_assert_leq(reader->batch->scratch_used, BATCH_SCRATCH);
    for (size_t i = 0; i != count; ++i) {
        cr_assert_neq(pieces[i].len, 0);
        sse_parser_feed(&r->parser, pieces[i].base, pieces[i].len);
        r->bytes += pieces[i].len;
    }
    ++r->sends;
    r->flying = !final;
    r->final = final;
}

static void rig_do_refuse(struct reader *reader, enum reader_refusal refusal)
{
    rig_reader_of(reader)->refused = true;
    rig_reader_of(reader)->refusal = refusal;
}

static int64_t rig_do_progress(const struct reader *reader)
{
    return rig_reader_of(reader)->progress_ns;
}

static void rig_do_kill(struct reader *reader)
{
    rig_reader_of(reader)->killed = true;
}

static struct rig_reader *rig_open_with(const struct reader_options *options)
{
    static const struct reader_ops ops = {
        .send = rig_do_send, .refuse = rig_do_refuse, .last_progress_ns = rig_do_progress, .kill = rig_do_kill};
    struct rig_reader *r = check_calloc(1, sizeof(*r));
    sse_parser_init(&r->parser, rig_on_event, r);
    reader_open(&r->reader, &rig.hub, &ops, options);
    return r;
}

static struct reader_options rig_options(enum reader_start start, bool follow, const char *const *subjects,
                                         size_t count)
{
    return (struct reader_options){
        .route = &rig.route,
        .source = &rig.source,
        .subjects = subjects,
        .subject_count = count,
        .start = start,
        .follow = follow,
    };
}

/* subjects: NULL ends them. */
static struct rig_reader *rig_open(enum reader_start start, const char *cursor, bool follow,
                                   const char *const *subjects)
{
    size_t count = 0;
    while (subjects[count] != NULL)
        ++count;
    struct reader_options options = rig_options(start, follow, subjects, count);
    options.cursor_text = cursor;
    options.cursor_len = cursor != NULL ? strlen(cursor) : 0;
    return rig_open_with(&options);
}

static struct rig_reader *rig_open_one(enum reader_start start, const char *cursor, const char *subject)
{
    return rig_open(start, cursor, true, (const char *const[]){subject, NULL});
}

/* What was sent has left; what follows leaves too, until nothing does. */
static void rig_flush(struct rig_reader *r)
{
    rig_turn();
    while (r->flying) {
        r->flying = false;
        r->progress_ns = rig.now_ns;
        reader_sent(&r->reader);
        rig_turn();
    }
}

/* … of one pattern, from now on, and its stream has begun. */
static struct rig_reader *rig_open_now(const char *subject)
{
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, subject);
    rig_flush(r);
    return r;
}

/* All of the reader's events so far, including those in flight. A macro, so that a failure names its line. */
#define RIG_EXPECT(r, ...)                                                                                             \
    do {                                                                                                               \
        rig_flush(r);                                                                                                  \
        cr_assert_str_eq((r)->log, __VA_ARGS__);                                                                       \
    } while (0)

static void rig_close(struct rig_reader *r)
{
    reader_close(&r->reader);
    sse_parser_dispose(&r->parser);
    free(r);
}

/* The number of events (lines of the log). */
static size_t rig_events(const struct rig_reader *r)
{
    size_t n = 0;
    for (const char *p = r->log; *p != '\0'; ++p)
        n += *p == '\n';
    return n;
}

/* What a channel of rig.route's readers is known by. */
static struct channel_profile rig_profile(void)
{
    return (struct channel_profile){
        .source = &rig.source,
        .store = rig.route.history.store,
        .event = rig.route.event,
        .format = rig.route.format,
        .events = rig.route.history.events,
        .bytes = rig.route.history.bytes,
        .linger_ns = rig.route.history.linger_ms * 1000000,
    };
}

static uint64_t rig_metric(enum metric metric)
{
    return atomic_load(&rig.metrics.values[metric]);
}

static inline void rig_unused(void)
{
    (void)rig_profile;
    (void)rig_metric;
    (void)rig_publish;
    (void)rig_open;
    (void)rig_turn;
    (void)rig_publish_n;
    (void)rig_open_one;
    (void)rig_open_now;
    (void)rig_flush;
    (void)rig_close;
    (void)rig_events;
    (void)rig_stop;
    (void)rig_start;
}

#endif
