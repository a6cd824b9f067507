/* segment.h - a piece of a channel's log: encoded events, back to back */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_SEGMENT_H
#define GATEWAY_CORE_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Events of one channel are written one after the other, so that a reader
 * that is several events behind takes them as one stretch of memory, however
 * many they are. Frames grow from the front; the subjects of a wildcard
 * channel's events grow from the back.
 *
 * The only object shared between threads by content: the channel's writer
 * fills it under the channel's lock, all others read bytes that were
 * there when they took that lock, and the last to release frees it.
 */
#define SEGMENT_BYTES_MAX 65536u

struct segment {
    _Atomic uint32_t refs;
    uint32_t live;     /* channel's entries that lie here; under the channel's lock */
    uint32_t capacity; /* of bytes */
    uint32_t front;    /* bytes of frames; under the channel's lock */
    uint32_t back;     /* bytes of subjects, from the end; under the channel's lock */
    char bytes[];
};

/* One reference, for the caller. */
struct segment *segment_create(uint32_t capacity);
void segment_retain(struct segment *segment);
/* May free the segment. */
void segment_release(struct segment *segment);

static inline bool segment_has_room(const struct segment *segment, size_t front, size_t back)
{
    return front + back <= (size_t)(segment->capacity - segment->front - segment->back);
}

#endif
