/* js_read.c - one thread's reading of stored messages: its session, its consumer, what the leader says */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_read.h"

#include <time.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_session.h"

#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 1000
#define PAUSE_SLICE_MS 20
#define COMPLAIN_TIMEOUTS 3 /* answers that didn't come, in a row */
/* When a filter is given up: what was waited for, how many times longer than without, where a message takes so long. */
#define SLOW_NS 50000000
#define SLOW_FACTOR 4
#define READ_NS 10000

static const atomic_bool never;

void js_read_init(struct js_read *read, const struct js_read_host *host)
{
    *read = (struct js_read){.host = host};
    js_pull_init(&read->pull);
    read->pull.interrupt = &never;
    encode_init(&read->encoding);
}

void js_read_dispose(struct js_read *read)
{
    js_pull_dispose(&read->pull);
    encode_dispose(&read->encoding);
}

bool js_read_is_attached(const struct js_read *read)
{
    return read->pull.session != NULL && !atomic_load(&read->pull.session->is_over);
}

void js_read_pause(struct js_read *read)
{
    int64_t ms = (int64_t)PAUSE_MIN_MS << (read->failures < 6 ? read->failures : 6);
    if (ms > PAUSE_MAX_MS)
        ms = PAUSE_MAX_MS;
    ++read->failures;
    if (read->pull.timeouts >= COMPLAIN_TIMEOUTS && js_read_is_attached(read)) {
        read->pull.timeouts = 0;
        read->host->complain(read->host->owner, read->pull.session);
    }
    for (; ms > 0 && !atomic_load(read->pull.interrupt) && js_read_is_attached(read); ms -= PAUSE_SLICE_MS) {
        struct timespec slice = {.tv_nsec = PAUSE_SLICE_MS * NS_PER_MS};
        nanosleep(&slice, NULL);
    }
}

void js_read_failed(struct js_read *read)
{
    read->pull.is_open = false;
    js_read_pause(read);
}

bool js_read_attach(struct js_read *read)
{
    while (!js_read_is_attached(read)) {
        js_pull_detach(&read->pull);
        struct js_session *session = read->host->acquire(read->host->owner);
        if (session == NULL)
            return false;
        if (!js_pull_attach(&read->pull, session)) {
            /* The session is on its way out, or the inbox is denied, which does not end the session. */
            struct timespec pause = {.tv_nsec = PAUSE_SLICE_MS * NS_PER_MS};
            nanosleep(&pause, NULL);
        }
    }
    return true;
}

void js_read_close(struct js_read *read)
{
    read->pull.interrupt = &never;
    while (js_read_is_attached(read) && !js_pull_close(&read->pull))
        js_read_pause(read);
    read->failures = 0;
    read->counted = read->skipped_at = 0;
}

/* ---- what the server holds ---- */

uint64_t js_read_stream_sequence(const struct js_read *read, uint64_t number)
{
    uint64_t base = read->pull.session->base;
    return number > base ? number - base : 0;
}

uint64_t js_read_number(const struct js_read *read)
{
    return read->pull.session->base + read->pull.metadata.stream_sequence;
}

bool js_read_is_answered(struct js_read *read, enum js_answer answer)
{
    if (answer == JS_ANSWER_TIMEOUT)
        ++read->pull.timeouts;
    else if (answer != JS_ANSWER_FAILED)
        read->pull.timeouts = 0;
    return answer == JS_ANSWER_OK || answer == JS_ANSWER_NONE;
}

bool js_read_ask_range(struct js_read *read, uint64_t *last)
{
    struct js_session *session = read->pull.session;
    uint64_t first, stream_last;
    if (!js_read_is_answered(read, js_ask_range(session, &first, &stream_last)))
        return false;
    *last = session->base + stream_last;
    js_session_raise_first(read->host->source, session->base + first);
    return true;
}

bool js_read_check_first(struct js_read *read, uint64_t after, uint64_t next)
{
    uint64_t last;
    if (next != after + 1 && read->checked != read->pull.requests + 1 && !js_read_ask_range(read, &last))
        return false;
    read->checked = read->pull.requests + 1;
    return true;
}

bool js_read_next_stored(struct js_read *read, const char *pattern, uint64_t after, uint64_t *next)
{
    uint64_t sequence;
    *next = UINT64_MAX;
    enum js_answer answer =
        js_ask_next(read->pull.session, pattern, js_read_stream_sequence(read, after) + 1, &sequence);
    if (answer == JS_ANSWER_OK)
        *next = read->pull.session->base + sequence;
    return js_read_is_answered(read, answer);
}

bool js_read_open(struct js_read *read, const struct js_pull_start *start)
{
    if (js_pull_open(&read->pull, start) != JS_PULL_OK) {
        js_read_failed(read);
        return false;
    }
    uint64_t sequence = start->from == JS_PULL_FROM_SEQUENCE ? start->sequence : read->pull.start;
    read->pattern = start->filter != NULL ? start->filter : ">";
    read->position = read->pull.session->base + sequence - 1;
    read->proven = read->checked = 0;
    read->is_patient = false;
    return true;
}

bool js_read_is_slow(const struct js_read *read, uint64_t until)
{
    const struct js_pull *pull = &read->pull;
    uint64_t number = js_read_number(read), pending = pull->metadata.pending;
    if (pull->waited_ns < SLOW_NS || number >= until || pending == 0)
        return false;
    double one_ns = (double)pull->waited_ns / (double)pull->sequence;
    return one_ns > SLOW_FACTOR * READ_NS * (double)(until - number) / (double)pending;
}

/* ---- where the consumer is ---- */

bool js_read_has_hole(const struct js_read *read)
{
    uint64_t number = js_read_number(read);
    return number > read->position + 1 && number > read->proven;
}

void js_read_taken(struct js_read *read)
{
    uint64_t number = js_read_number(read);
    if (read->position < number)
        read->position = number;
    read->is_patient = false;
    js_pull_taken(&read->pull);
}
