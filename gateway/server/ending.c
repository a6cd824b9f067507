/* ending.c - how one worker ends: its streams, then its connections, then its loop */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/ending.h"

#include <h2o.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/core/drain.h"
#include "gateway/core/hub.h"
#include "gateway/core/turn.h"
#include "gateway/http/access/service_auth.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/goaway.h"
#include "gateway/server/listen/listeners.h"
#include "gateway/server/process/signals.h"

/* How long streams that are cut get to take their freshet.bye. */
#define LAST_WORDS_NS NS_PER_S
/* A client that came so lately is about to ask for something, and gets an answer. */
#define ARRIVAL_NS (2 * NS_PER_S)
/* How long connections get to close after they were shut down. */
#define CLOSE_NS (2 * NS_PER_S)
/* GOAWAYs in one turn: each is a write. */
#define TURN_GOAWAYS 200

/* take_order compares them. */
_Static_assert(ENDING_NOT < ENDING_DRAIN && ENDING_DRAIN < ENDING_STREAMS,
               "phases are in the order in which they come");
_Static_assert(ARRIVAL_NS > LAST_WORDS_NS, "a shutdown does not wait for requests that a drain would wait for");

/* ---- of the main thread ---- */

void ending_order_drain(struct ending *ending, int64_t window_ns)
{
    CHECK(window_ns >= 0);
    ending->window_ns = window_ns;
    atomic_store_explicit(&ending->order, ENDING_ORDER_DRAIN, memory_order_release);
}

void ending_order_shutdown(struct ending *ending)
{
    atomic_store_explicit(&ending->order, ENDING_ORDER_SHUTDOWN, memory_order_release);
}

void ending_ask_drained(struct ending *ending)
{
    atomic_fetch_add_explicit(&ending->asked, 1, memory_order_release);
}

bool ending_is_drained(const struct ending *ending)
{
    return atomic_load_explicit(&ending->drained, memory_order_acquire) ==
           atomic_load_explicit(&ending->asked, memory_order_relaxed);
}

/* ---- the orders ---- */

/* A client that has not asked for anything yet would lose its first request by it; that is answered instead. */
static void send_idle_away(void *arg, struct connection *connection)
{
    (void)arg;
    if (connection->has_requested && connection->asking == 0)
        connection_send_away(connection);
}

static void begin_drain(struct ending *ending)
{
    ending->phase = ENDING_DRAIN;
    ending->context->shutdown_requested = 1; /* HTTP/1.1 answers say "connection: close" */
    listeners_stop_public(ending->listeners);
    /* Requests that wait for a microservice: the stream it may allow would only be refused. */
    service_auth_stop(ending->service);
    drain_begin(ending->hub, ending->window_ns);
    connections_for_each(ending->connections, send_idle_away, NULL);
}

static void begin_shutdown(struct ending *ending, int64_t now_ns)
{
    ending->phase = ENDING_STREAMS;
    ending->deadline_ns = now_ns + LAST_WORDS_NS;
    listeners_stop(ending->listeners);
    service_auth_stop(ending->service);
    turn_shutdown(ending->hub);
}

static void take_order(struct ending *ending, int64_t now_ns)
{
    int order = atomic_load_explicit(&ending->order, memory_order_acquire);
    if (ending->phase == ENDING_NOT && order == ENDING_ORDER_DRAIN)
        begin_drain(ending);
    else if (ending->phase <= ENDING_DRAIN && order == ENDING_ORDER_SHUTDOWN)
        begin_shutdown(ending, now_ns);
}

/* ---- the steps ---- */

/* True: there are more. */
static bool send_goaways(struct connections *connections)
{
    for (unsigned i = 0; i != TURN_GOAWAYS && !list_is_empty(&connections->sent_away); ++i) {
        struct connection *connection = LIST_ENTRY(connections->sent_away.next, struct connection, away);
        list_remove(&connection->away);
        goaway_send(connection);
    }
    return !list_is_empty(&connections->sent_away);
}

/* It has not asked for anything yet, or its request is just coming in. */
static bool is_arriving(const struct connection *connection, int64_t now_ns)
{
    return (!connection->has_requested && now_ns - connection->accepted_ns < ARRIVAL_NS) ||
           (connection->body_since_ns != 0 && now_ns - connection->body_since_ns < ARRIVAL_NS);
}

struct search {
    int64_t now_ns;
    bool wants_arrivals, is_found;
};

static void look_for_waiting(void *arg, struct connection *connection)
{
    struct search *search = arg;
    if (!connection->is_killed)
        search->is_found |= connection->unsent != 0 || connection->asking != 0 ||
                            (search->wants_arrivals && is_arriving(connection, search->now_ns));
}

/* Every stream has ended, and every answer has left, also to clients that asked just now. */
static bool has_said_all(struct ending *ending, int64_t now_ns)
{
    struct search search = {.now_ns = now_ns, .wants_arrivals = ending->phase == ENDING_DRAIN};
    if (ending->hub->reader_count != 0)
        return false;
    connections_for_each(ending->connections, look_for_waiting, &search);
    return !search.is_found;
}

/* True: the next turn may answer what this one could not yet. */
static bool step_drain(struct ending *ending, int64_t now_ns)
{
    if (ending->phase != ENDING_DRAIN)
        return false;
    /* what had been handed over when the question came has arrived in this turn at the latest */
    bool is_over = has_said_all(ending, now_ns);
    unsigned before = ending->answered;
    ending->answered = is_over ? ending->noted : 0;
    atomic_store_explicit(&ending->drained, ending->answered, memory_order_release);
    if (ending->answered != before)
        signals_wake();
    ending->noted = atomic_load_explicit(&ending->asked, memory_order_acquire);
    return is_over && ending->answered != ending->noted;
}

/* True: the next turn may find that it is over. */
static bool step_shutdown(struct ending *ending, int64_t now_ns)
{
    if (ending->phase == ENDING_STREAMS && (has_said_all(ending, now_ns) || now_ns >= ending->deadline_ns)) {
        if (ending->hub->reader_count != 0)
            log_write(LOG_WARN, "streams-cut", log_u64("worker", ending->worker),
                      log_u64("streams", ending->hub->reader_count));
        connections_kill_all(ending->connections);
        ending->phase = ENDING_CONNECTIONS;
        ending->deadline_ns = now_ns + CLOSE_NS;
        return true;
    }
    if (ending->phase == ENDING_CONNECTIONS && (ending->connections->count == 0 || now_ns >= ending->deadline_ns))
        ending->phase = ENDING_OVER;
    return false;
}

void ending_begin(struct ending *ending, struct listeners *listeners)
{
    CHECK(ending->phase == ENDING_NOT && ending->listeners == NULL);
    ending->thread = pthread_self();
    ending->listeners = listeners;
}

bool ending_turn(struct ending *ending, int64_t now_ns)
{
    CHECK_THREAD(ending);
    take_order(ending, now_ns);
    /* A reload sends clients away too. */
    bool more = send_goaways(ending->connections);
    more |= step_drain(ending, now_ns);
    more |= step_shutdown(ending, now_ns);
    return more;
}
