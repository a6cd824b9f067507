/* core_model.h - what a client must have received, from a plain list of everything that was published */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_CORE_MODEL_H
#define TESTS_UNIT_CORE_MODEL_H

#include "tests/unit/core_rig.h"

/*
 * Shares no code with what it checks but the parser of the stream. Messages
 * are numbered by their payload; a message has a copy in each channel (slot:
 * pattern and kind of history) that was there to receive it. A client is given
 * the copy of its first pattern that matches. It may miss one only if a gap
 * said so before, and then only what was evicted or never received when it was
 * said; or, behind under `latest`, what a later message of the same subject
 * supersedes.
 */
enum { MODEL_SUBJECTS = 7, MODEL_PATTERNS = 10, MODEL_KINDS = 3, MODEL_SLOTS = MODEL_PATTERNS * MODEL_KINDS };
enum { MODEL_MESSAGES = 40000, MODEL_MARKS = 4000, MODEL_INSTANCES = 4000, CLIENT_PATTERNS = 4 };

static const char *const model_subjects[MODEL_SUBJECTS] = {"a.x", "a.y", "a.x.1", "b.x", "b.y", "b.x.1", "c"};
static const char *const model_patterns[MODEL_PATTERNS] = {"a.x", "a.*", "*.x",   "a.>", "b.*",
                                                           "*.y", ">",   "*.*.1", "c",   "b.x.1"};
static const struct config_history model_kinds[MODEL_KINDS] = {
    {.store = POLICY_STORE_MEMORY, .events = 8, .bytes = 1 << 30, .linger_ms = 1000},
    {.store = POLICY_STORE_MEMORY, .events = 100, .bytes = 1 << 30, .linger_ms = 1000},
    {.store = POLICY_STORE_NONE, .events = 20, .bytes = 1 << 30, .linger_ms = 1000},
};

/* Where a message or mark went in a slot: which life of the channel, and its place there. number 0: nowhere. */
struct model_copy {
    unsigned instance, index;
    uint64_t number;
};

struct model_message {
    unsigned subject;
    int64_t time_ns;
    uint64_t before, last; /* the source's number when it was published, and that of its last copy */
    struct model_copy copies[MODEL_SLOTS];
};

struct model_mark {
    uint64_t number;
    size_t message; /* that came next */
    struct model_copy copies[MODEL_SLOTS];
};

/* One life of a channel. */
struct model_instance {
    unsigned slot;
    struct channel *channel;
    bool open, closed, early; /* early: its messages arrive before the source says open */
    uint64_t floor;           /* its number when it was opened */
    unsigned count, synced;   /* entries, and those before the hub's last sync */
    uint64_t *numbers;        /* of its entries */
};

static struct {
    struct model_message messages[MODEL_MESSAGES];
    size_t count;
    struct model_mark marks[MODEL_MARKS];
    size_t mark_count;
    struct model_instance instances[MODEL_INSTANCES];
    unsigned instance_count;       /* from 1 */
    unsigned current[MODEL_SLOTS]; /* instance, 0: none */
    uint64_t number;               /* the source's */
    bool outage;                   /* published messages reach no channel … */
    size_t outage_began;           /* … from this message on; announced when it is over */
} model;

static inline size_t model_settled(void)
{
    return model.outage ? model.outage_began : model.count;
}

struct client {
    struct reader reader;
    struct sse_parser parser;
    struct config_route route;
    struct piece pieces[BATCH_PIECES];
    size_t piece_count;
    bool in_use, connected, flying, final, started, slow, follow;
    unsigned kind, pattern_count, patterns[CLIENT_PATTERNS];
    const char *subjects[CLIENT_PATTERNS];
    enum reader_start start;
    char cursor[128];
    bool cursor_is_known; /* an id of this source */

    /* the account */
    bool resumed; /* continues where its last connection was cut */
    uint64_t cursor_number;
    size_t start_count;   /* messages at the start of the connection … */
    size_t start_settled; /* … and those before an outage that is not over */
    size_t next_message;  /* all before it are accounted for */
    size_t optional;      /* a message published around the cursor; SIZE_MAX: none */
    size_t lost_told;     /* a gap has announced the loss of all messages before it that were not received */
    size_t young_until;   /* FROM_TIME: of the messages before it … */
    int64_t young_ns;     /* … only those from here on are promised */
    uint64_t last_number, marks_told, marks_optional;
    struct {
        unsigned instance, below;
    } excused[CLIENT_PATTERNS]; /* evicted by the time a gap was announced */
    struct {
        unsigned instance, below;
        uint64_t floor;
    } sent[CLIENT_PATTERNS]; /* evicted by the time the batch in flight was sent */
    size_t sent_count;       /* messages published by then */
    bool behind;             /* under `latest` */
};

/* ---- patterns, once more and simply ---- */

static inline bool model_matches(const char *pattern, const char *subject)
{
    size_t pattern_len = strcspn(pattern, "."), subject_len = strcspn(subject, ".");
    if (strcmp(pattern, ">") == 0)
        return true;
    bool same = pattern_len == subject_len && memcmp(pattern, subject, subject_len) == 0;
    if (!same && !(pattern_len == 1 && *pattern == '*'))
        return false;
    pattern += pattern_len;
    subject += subject_len;
    if (*pattern == '\0' || *subject == '\0')
        return *pattern == *subject;
    return model_matches(pattern + 1, subject + 1);
}

static inline unsigned model_slot(const struct client *client, unsigned i)
{
    return client->patterns[i] * MODEL_KINDS + client->kind;
}

/* The index of the client's pattern that brings the message, or -1. */
static inline int model_pattern_of(const struct client *client, const struct model_message *message)
{
    for (unsigned i = 0; i != client->pattern_count; ++i) {
        if (model_matches(client->subjects[i], model_subjects[message->subject]))
            return (int)i;
    }
    return -1;
}

/* ---- what the source did ---- */

static inline uint64_t model_next_number(void)
{
    return ++model.number;
}

static inline struct model_copy model_push(unsigned slot, uint64_t number)
{
    struct model_instance *instance = &model.instances[model.current[slot]];
    if ((instance->count & (instance->count - 1)) == 0)
        instance->numbers = check_realloc(instance->numbers, (instance->count * 2 + 1) * sizeof(uint64_t));
    instance->numbers[instance->count] = number;
    return (struct model_copy){model.current[slot], instance->count++, number};
}

/* The hub is about to take all there is. */
static inline void model_synced(void)
{
    for (unsigned slot = 0; slot != MODEL_SLOTS; ++slot) {
        struct model_instance *instance = &model.instances[model.current[slot]];
        instance->synced = instance->count;
    }
}

static inline unsigned model_below(const struct model_instance *instance, unsigned count)
{
    unsigned kept = model_kinds[instance->slot % MODEL_KINDS].events;
    if (instance->closed)
        return UINT32_MAX;
    return count > kept ? count - kept : 0;
}

/* Everything with a greater number is in the channel. */
static inline uint64_t model_floor(const struct model_instance *instance)
{
    unsigned below = model_below(instance, instance->count);
    uint64_t evicted = below != 0 && !instance->closed ? instance->numbers[below - 1] : 0;
    return evicted > instance->floor ? evicted : instance->floor;
}

/* ---- the account of a client ---- */

static inline bool is_excused_copy(const struct client *client, unsigned i, const struct model_copy *copy)
{
    return copy->instance < client->excused[i].instance ||
           (copy->instance == client->excused[i].instance && copy->index < client->excused[i].below);
}

static inline bool is_superseded(const struct client *client, size_t k, unsigned i)
{
    unsigned slot = model_slot(client, i);
    for (size_t later = k + 1; later < client->sent_count; ++later) {
        if (model.messages[later].subject == model.messages[k].subject &&
            model.messages[later].copies[slot].instance == model.messages[k].copies[slot].instance)
            return true;
    }
    return false;
}

static inline bool is_excused(const struct client *client, size_t k, unsigned i)
{
    const struct model_message *message = &model.messages[k];
    const struct model_copy *copy = &message->copies[model_slot(client, i)];
    if (k == client->optional || (k < client->young_until && message->time_ns < client->young_ns))
        return true;
    if (copy->number == 0)
        return k < client->lost_told;
    return is_excused_copy(client, i, copy) || (client->behind && is_superseded(client, k, i));
}

/* The client, as the message of a failure describes it. */
static inline const char *describe(const struct client *client)
{
    static char text[512];
    int n = snprintf(text, sizeof(text), "start %d%s%s, history %u, slow %d, cursor \"%s\", last %u, of", client->start,
                     client->resumed ? " resumed" : "", client->follow ? "" : " once", client->kind,
                     (int)client->route.slow, client->cursor, (unsigned)client->last_number);
    for (unsigned i = 0; i != client->pattern_count; ++i)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", client->subjects[i]);
    return text;
}

static inline void account_messages(struct client *client, size_t end)
{
    for (size_t k = client->next_message; k < end; ++k) {
        int i = model_pattern_of(client, &model.messages[k]);
        cr_assert(i < 0 || is_excused(client, k, (unsigned)i), "m%zu on %s (copy %u) is lost without a word: %s", k,
                  model_subjects[model.messages[k].subject],
                  (unsigned)model.messages[k].copies[model_slot(client, (unsigned)i)].number, describe(client));
    }
    if (client->next_message < end)
        client->next_message = end;
}

/* The mark concerns the client, and no gap has stood for it yet. */
static inline bool needs_telling(const struct client *client, const struct model_mark *mark)
{
    for (unsigned i = 0; i != client->pattern_count; ++i) {
        const struct model_copy *copy = &mark->copies[model_slot(client, i)];
        if (copy->number != 0 && !is_excused_copy(client, i, copy))
            return true;
    }
    return false;
}

static inline void account_marks(struct client *client, uint64_t end)
{
    for (size_t i = 0; i != model.mark_count; ++i) {
        const struct model_mark *mark = &model.marks[i];
        if (mark->number <= client->marks_told || mark->number <= client->marks_optional || mark->number >= end)
            continue;
        cr_assert(!needs_telling(client, mark), "outage %u is not announced", (unsigned)mark->number);
    }
    if (client->marks_told < end - 1)
        client->marks_told = end - 1;
}

/* The state of the channels at a send: what it says holds for then, however late the client reads it. */
static inline void account_send(struct client *client)
{
    for (unsigned i = 0; i != client->pattern_count; ++i) {
        unsigned current = model.current[model_slot(client, i)];
        client->sent[i].instance = current;
        client->sent[i].below = model_below(&model.instances[current], model.instances[current].synced);
        client->sent[i].floor = model_floor(&model.instances[current]);
    }
    client->sent_count = model.count;
}

static inline void excuse_evicted(struct client *client)
{
    for (unsigned i = 0; i != client->pattern_count; ++i) {
        client->excused[i].instance = client->sent[i].instance;
        client->excused[i].below = client->sent[i].below;
    }
}

/* Something that the client does not have yet is gone. */
static inline bool anything_evicted_after(const struct client *client, uint64_t number)
{
    for (unsigned i = 0; i != client->pattern_count; ++i) {
        if (client->sent[i].floor > number)
            return true;
    }
    return false;
}

static inline void on_broker_lost(struct client *client, uint64_t id)
{
    bool found = false;
    for (size_t i = 0; i != model.mark_count; ++i) {
        const struct model_mark *mark = &model.marks[i];
        /* without ids each gap is the next mark */
        if (mark->number <= client->marks_told || (id != 0 ? mark->number > id : found))
            continue;
        if (!needs_telling(client, mark))
            continue;
        found = true;
        client->marks_told = mark->number;
        if (client->lost_told < mark->message)
            client->lost_told = mark->message;
    }
    cr_assert(found, "a gap (%u) for an outage that was none, or was announced already (up to %u): %s", (unsigned)id,
              (unsigned)client->marks_told, describe(client));
}

static inline void on_slow(struct client *client)
{
    cr_assert_neq(client->route.slow, POLICY_SLOW_DISCONNECT);
    cr_assert(anything_evicted_after(client, client->last_number), "a gap though nothing is gone");
    excuse_evicted(client);
    for (size_t i = 0; i != model.mark_count; ++i) {
        if (model.marks[i].number > client->marks_told && !needs_telling(client, &model.marks[i]) &&
            client->lost_told < model.marks[i].message)
            client->lost_told = model.marks[i].message;
    }
    client->behind = client->route.slow == POLICY_SLOW_LATEST;
}

/* The number of an id of this source, 0 if there is none; anything else fails. */
static inline uint64_t number_of(const struct sse_parsed_event *event)
{
    unsigned long long number;
    char again[64];
    if (event->id_len == 0)
        return 0;
    cr_assert_eq(sscanf(event->id, "abc-%llu", &number), 1, "%s", event->id);
    snprintf(again, sizeof(again), "abc-%llu", number);
    cr_assert_str_eq(again, event->id);
    return number;
}

static inline void on_gap(struct client *client, const struct sse_parsed_event *event)
{
    char reason[32];
    uint64_t id = number_of(event);
    cr_assert_eq(sscanf(event->data, "{\"reason\":\"%31[^\"]\"", reason), 1, "%s", event->data);
    if (strcmp(reason, "broker-lost") == 0) {
        on_broker_lost(client, id);
    } else if (strcmp(reason, "slow") == 0) {
        on_slow(client);
    } else {
        cr_assert_eq(client->start, READER_FROM_CURSOR);
        bool unknown = strcmp(reason, "unknown-id") == 0;
        cr_assert_eq(unknown, !client->cursor_is_known, "%s: %s", client->cursor, event->data);
        if (!unknown)
            cr_assert(anything_evicted_after(client, client->cursor_number), "a gap though all is there");
        excuse_evicted(client);
        if (client->lost_told < client->start_count)
            client->lost_told = client->start_count;
    }
    if (id != 0) {
        cr_assert_geq(id, client->last_number, "ids go back");
        client->last_number = id;
    }
}

static inline void on_message(struct client *client, const struct sse_parsed_event *event)
{
    unsigned k;
    cr_assert_eq(sscanf(event->data, "m%u", &k), 1, "%s", event->data);
    cr_assert_lt(k, model.count);
    int i = model_pattern_of(client, &model.messages[k]);
    cr_assert_geq(i, 0, "m%u is on %s, which was not asked for", k, model_subjects[model.messages[k].subject]);
    const struct model_copy *copy = &model.messages[k].copies[model_slot(client, (unsigned)i)];
    cr_assert_neq(copy->number, 0);
    cr_assert(client->follow || k < client->start_count, "m%u came after a reader that does not follow", k);
    cr_assert(k >= client->next_message, "m%u comes again, after m%zu", k, client->next_message - 1);
    if (model_kinds[client->kind].store != POLICY_STORE_NONE)
        cr_assert_eq(number_of(event), copy->number);
    else
        cr_assert_eq(event->id_len, 0);
    cr_assert_gt(copy->number, client->last_number, "ids do not go up");
    account_messages(client, k);
    account_marks(client, copy->number);
    client->next_message = k + 1;
    client->last_number = copy->number;
}

static inline void client_on_event(void *arg, const struct sse_parsed_event *event)
{
    struct client *client = arg;
    if (strcmp(event->name, "freshet.gap") == 0) {
        on_gap(client, event);
    } else if (strcmp(event->name, "freshet.bye") == 0) {
        cr_assert_str_eq(event->data, "{\"reason\":\"slow\"}");
        cr_assert_eq(client->route.slow, POLICY_SLOW_DISCONNECT);
        cr_assert(anything_evicted_after(client, client->last_number), "a goodbye though nothing is gone");
    } else {
        cr_assert_str_eq(event->name, "message");
        on_message(client, event);
    }
}

/* ---- where the account of a connection begins: at its first send ---- */

static inline void account_from_cursor(struct client *client)
{
    uint64_t c = client->cursor_number;
    client->last_number = client->marks_told = c;
    while (client->next_message != model.count) {
        const struct model_message *message = &model.messages[client->next_message];
        if (message->last != message->before ? message->last > c : message->before >= c)
            break;
        ++client->next_message;
    }
    if (client->next_message != model.count && model.messages[client->next_message].before < c)
        client->optional = client->next_message;
}

static inline void account_start(struct client *client)
{
    client->started = true;
    client->start_count = model.count;
    client->start_settled = model_settled();
    if (client->resumed && client->cursor_is_known)
        return;
    bool from_now = client->start == READER_FROM_NOW || model_kinds[client->kind].store == POLICY_STORE_NONE;
    client->next_message = 0;
    client->optional = SIZE_MAX;
    client->lost_told = client->young_until = 0;
    client->last_number = client->marks_told = client->marks_optional = 0;
    client->behind = false;
    memset(client->excused, 0, sizeof(client->excused));
    if (from_now) {
        client->next_message = client->lost_told = model.count;
        client->last_number = client->marks_told = model.number;
        return;
    }
    if (client->start == READER_FROM_CURSOR && client->cursor_is_known) {
        account_from_cursor(client);
        return;
    }
    excuse_evicted(client);
    client->lost_told = model.count;
    if (client->start == READER_FROM_TIME) {
        client->young_until = model.count;
        client->marks_optional = model.number;
    }
}

/* Nothing is on its way to the client, and its reader waits: it has everything. */
static inline void account_idle(struct client *client)
{
    client->sent_count = model.count;
    account_messages(client, model_settled());
    account_marks(client, model.number + 1);
    client->behind = false;
}

#endif
