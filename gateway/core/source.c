/* source.c - what the core asks of a source of messages, and how its events are numbered */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/source.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/lock.h"
#include "gateway/core/encode.h"

void source_init(struct source *source, const struct source_ops *ops, unsigned index, uint64_t incarnation)
{
    CHECK(index < SOURCES_MAX && (incarnation != 0 || ops->look != NULL));
    *source = (struct source){.ops = ops, .index = index};
    lock_init(&source->lock);
    source->encoding = check_malloc(sizeof(*source->encoding));
    encode_init(source->encoding);
    if (incarnation != 0)
        source_push_epoch(source, 0, incarnation);
}

void source_dispose(struct source *source)
{
    struct source_epoch *epoch = atomic_load(&source->epoch);
    while (epoch != NULL) {
        struct source_epoch *older = epoch->older;
        free(epoch);
        epoch = older;
    }
    encode_dispose(source->encoding);
    free(source->encoding);
    lock_dispose(&source->lock);
}

void source_push_epoch(struct source *source, uint64_t base, uint64_t incarnation)
{
    struct source_epoch *epoch = check_malloc(sizeof(*epoch));
    *epoch = (struct source_epoch){base, incarnation, atomic_load(&source->epoch)};
    CHECK(incarnation != 0);
    atomic_store(&source->epoch, epoch);
}

struct event_id source_id(const struct source *source, uint64_t sequence)
{
    const struct source_epoch *epoch = atomic_load_explicit(&source->epoch, memory_order_acquire);
    CHECK(epoch != NULL);
    while (sequence < epoch->base)
        epoch = epoch->older;
    return (struct event_id){epoch->incarnation, sequence - epoch->base};
}

bool source_number(const struct source *source, struct event_id id, uint64_t *sequence)
{
    uint64_t end = UINT64_MAX;
    for (const struct source_epoch *epoch = atomic_load_explicit(&source->epoch, memory_order_acquire); epoch != NULL;
         end = epoch->base - 1, epoch = epoch->older) {
        if (id.incarnation == epoch->incarnation && id.sequence <= end - epoch->base) {
            *sequence = epoch->base + id.sequence;
            return true;
        }
    }
    return false;
}
