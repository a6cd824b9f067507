/* loop.c - libh2o's event loop, with a turn of the worker's own inside it */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/loop.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/server/interpose.h"

/* Where this thread is. Before it has a loop, and afterwards, it may do on a socket what it likes. */
static _Thread_local enum { NO_LOOP = 0, OUTSIDE, INSIDE } place;

#ifdef FRESHET_DEBUG
void h2o_socket_write(h2o_socket_t *sock, h2o_iovec_t *bufs, size_t count, h2o_socket_cb cb)
{
    static _Atomic(void *) next;
    void (*write)(h2o_socket_t *, h2o_iovec_t *, size_t, h2o_socket_cb);

    CHECK(place != OUTSIDE);
    *(void **)&write = interpose_next(&next, "h2o_socket_write");
    write(sock, bufs, count, cb);
}

void h2o_socket_close(h2o_socket_t *sock)
{
    static _Atomic(void *) next;
    void (*close)(h2o_socket_t *);

    CHECK(place != OUTSIDE);
    *(void **)&close = interpose_next(&next, "h2o_socket_close");
    close(sock);
}
#endif

static bool is_pending(const struct loop *loop)
{
    const h2o_loop_t *evloop = loop->context->loop;

    return evloop->_pending_as_client != NULL || evloop->_pending_as_server != NULL;
}

static void on_turn(h2o_timeout_entry_t *entry)
{
    struct loop *loop = H2O_STRUCT_FROM_MEMBER(struct loop, entry, entry);

    loop->has_more = loop->turn(loop->arg);
    /* the callbacks of what was written run after this, and may leave work for the next turn */
    loop->has_more |= is_pending(loop) || !h2o_linklist_is_empty(&loop->context->zero_timeout._entries);
}

/* Everything in the list, wherever the wall clock, by which libh2o measures timeouts, has been set. */
static void run_all(struct loop *loop, h2o_timeout_t *list)
{
    h2o_timeout_run(loop->context->loop, list, UINT64_MAX);
}

/* It only has to make the loop turn. */
static void on_tick(h2o_socket_t *sock, const char *err)
{
    CHECK(err == NULL);
    h2o_buffer_consume(&sock->input, sock->input->size);
}

static void start_timer(struct loop *loop, long tick_ns)
{
    CHECK(tick_ns > 0 && tick_ns < NS_PER_S);
    struct timespec interval = {.tv_nsec = tick_ns};
    struct itimerspec spec = {.it_interval = interval, .it_value = interval};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    CHECK(fd != -1 && timerfd_settime(fd, 0, &spec, NULL) == 0);
    loop->timer = h2o_evloop_socket_create(loop->context->loop, fd, 0);
    h2o_socket_read_start(loop->timer, on_tick);
}

void loop_init(struct loop *loop, h2o_context_t *context, long tick_ns, bool (*turn)(void *arg), void *arg)
{
    *loop =
        (struct loop){.thread = pthread_self(), .context = context, .entry = {.cb = on_turn}, .turn = turn, .arg = arg};
    h2o_timeout_init(context->loop, &loop->turns, 0);
    start_timer(loop, tick_ns);
    CHECK(place == NO_LOOP);
    place = OUTSIDE;
}

void loop_dispose(struct loop *loop)
{
    CHECK_THREAD(loop);
    CHECK(place == OUTSIDE);
    place = NO_LOOP;
    h2o_socket_close(loop->timer);
    h2o_timeout_dispose(loop->context->loop, &loop->turns);
}

bool loop_run(struct loop *loop, bool waits)
{
    CHECK_THREAD(loop);
    CHECK(place == OUTSIDE && !is_pending(loop));
    place = INSIDE;
    /* a process that is stopped and continued (by a debugger, by SIGCONT) is interrupted in its wait */
    CHECK(h2o_evloop_run(loop->context->loop, waits ? INT32_MAX : 0) == 0 || errno == EINTR);
    /* Linked and run at once: an entry that waited in its list would not let the loop wait for events. */
    h2o_timeout_link(loop->context->loop, &loop->turns, &loop->entry);
    run_all(loop, &loop->turns);
    /* HTTP/2 writes from a timeout of its own: what the turn has sent leaves now, in front of the next events. */
    run_all(loop, &loop->context->zero_timeout);
    place = OUTSIDE;
    return loop->has_more;
}
