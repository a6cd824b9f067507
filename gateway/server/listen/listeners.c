/* listeners.c - accepts connections for one worker and hands them to HTTP */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <h2o.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/http/connection.h"
#include "gateway/server/listen/accept_pool.h"
#include "gateway/server/listen/acceptor.h"
#include "gateway/server/listen/endpoints.h"
#include "gateway/server/listen/opener.h"
#include "gateway/server/shared.h"

/* A handshake is a millisecond of CPU: more of them in one loop turn would show in the delivery of events. */
#define ACCEPTS_PER_TURN 4

/* How long to leave a kernel alone that says it is out of descriptors or memory. */
#define EXHAUSTED_PAUSE_NS NS_PER_S

_Static_assert(sizeof(struct sockaddr_in6) >= sizeof(struct sockaddr_in), "struct accepted has room for both");
_Static_assert(ENDPOINTS_MAX * sizeof(int) <= 4096, "listeners_create has them on its stack");

struct listeners {
    h2o_context_t *context;
    struct connections *connections;
    struct opener opener;
    h2o_multithread_receiver_t receiver; /* of connections that other workers hand over */
    bool is_stopped, is_public_stopped;
    struct {
        bool is_paused;
        int64_t resume_ns;
    } classes[ACCEPT_CLASSES];
    size_t count;
    struct acceptor *acceptors[ENDPOINTS_MAX]; /* by index of their endpoints */
};

/* An accepted descriptor on its way to the worker that will serve it. */
struct accepted {
    h2o_multithread_message_t message;
    int fd;
    size_t acceptor; /* its index, on every worker */
    int64_t accepted_ns;
    union {
        struct sockaddr any;
        struct sockaddr_in6 v6; /* the larger of the two kinds */
    } peer;
};

/* Takes a connection that has been assigned to this worker, and frees the message. */
static void take_accepted(struct listeners *listeners, struct accepted *accepted)
{
    CHECK_THREAD(&listeners->opener);
    CHECK(accepted->acceptor < listeners->count);
    const struct acceptor *acceptor = listeners->acceptors[accepted->acceptor];

    if (listeners->is_stopped) { /* it was on its way when this worker stopped */
        close(accepted->fd);
        accept_pool_release(listeners->opener.slot, acceptor->class, true);
    } else {
        opener_open(&listeners->opener, acceptor, accepted->fd, &accepted->peer.any, accepted->accepted_ns);
    }
    free(accepted);
}

/* On the thread of the worker that has accepted. */
static void deliver(void *worker, void *message)
{
    struct listeners *listeners = worker;
    struct accepted *accepted = message;

    h2o_multithread_send_message(&listeners->receiver, &accepted->message);
}

static void on_handed_over(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct listeners *listeners = H2O_STRUCT_FROM_MEMBER(struct listeners, receiver, receiver);

    while (!h2o_linklist_is_empty(messages)) {
        struct accepted *accepted = H2O_STRUCT_FROM_MEMBER(struct accepted, message.link, messages->next);
        h2o_linklist_unlink(messages->next);
        take_accepted(listeners, accepted);
    }
}

static void pause_accepting(struct listeners *listeners, enum accept_class class, int64_t until_ns, enum metric metric,
                            const char *reason)
{
    listeners->classes[class].is_paused = true;
    listeners->classes[class].resume_ns = until_ns;
    for (size_t i = 0; i != listeners->count; i++) {
        if (listeners->acceptors[i]->class == class)
            acceptor_pause(listeners->acceptors[i]);
    }
    metrics_add(listeners->connections->metrics, metric, 1);
    log_write_limited(LOG_WARN, "accept-paused", log_str("reason", reason),
                      log_u64("connections", metrics_sum(METRIC_CONNECTIONS)));
}

/* False: it has to wait, and those behind it. */
static bool reserve_connection(struct listeners *listeners, enum accept_class class)
{
    switch (accept_pool_reserve(listeners->opener.shared->pool, class)) {
    case ACCEPT_FULL:
        /* 0: no set time, but as soon as the pool has room. */
        pause_accepting(listeners, class, 0, METRIC_REJECTED_DESCRIPTORS, "connection limit reached");
        return false;
    case ACCEPT_OPENING:
        pause_accepting(listeners, class, 0, METRIC_REJECTED_HANDSHAKES, "too many connections being opened");
        return false;
    case ACCEPT_OK:
        break;
    }
    return true;
}

/* accept(2) also reports what went wrong with one connection, which says nothing about the next. */
static bool is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* False: there is no more to accept in this turn. */
static bool accept_one(struct listeners *listeners, struct acceptor *acceptor)
{
    struct accepted *accepted;
    socklen_t len = sizeof(accepted->peer);

    /* Before accept4: at a limit clients wait in the backlog, instead of being accepted and closed. */
    if (!reserve_connection(listeners, acceptor->class))
        return false;
    accepted = check_calloc(1, sizeof(*accepted));
    accepted->fd = accept4(h2o_socket_get_fd(acceptor->sock), &accepted->peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted->fd == -1) {
        int error = errno; /* before free and the lock may change it */
        free(accepted);
        accept_pool_cancel(listeners->opener.shared->pool, acceptor->class);
        if (is_exhausted(error))
            pause_accepting(listeners, acceptor->class, clock_mono_coarse_ns() + EXHAUSTED_PAUSE_NS,
                            METRIC_REJECTED_DESCRIPTORS, strerrordesc_np(error));
        /* EAGAIN: all are taken, perhaps by another watcher. Any other error was of that connection. */
        return error != EAGAIN && !is_exhausted(error);
    }
    accepted->acceptor = acceptor->index;
    accepted->accepted_ns = clock_mono_coarse_ns();
    /* From here on it may belong to another thread. */
    if (!accept_pool_hand_over(listeners->opener.slot, accepted))
        take_accepted(listeners, accepted);
    return true;
}

static void on_acceptable(h2o_socket_t *sock, const char *err)
{
    struct acceptor *acceptor = sock->data;

    (void)err; /* nothing reads from a listening socket, so nothing fails */
    for (int i = 0; i != ACCEPTS_PER_TURN; i++)
        if (!accept_one(acceptor->owner, acceptor))
            return;
}

/* Starts every acceptor that is neither paused nor closed. */
static void start_accepting(struct listeners *listeners)
{
    for (size_t i = 0; i != listeners->count; i++) {
        if (!listeners->classes[listeners->acceptors[i]->class].is_paused)
            acceptor_read(listeners->acceptors[i], on_acceptable);
    }
}

/* ---- the start ---- */

void listeners_add(struct listeners *listeners, const struct endpoint *endpoint, int fd)
{
    CHECK_THREAD(&listeners->opener);
    CHECK(listeners->count != ENDPOINTS_MAX);
    struct acceptor *acceptor = acceptor_create(listeners, listeners->count, endpoint);
    listeners->acceptors[listeners->count++] = acceptor;
    /* Every worker has the acceptor, for connections that are handed over; few have its socket. */
    if (accept_pool_is_watcher(listeners->opener.slot))
        acceptor_open(acceptor, listeners->context, fd);
    else
        close(fd);
}

/*
 * Descriptors of its own, as libh2o closes them with their sockets. Plain
 * numbers first: all of this can still fail, and nothing refers to us yet.
 */
static bool duplicate_all(const struct endpoints *endpoints, int *fds)
{
    for (size_t i = 0; i != endpoints->count; i++) {
        fds[i] = fcntl(endpoints->all[i].fd, F_DUPFD_CLOEXEC, 0);
        if (fds[i] == -1) {
            int error = errno;
            while (i != 0)
                close(fds[--i]);
            errno = error;
            return false;
        }
    }
    return true;
}

struct listeners *listeners_create(h2o_context_t *context, h2o_accept_ctx_t *accept_ctx,
                                   struct connections *connections, const struct endpoints *endpoints,
                                   struct shared *shared, const struct gate_rules *rules)
{
    int fds[ENDPOINTS_MAX];

    if (!duplicate_all(endpoints, fds))
        return NULL;
    struct listeners *listeners = check_calloc(1, sizeof(*listeners));
    listeners->context = context;
    listeners->connections = connections;
    h2o_multithread_register_receiver(context->queue, &listeners->receiver, on_handed_over);
    listeners->opener = (struct opener){
        .context = context,
        .accept_ctx = accept_ctx,
        .connections = connections,
        .shared = shared,
        .slot = accept_pool_join(shared->pool, deliver, listeners),
    };
    opener_init(&listeners->opener, rules);
    for (size_t i = 0; i != endpoints->count; i++)
        listeners_add(listeners, &endpoints->all[i], fds[i]);
    start_accepting(listeners);
    return listeners;
}

/* ---- a change ---- */

static void leave_acceptor(void *arg, struct connection *connection)
{
    if (!acceptor_has(arg, connection) || connection->is_leaving)
        return;
    connection->is_leaving = true;
    /* one with streams is told with the first that ends, one without a request with its first answer */
    if (connection->has_requested && connection->streams == 0)
        connection_send_away(connection);
}

void listeners_change(struct listeners *listeners, const struct endpoint *endpoints, size_t count,
                      const struct gate_rules *rules)
{
    CHECK_THREAD(&listeners->opener);
    CHECK(count == listeners->count);
    opener_set_rules(&listeners->opener, rules);
    for (size_t i = 0; i != count; i++) {
        struct acceptor *acceptor = listeners->acceptors[i];
        if (endpoints[i].fd != -1)
            acceptor_change(acceptor, &endpoints[i]);
        else if (acceptor_end(acceptor)) /* its connections ask for nothing new */
            connections_for_each(listeners->connections, leave_acceptor, acceptor);
    }
    if (!listeners->is_stopped && !listeners->is_public_stopped)
        start_accepting(listeners);
}

const void *listeners_origin(const struct listeners *listeners, size_t index)
{
    CHECK(index < listeners->count);
    return &listeners->acceptors[index]->listen;
}

/* ---- the turns, and the end ---- */

void listeners_tick(struct listeners *listeners, int64_t now_ns)
{
    CHECK_THREAD(&listeners->opener);
    opener_tick(&listeners->opener, now_ns);
    for (enum accept_class class = 0; class != ACCEPT_CLASSES && !listeners->is_stopped; class ++) {
        if (!listeners->classes[class].is_paused || now_ns < listeners->classes[class].resume_ns ||
            accept_pool_look(listeners->opener.shared->pool, class) != ACCEPT_OK)
            continue;
        listeners->classes[class].is_paused = false;
        start_accepting(listeners);
    }
}

void listeners_stop_public(struct listeners *listeners)
{
    CHECK_THREAD(&listeners->opener);
    listeners->is_public_stopped = true;
    for (size_t i = 0; i != listeners->count; i++) {
        if (listeners->acceptors[i]->class == ACCEPT_PUBLIC)
            acceptor_close(listeners->acceptors[i]);
    }
}

void listeners_stop(struct listeners *listeners)
{
    CHECK_THREAD(&listeners->opener);
    if (listeners->is_stopped)
        return;
    listeners->is_stopped = true;
    accept_pool_close(listeners->opener.slot);
    for (size_t i = 0; i != listeners->count; i++)
        acceptor_close(listeners->acceptors[i]);
}

void listeners_destroy(struct listeners *listeners)
{
    CHECK_THREAD(&listeners->opener);
    CHECK(listeners->is_stopped && list_is_empty(&listeners->connections->opening));
    h2o_multithread_unregister_receiver(listeners->context->queue, &listeners->receiver);
    accept_pool_leave(listeners->opener.slot);
    for (size_t i = 0; i != listeners->count; i++)
        acceptor_destroy(listeners->acceptors[i]);
    free(listeners);
}
