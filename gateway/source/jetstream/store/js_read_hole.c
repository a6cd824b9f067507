/* js_read_hole.c - asks the stream about what a consumer left out, before taking it for deleted */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_read_hole.h"

#include "gateway/base/metrics.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_session.h"
#include "gateway/source/jetstream/store/js_read.h"

static uint64_t number_of_queued(const struct js_read *read, unsigned n)
{
    return read->pull.session->base + js_pull_peek(&read->pull, n)->metadata.stream_sequence;
}

/* One for each hole in front of a message that is here. */
static size_t list_questions(struct js_read *read)
{
    uint64_t before = read->position;
    size_t count = 0;
    for (unsigned i = 0; i != js_pull_queued(&read->pull); ++i) {
        uint64_t number = number_of_queued(read, i);
        if (number > before + 1) {
            read->questions[count++].at_least = js_read_stream_sequence(read, before) + 1;
            metrics_add_shared(METRIC_STORE_HOLES, number > read->counted);
        }
        if (number > before)
            before = number;
    }
    if (read->counted < before)
        read->counted = before;
    return count;
}

enum stored { STORED_FETCHED = 0, STORED_DELETED, STORED_UNKNOWN };

/* Fetches the message with that number, which then comes next. */
static enum stored fetch_stored(struct js_read *read, uint64_t number)
{
    struct js_metadata metadata = {.stream_sequence = js_read_stream_sequence(read, number),
                                   .pending = read->pull.pending + 1};
    struct js_session *session = read->pull.session;
    jsErrCode code = 0;
    natsMsg *msg = NULL;
    natsStatus status = js_GetMsg(&msg, session->js, session->stream, metadata.stream_sequence, NULL, &code);
    read->pull.timeouts = status == NATS_TIMEOUT ? read->pull.timeouts + 1 : 0;
    if (status != NATS_OK)
        return code == JSNoMessageFoundErr ? STORED_DELETED : STORED_UNKNOWN;
    metadata.stored_ns = natsMsg_GetTime(msg);
    js_pull_put_first(&read->pull, msg, &metadata);
    read->proven = number;
    return STORED_FETCHED;
}

/*
 * A new consumer that begins there is faster. If it skips the same place again
 * (there are purges all the time, or its server lacks what the leader holds),
 * the message is fetched, so that each try makes progress.
 */
static enum js_read_hole mend_skip(struct js_read *read, uint64_t found)
{
    js_ask_report_skip(read->pull.session->stream, js_read_stream_sequence(read, found),
                       read->pull.metadata.stream_sequence);
    enum stored stored = STORED_DELETED;
    if (read->skipped_at == read->position)
        stored = fetch_stored(read, found);
    read->skipped_at = read->position;
    if (stored == STORED_DELETED)
        read->pull.is_open = false;
    return stored == STORED_UNKNOWN ? JS_READ_UNKNOWN : JS_READ_SKIPPED;
}

void js_read_hole_wait(struct js_read *read, uint64_t next)
{
    ++read->waits;
    read->is_patient = true;
    if (read->waits % 4 == 0 && next != 0 && fetch_stored(read, next) == STORED_FETCHED)
        return;
    /* The only server of a stream does not lag. */
    if (read->waits % 4 == 0 || (read->waits == 1 && read->pull.session->replicas <= 1))
        read->pull.is_open = false;
}

/* All questions have their answers: as far as to the first hole in which something is stored. Its number, or 0. */
static uint64_t note_answers(struct js_read *read)
{
    uint64_t before = read->position;
    size_t asked = 0;
    for (unsigned i = 0; i != js_pull_queued(&read->pull); ++i) {
        uint64_t number = number_of_queued(read, i);
        bool has_hole = number > before + 1;
        if (has_hole && read->questions[asked].found < js_read_stream_sequence(read, number))
            return read->pull.session->base + read->questions[asked].found;
        asked += has_hole;
        if (number > before)
            before = number;
        read->proven = before;
    }
    return 0;
}

enum js_read_hole js_read_hole_check(struct js_read *read)
{
    struct js_pull *pull = &read->pull;
    if (!js_read_has_hole(read))
        return JS_READ_NO_HOLE;
    js_pull_gather(pull);
    size_t count = list_questions(read);
    enum js_answer answer =
        js_ask_each(pull->session, &pull->answers, pull->interrupt, read->pattern, read->questions, count);
    if (answer == JS_ANSWER_TIMEOUT)
        ++pull->timeouts;
    if (answer != JS_ANSWER_OK)
        return JS_READ_UNKNOWN;
    pull->timeouts = 0;
    read->checked = 0; /* where the stream begins has to be asked after this moment */
    uint64_t found = note_answers(read);
    if (!js_read_has_hole(read))
        return JS_READ_NO_HOLE;
    return mend_skip(read, found);
}
