/* core_store.h - a model of a store: an array of messages that is handed out when a seed says so */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_CORE_STORE_H
#define TESTS_UNIT_CORE_STORE_H

#include "gateway/core/encode.h"
#include "gateway/core/fetch.h"
#include "gateway/core/fill.h"
#include "gateway/core/ingress.h"
#include "tests/unit/core_rig.h"

/* Live events come late, too. */
#define STORE_MAX 4000
#define SUBJECTS 4
#define WAITING_MAX 64

static struct {
    struct stored {
        unsigned subject;
        bool gone;   /* deleted inside the stream, or purged */
        bool purged; /* and not deleted before */
        int64_t ns;
    } messages[STORE_MAX]; /* of sequence i + 1 */
    uint64_t first, last, seen;
    bool opens_later; /* the test opens the channel */
    struct look *looks[WAITING_MAX];
    struct channel *fills[WAITING_MAX];
    uint64_t fill_after[WAITING_MAX];
    struct fetch *fetches[WAITING_MAX], *closing[WAITING_MAX];
    size_t look_count, fill_count, fetch_count, closing_count;
    unsigned fills_done, pieces_done;
    struct encoding encoding;
    unsigned seed;
} store;

static const char *const subjects[SUBJECTS] = {"a.0", "a.1", "b.0", "b.1"};

static unsigned roll(unsigned sides)
{
    return (unsigned)rand_r(&store.seed) % sides;
}

static void do_look(struct source *source, struct look *look)
{
    (void)source;
    store.looks[store.look_count++] = look;
}

static void do_fill(struct source *source, struct channel *channel, uint64_t after)
{
    (void)source;
    for (size_t i = 0; i != store.fill_count; ++i)
        cr_assert_neq(store.fills[i], channel, "one fill at a time");
    store.fills[store.fill_count] = channel;
    store.fill_after[store.fill_count++] = after;
}

static void do_fetch(struct source *source, struct fetch *fetch)
{
    (void)source;
    store.fetches[store.fetch_count++] = fetch;
}

static void do_fetch_close(struct source *source, struct fetch *fetch)
{
    (void)source;
    store.closing[store.closing_count++] = fetch;
}

static void do_open(struct source *source, struct channel *channel)
{
    (void)source;
    rig.channels[rig.channel_count++] = channel;
    if (!store.opens_later)
        ingress_opened_at(channel, store.seen);
}

static void drop_fill(size_t i)
{
    store.fills[i] = store.fills[--store.fill_count];
    store.fill_after[i] = store.fill_after[store.fill_count];
}

static void do_close(struct source *source, struct channel *channel)
{
    for (size_t i = 0; i != store.fill_count; ++i) {
        if (store.fills[i] == channel) {
            drop_fill(i);
            break;
        }
    }
    rig_source_close(source, channel);
}

static void store_start(void)
{
    static const struct source_ops ops = {
        .open = do_open,
        .close = do_close,
        .look = do_look,
        .fill = do_fill,
        .fetch = do_fetch,
        .fetch_close = do_fetch_close,
    };
    rig_start();
    source_dispose(&rig.source);
    source_init(&rig.source, &ops, 0, 0);
    ingress_begin_epoch(&rig.source, RIG_INCARNATION, NULL, 0);
    rig.route.history = (struct config_history){
        .store = POLICY_STORE_JETSTREAM, .events = 16, .bytes = 4 << 20, .linger_ms = 1000, .stream = (char[]){"S"}};
    memset(&store, 0, sizeof(store));
    store.first = 1;
    encode_init(&store.encoding);
}

static void store_stop(void)
{
    rig_stop();
    encode_dispose(&store.encoding);
}

static struct message message_of(uint64_t sequence, char text[24])
{
    const struct stored *stored = &store.messages[sequence - 1];
    const char *subject = subjects[stored->subject];
    int len = snprintf(text, 24, "%lu", (unsigned long)sequence);
    return (struct message){.subject = subject,
                            .subject_len = strlen(subject),
                            .data = text,
                            .data_len = (size_t)len,
                            .received_ns = stored->ns};
}

static void store_message(unsigned subject)
{
    cr_assert_lt(store.last, STORE_MAX);
    store.messages[store.last] = (struct stored){.subject = subject, .ns = (int64_t)(store.last + 1) * 1000};
    ++store.last;
}

static bool matches(const char *pattern, uint64_t sequence)
{
    const char *subject = subjects[store.messages[sequence - 1].subject];
    return subject_matches(pattern, strlen(pattern), subject, strlen(subject));
}

/* The gateway receives that many of the next stored messages in order; those already gone are skipped. */
static void deliver(unsigned count)
{
    char text[24];
    while (count-- != 0 && store.seen != store.last) {
        struct channel *matching[RIG_CHANNELS];
        size_t n = 0;
        uint64_t sequence = ++store.seen;
        if (store.messages[sequence - 1].gone)
            continue;
        for (size_t i = 0; i != rig.channel_count; ++i) {
            if (matches(ingress_pattern(rig.channels[i]), sequence))
                matching[n++] = rig.channels[i];
        }
        struct message message = message_of(sequence, text);
        ingress_append_at(&rig.source, sequence, &message, matching, n);
    }
    ingress_advance(&rig.source, store.seen);
}

/* Everything before `first` is gone. */
static void purge(uint64_t first)
{
    for (; store.first < first; ++store.first) {
        struct stored *stored = &store.messages[store.first - 1];
        stored->purged = !stored->gone;
        stored->gone = true;
    }
}

static void update_first(void)
{
    atomic_store(&rig.source.first, store.first);
}

static void finish_fill(size_t i)
{
    struct channel *channel = store.fills[i];
    uint64_t after = store.fill_after[i];
    char text[24];
    drop_fill(i);
    update_first();
    struct fill *fill = fill_create(channel);
    uint64_t limit = 4 * fill_capacity(fill);
    if (fill_end(fill) - after > limit)
        after = fill_end(fill) - limit;
    for (uint64_t s = after + 1; s <= fill_end(fill); ++s) {
        if (store.messages[s - 1].gone || !matches(ingress_pattern(channel), s))
            continue;
        struct message message = message_of(s, text);
        fill_add(fill, &store.encoding, s, &message);
    }
    ++store.fills_done;
    fill_finish(fill, after);
}

static bool is_last_of_subject(uint64_t sequence)
{
    for (uint64_t s = sequence + 1; s <= store.last; ++s) {
        if (!store.messages[s - 1].gone && store.messages[s - 1].subject == store.messages[sequence - 1].subject)
            return false;
    }
    return true;
}

static void finish_fetch(size_t i)
{
    struct fetch *fetch = store.fetches[i];
    unsigned most = 1 + roll(20);
    char text[24];
    store.fetches[i] = store.fetches[--store.fetch_count];
    bool is_done = fetch->from == FETCH_AFTER && fetch->after >= fetch->target;
    if (!is_done) /* else the store isn't even asked */
        update_first();
    fetch_begin(fetch);
    uint64_t s = fetch->after + 1;
    for (; s <= store.last && fetch->events != most && !is_done; ++s) {
        const struct stored *stored = &store.messages[s - 1];
        if (stored->gone || (fetch->from == FETCH_TIME && stored->ns < fetch->start_ns) ||
            (fetch->from == FETCH_LAST && !is_last_of_subject(s)))
            continue;
        struct message message = message_of(s, text);
        is_done = fetch->from == FETCH_AFTER && s > fetch->target;
        cr_assert(is_done || fetch_add(fetch, &store.encoding, s, &message));
    }
    fetch->complete = is_done || s > store.last;
    uint64_t reached = is_done ? fetch->target : store.last;
    if (fetch->complete && fetch->after < reached)
        fetch->after = reached;
    if (fetch->from == FETCH_TIME || fetch->complete)
        fetch->from = FETCH_AFTER;
    ++store.pieces_done;
    fetch->fetched(fetch);
}

/* One thing that the store has been asked for, if any. */
static void answer(void)
{
    switch (roll(4)) {
    case 0:
        if (store.look_count != 0) {
            struct look *look = store.looks[--store.look_count];
            look->first = store.first;
            look->last = store.last;
            update_first();
            look->looked(look);
        }
        break;
    case 1:
        if (store.fill_count != 0)
            finish_fill(roll((unsigned)store.fill_count));
        break;
    case 2:
        if (store.fetch_count != 0)
            finish_fetch(roll((unsigned)store.fetch_count));
        break;
    default:
        if (store.closing_count != 0) {
            struct fetch *fetch = store.closing[--store.closing_count];
            for (size_t i = 0; i != store.fetch_count; ++i) {
                if (store.fetches[i] == fetch) {
                    store.fetches[i] = store.fetches[--store.fetch_count];
                    break;
                }
            }
            fetch->closed(fetch);
        }
    }
}

static bool is_asked(void)
{
    return store.look_count + store.fill_count + store.fetch_count + store.closing_count != 0;
}

#endif
