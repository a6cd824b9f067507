/* js_read_fill.c - reads the newest stored messages of a channel, as many as it keeps */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_read_fill.h"

#include <string.h>

#include "gateway/core/fetch.h"
#include "gateway/core/fill.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/js_session.h"
#include "gateway/source/jetstream/store/js_read.h"
#include "gateway/source/jetstream/store/js_read_hole.h"
#include "gateway/source/nats/nats_message.h"
#include "proto/subject.h"

#define TRIES_MAX 24

static uint64_t larger_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool open_fill(struct js_read *read, const struct js_read_fill *job)
{
    struct js_pull_start start = {.filter = job->is_unfiltered ? NULL : ingress_pattern(job->channel),
                                  .sequence = js_read_stream_sequence(read, job->position) + 1};
    return js_read_open(read, &start);
}

/*
 * There may be far more between the cursor and the floor than the channel
 * keeps. The consumer's own count says how many: the start moves forward in
 * proportion, and back by halves where they are not spread evenly.
 */
static void choose_start(struct js_read *read, struct js_read_fill *job)
{
    uint64_t capacity = fill_capacity(job->fill), pending = read->pull.pending, end = fill_end(job->fill);
    bool is_many = pending > 4 * capacity, is_few = pending < capacity && job->position > job->after;
    if ((!is_many && !is_few) || ++job->tries > TRIES_MAX) {
        job->is_settled = true;
        return;
    }
    if (is_few) {
        job->too_few = job->position;
    } else {
        uint64_t first = atomic_load(&read->host->source->first);
        job->too_many = larger_of(larger_of(job->position, read->pull.session->base), first > 0 ? first - 1 : 0);
    }
    uint64_t limit = job->too_few != 0 ? job->too_few : end;
    if (limit <= job->too_many + 1) {
        job->is_settled = true;
        return;
    }
    uint64_t span = limit - job->too_many, forward = span / 2;
    if (job->too_few == 0)
        forward = larger_of(forward, (uint64_t)((double)span * (1 - 2 * (double)capacity / (double)pending)));
    job->position = job->too_many + forward;
    read->pull.is_open = false;
}

static void add_message(struct js_read *read, struct js_read_fill *job)
{
    struct message message = {.received_ns = read->pull.metadata.stored_ns};
    uint64_t number = js_read_number(read);
    if (number > job->position && number <= fill_end(job->fill)) {
        const char *pattern = ingress_pattern(job->channel);
        nats_message_read(js_pull_peek(&read->pull, 0)->message, &message);
        if (!job->is_unfiltered || subject_matches(pattern, strlen(pattern), message.subject, message.subject_len))
            fill_add(job->fill, &read->encoding, number, &message);
    }
    job->position = larger_of(job->position, number);
    js_read_taken(read);
}

/* The consumer has nothing further: neither has the leader, or it lags. */
static void end_of_consumer(struct js_read *read, struct js_read_fill *job)
{
    uint64_t next;
    if (!js_read_check_first(read, job->position, 0) ||
        !js_read_next_stored(read, ingress_pattern(job->channel), job->position, &next)) {
        js_read_failed(read);
        return;
    }
    if (next > fill_end(job->fill))
        job->position = larger_of(job->position, fill_end(job->fill));
    else
        js_read_hole_wait(read, next);
}

static void take_step(struct js_read *read, struct js_read_fill *job)
{
    switch (js_pull_next(&read->pull, read->is_patient)) {
    case JS_PULL_END:
        end_of_consumer(read, job);
        return;
    case JS_PULL_FAILED:
        js_read_failed(read);
        return;
    case JS_PULL_DRAINED:
        return;
    case JS_PULL_OK:
        break;
    }
    enum js_read_hole hole = js_read_hole_check(read);
    if (hole == JS_READ_UNKNOWN ||
        (hole == JS_READ_NO_HOLE && !js_read_check_first(read, job->position, js_read_number(read)))) {
        js_read_failed(read);
        return;
    }
    if (hole == JS_READ_SKIPPED)
        return;
    read->failures = read->waits = 0;
    add_message(read, job);
    if (!job->is_unfiltered && js_read_is_slow(read, fill_end(job->fill))) {
        job->is_unfiltered = true;
        read->pull.is_open = false;
    }
}

static void begin_fill(struct js_read_fill *job)
{
    job->fill = fill_create(job->channel);
    job->position = job->after;
    job->too_many = job->after;
}

enum js_read_status js_read_fill(struct js_read *read, struct js_read_fill *job)
{
    if (job->fill == NULL)
        begin_fill(job);
    for (;;) {
        if (atomic_load(read->pull.interrupt))
            return JS_READ_INTERRUPTED;
        if (!js_read_is_attached(read))
            return JS_READ_NO_SESSION;
        if (job->position >= fill_end(job->fill) || fill_end(job->fill) <= read->pull.session->base)
            return JS_READ_DONE;
        if (!read->pull.is_open && !open_fill(read, job))
            continue;
        if (!job->is_settled) {
            choose_start(read, job);
            if (job->is_settled)
                job->after = job->position;
            continue;
        }
        take_step(read, job);
    }
}
