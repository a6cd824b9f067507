/* core_property.c - random publishers, readers, cuts and outages against a plain list of what was published */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_model.h"

#include <time.h>

#include "proto/subject.h"

enum { CLIENTS = 24 };

static struct client clients[CLIENTS];
static bool heavy;
static size_t events_checked, gaps_checked, resumes;

static unsigned below(unsigned n)
{
    return (unsigned)rand() % n;
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* ---- the source ---- */

static void open_instance(struct model_instance *instance)
{
    instance->open = true;
    instance->floor = model_next_number();
    ingress_opened(instance->channel);
    cr_assert_eq(rig.source.sequence, model.number);
}

static void do_open(struct source *source, struct channel *channel)
{
    unsigned pattern = 0, kind = 0;
    (void)source;
    while (strcmp(model_patterns[pattern], ingress_pattern(channel)) != 0)
        ++pattern;
    while (model_kinds[kind].events != channel->profile.events)
        ++kind;
    cr_assert_lt(model.instance_count + 1, MODEL_INSTANCES);
    struct model_instance *instance = &model.instances[++model.instance_count];
    *instance = (struct model_instance){.slot = pattern * MODEL_KINDS + kind, .channel = channel, .early = one_in(2)};
    model.current[instance->slot] = model.instance_count;
    ingress_set_source_data(channel, instance);
    if (!one_in(3))
        open_instance(instance);
}

static void do_close(struct source *source, struct channel *channel)
{
    struct model_instance *instance = ingress_source_data(channel);
    (void)source;
    instance->closed = true;
    model.current[instance->slot] = 0;
    ingress_closed(channel);
}

static void publish(void)
{
    cr_assert_lt(model.count, MODEL_MESSAGES);
    struct model_message *mine = &model.messages[model.count];
    unsigned rotation = below(MODEL_SLOTS);
    static char data[40000];
    mine->subject = below(MODEL_SUBJECTS);
    mine->time_ns = rig.now_ns;
    mine->before = model.number;
    /* large ones fill a batch with a few events, so that a reader that is behind needs several */
    int padding = heavy && one_in(2) ? (int)below(30000) : 0;
    snprintf(data, sizeof(data), "m%zu %*s", model.count++, padding, "");
    for (unsigned n = 0; n != MODEL_SLOTS && !model.outage; ++n) {
        unsigned slot = (n + rotation) % MODEL_SLOTS; /* the broker knows no order of subscriptions */
        const struct model_instance *instance = &model.instances[model.current[slot]];
        if (model.current[slot] == 0 || !(instance->open || instance->early) ||
            !model_matches(ingress_pattern(instance->channel), model_subjects[mine->subject]))
            continue;
        struct message message = {
            .subject = model_subjects[mine->subject],
            .subject_len = strlen(model_subjects[mine->subject]),
            .data = data,
            .data_len = strlen(data),
            .received_ns = rig.now_ns,
        };
        mine->copies[slot] = model_push(slot, model_next_number());
        ingress_append(instance->channel, &message);
        cr_assert_eq(rig.source.sequence, model.number);
    }
    mine->last = model.number;
}

static void begin_outage(void)
{
    model.outage = true;
    model.outage_began = model.count;
}

static void end_outage(void)
{
    struct channel *lost[MODEL_SLOTS];
    size_t count = 0;
    cr_assert_lt(model.mark_count, MODEL_MARKS);
    struct model_mark *mark = &model.marks[model.mark_count];
    model.outage = false;
    for (unsigned slot = 0; slot != MODEL_SLOTS; ++slot) {
        struct model_instance *instance = &model.instances[model.current[slot]];
        if (model.current[slot] != 0 && instance->open)
            lost[count++] = instance->channel;
    }
    if (count == 0)
        return;
    ++model.mark_count;
    mark->number = model_next_number();
    mark->message = model.count;
    for (size_t i = 0; i != count; ++i) {
        unsigned slot = ((const struct model_instance *)ingress_source_data(lost[i]))->slot;
        mark->copies[slot] = model_push(slot, mark->number);
    }
    ingress_lost(&rig.source, lost, count);
    cr_assert_eq(rig.source.sequence, model.number);
}

static void open_pending(unsigned chance)
{
    for (unsigned slot = 0; slot != MODEL_SLOTS; ++slot) {
        struct model_instance *instance = &model.instances[model.current[slot]];
        if (model.current[slot] != 0 && !instance->open && one_in(chance))
            open_instance(instance);
    }
}

/* ---- clients ---- */

static void do_send(struct reader *reader, const struct piece *pieces, size_t count, bool final)
{
    struct client *client = LIST_ENTRY(reader, struct client, reader);
    cr_assert(client->connected && !client->flying && !client->final);
    cr_assert_leq(count, BATCH_PIECES);
    if (!client->started)
        model_synced(); /* a reader that starts brings the hub up to date */
    account_send(client);
    if (!client->started)
        account_start(client);
    memcpy(client->pieces, pieces, count * sizeof(*pieces));
    client->piece_count = count;
    client->flying = true;
    client->final = final;
}

static void do_refuse(struct reader *reader, enum reader_refusal refusal)
{
    (void)reader;
    cr_assert(false, "refused: %d", (int)refusal);
}

static int64_t do_progress(const struct reader *reader)
{
    (void)reader;
    return rig.now_ns;
}

static void do_kill(struct reader *reader)
{
    (void)reader;
    cr_assert(false, "killed though its connection moves");
}

/* The client reads at most that many of the bytes in flight, no matter where an event ends. */
static void receive(struct client *client, size_t limit)
{
    size_t before = client->parser.events;
    for (size_t i = 0; i != client->piece_count && limit != 0; ++i) {
        size_t len = client->pieces[i].len < limit ? client->pieces[i].len : limit;
        sse_parser_feed(&client->parser, client->pieces[i].base, len);
        limit -= len;
    }
    events_checked += client->parser.events - before;
}

static void disconnect(struct client *client)
{
    gaps_checked += client->reader.gaps;
    reader_close(&client->reader);
    client->connected = client->flying = client->final = false;
}

static void complete(struct client *client)
{
    receive(client, SIZE_MAX);
    client->flying = false;
    if (!client->final) {
        reader_sent(&client->reader);
        return;
    }
    bool done = client->reader.reason == CLOSE_DONE;
    disconnect(client);
    if (!done)
        return;
    cr_assert_not(client->follow);
    account_messages(client, client->start_settled);
    sse_parser_dispose(&client->parser);
    client->in_use = false;
}

static void cut(struct client *client)
{
    size_t total = 0;
    for (size_t i = 0; client->flying && i != client->piece_count; ++i)
        total += client->pieces[i].len;
    if (client->flying && !client->final)
        receive(client, (size_t)rand() % (total + 1));
    disconnect(client);
}

static void connect_client(struct client *client)
{
    static const struct reader_ops ops = {
        .send = do_send, .refuse = do_refuse, .last_progress_ns = do_progress, .kill = do_kill};
    struct reader_options options = {
        .route = &client->route,
        .source = &rig.source,
        .subjects = client->subjects,
        .subject_count = client->pattern_count,
        .start = client->start,
        .start_ns = client->young_ns,
        .cursor_text = client->cursor,
        .cursor_len = strlen(client->cursor),
        .follow = client->follow,
    };
    client->connected = true;
    client->started = false;
    reader_open(&client->reader, &rig.hub, &ops, &options);
}

static void set_cursor(struct client *client, const char *id)
{
    unsigned long long number = 0;
    snprintf(client->cursor, sizeof(client->cursor), "%s", id);
    client->start = READER_FROM_CURSOR;
    client->cursor_is_known = sscanf(id, "abc-%llu", &number) == 1 && number <= model.number &&
                              model_kinds[client->kind].store != POLICY_STORE_NONE;
    client->cursor_number = number;
}

static void resume(struct client *client)
{
    char id[128];
    snprintf(id, sizeof(id), "%s", sse_parser_last_event_id(&client->parser));
    sse_parser_dispose(&client->parser);
    sse_parser_init(&client->parser, client_on_event, client);
    /* else it still has the cursor it came with: a connection may be cut before anything has come */
    if (id[0] != '\0') {
        client->resumed = true;
        set_cursor(client, id);
        ++resumes;
    }
    connect_client(client);
}

static void choose_patterns(struct client *client)
{
    unsigned wanted = one_in(2) ? 1 : 1 + below(CLIENT_PATTERNS);
    client->pattern_count = 0;
    for (unsigned tries = 0; tries != 20 && client->pattern_count != wanted; ++tries) {
        unsigned pattern = below(MODEL_PATTERNS);
        const char *text = model_patterns[pattern];
        bool fits = true;
        for (unsigned i = 0; i != client->pattern_count; ++i) {
            const char *other = client->subjects[i];
            fits &= !subject_covers(text, strlen(text), other, strlen(other)) &&
                    !subject_covers(other, strlen(other), text, strlen(text));
        }
        if (!fits)
            continue;
        client->patterns[client->pattern_count] = pattern;
        client->subjects[client->pattern_count++] = text;
    }
}

static const char *somebodys_cursor(void)
{
    const struct client *other = &clients[below(CLIENTS)];
    const char *id = other->in_use ? sse_parser_last_event_id(&other->parser) : "";
    if (one_in(8))
        return one_in(2) ? "abc-99999999" : "no id at all";
    return id[0] != '\0' ? id : "def-1";
}

static void start_client(struct client *client)
{
    char cursor[128];
    snprintf(cursor, sizeof(cursor), "%s", somebodys_cursor());
    *client = (struct client){
        .in_use = true,
        .kind = one_in(5) ? 2 : below(2),
        .follow = !one_in(6),
        .slow = one_in(3),
        .optional = SIZE_MAX,
        .start = (enum reader_start)below(4),
        .young_ns = rig.now_ns - (int64_t)below(5) * 500000000,
    };
    client->route = (struct config_route){
        .retry_ms = 2000,
        .heartbeat_ms = 15000,
        .history = model_kinds[client->kind],
        .slow = (enum policy_slow)below(3),
    };
    choose_patterns(client);
    if (client->start == READER_FROM_CURSOR)
        set_cursor(client, cursor);
    sse_parser_init(&client->parser, client_on_event, client);
    connect_client(client);
}

static void stop_client(struct client *client)
{
    if (client->connected)
        disconnect(client);
    sse_parser_dispose(&client->parser);
    client->in_use = false;
}

/* ---- what happens ---- */

static void turn(bool fully)
{
    model_synced();
    while (turn_run(&rig.hub, rig.now_ns) && fully)
        ;
    if (!fully)
        return;
    for (size_t i = 0; i != CLIENTS; ++i) {
        struct client *client = &clients[i];
        if (client->connected && client->started && !client->flying && client->follow)
            account_idle(client);
    }
}

static void move_client(struct client *client)
{
    unsigned what = below(10);
    if (!client->in_use)
        start_client(client);
    else if (!client->connected)
        resume(client);
    else if (what == 0)
        cut(client);
    else if (what == 1 && one_in(4))
        stop_client(client);
    else if (client->flying && (!client->slow || one_in(12)))
        complete(client);
}

static void pass_time(void)
{
    rig.now_ns += below(10) * INT64_C(300000000);
    turn(false);
    if (one_in(3))
        registry_sweep(&rig.registry, INT64_MAX);
}

static void step(void)
{
    switch (below(16)) {
    case 0:
        for (unsigned n = below(40); n != 0; --n) /* more than the small rings hold */
            publish();
        break;
    case 1:
    case 2:
    case 3:
        publish();
        break;
    case 4:
    case 5:
        turn(false);
        break;
    case 6:
        turn(true);
        break;
    case 7:
        open_pending(2);
        break;
    case 8:
        if (one_in(5))
            pass_time();
        if (one_in(50))
            heavy = !heavy;
        break;
    case 9:
        if (model.outage && one_in(3))
            end_outage();
        else if (!model.outage && one_in(15))
            begin_outage();
        break;
    default:
        move_client(&clients[below(CLIENTS)]);
    }
}

static void settle(void)
{
    bool again = true;
    if (model.outage)
        end_outage();
    open_pending(1);
    while (again) {
        again = false;
        turn(true);
        for (size_t i = 0; i != CLIENTS; ++i) {
            struct client *client = &clients[i];
            if (client->in_use && !client->connected)
                resume(client);
            open_pending(1);
            if (client->flying)
                complete(client);
            again |= client->in_use && (client->flying || !client->connected);
        }
    }
    turn(true);
}

static void start(void)
{
    static const struct source_ops ops = {.open = do_open, .close = do_close};
    rig_start();
    rig.source.ops = &ops;
}

static void stop(void)
{
    for (size_t i = 0; i != CLIENTS; ++i) {
        if (clients[i].in_use)
            stop_client(&clients[i]);
    }
    rig_stop();
    for (unsigned i = 1; i <= model.instance_count; ++i)
        free(model.instances[i].numbers);
}

TestSuite(core_property, .init = start, .fini = stop, .timeout = 120);

static void run(unsigned seed, unsigned steps)
{
    srand(seed);
    for (unsigned i = 0; i != steps && model.count + 100 < MODEL_MESSAGES; ++i)
        step();
    settle();
    for (size_t i = 0; i != CLIENTS; ++i)
        cr_assert(!clients[i].in_use || clients[i].reader.state == READER_IDLE, "client %zu has not settled", i);
    fprintf(stderr, "core_property: FRESHET_SEED=%u: %zu messages, %zu events, %zu gaps, %zu resumes\n", seed,
            model.count, events_checked, gaps_checked, resumes);
    /* a run in which next to nothing happened would prove nothing */
    cr_assert(events_checked > steps / 10 && gaps_checked > steps / 200 && resumes > steps / 100);
}

Test(core_property, nothing_is_lost_or_repeated_without_a_word)
{
    const char *given = getenv("FRESHET_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    fprintf(stderr, "core_property: FRESHET_SEED=%u\n", seed);
    run(seed, 20000);
}

/* Always the same ones, so that a change that breaks them is known by its commit. */
Test(core_property, seed_1)
{
    run(1, 10000);
}

Test(core_property, seed_2)
{
    run(2, 10000);
}
