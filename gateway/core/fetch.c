/* fetch.c - stored events for one reader, piece by piece */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/fetch.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/core/encode.h"
#include "gateway/core/message.h"
#include "gateway/core/reserved.h"
#include "gateway/core/segment.h"
#include "gateway/core/source.h"
#include "proto/subject.h"

#define PIECE_BYTES_MIN 2048u

void fetch_begin(struct fetch *fetch)
{
    CHECK(fetch->segment == NULL);
    fetch->size = fetch->events = 0;
    fetch->first_sequence = 0;
    fetch->first = atomic_load(&fetch->source->first);
    fetch->complete = false;
}

static bool is_wanted(const struct fetch *fetch, const struct message *message)
{
    if (message->subject_len > SUBJECT_MAX || reserved_has(message->subject, message->subject_len))
        return false;
    for (unsigned i = 0; i != fetch->pattern_count; ++i) {
        if (subject_matches(fetch->patterns[i], strlen(fetch->patterns[i]), message->subject, message->subject_len))
            return true;
    }
    return false;
}

/* A piece grows with its content: many readers may hold a small one. */
static bool make_room(struct fetch *fetch, uint32_t size)
{
    struct segment *segment = fetch->segment;
    uint32_t used = segment != NULL ? segment->front : 0,
             capacity = segment != NULL ? segment->capacity : PIECE_BYTES_MIN;
    if (segment != NULL && segment_has_room(segment, size, 0))
        return true;
    if (segment != NULL && used + size > FETCH_PIECE_BYTES)
        return false;
    while (capacity - used < size)
        capacity *= 2;
    fetch->segment = segment_create(capacity);
    if (segment != NULL) {
        memcpy(fetch->segment->bytes, segment->bytes, used);
        fetch->segment->front = used;
        segment_release(segment);
    }
    return true;
}

bool fetch_add(struct fetch *fetch, struct encoding *encoding, uint64_t sequence, const struct message *message)
{
    if (!is_wanted(fetch, message)) {
        fetch->after = sequence;
        return true;
    }
    size_t size = encode_prepare(encoding, fetch->event, fetch->format, source_id(fetch->source, sequence), message);
    CHECK(size <= UINT32_MAX / 4);
    if (fetch->segment == NULL)
        fetch->first_sequence = sequence;
    if (!make_room(fetch, (uint32_t)size))
        return false;
    struct segment *segment = fetch->segment;
    encode_write(segment->bytes + segment->front, encoding);
    segment->front += (uint32_t)size;
    fetch->size = segment->front;
    ++fetch->events;
    fetch->after = sequence;
    return true;
}
