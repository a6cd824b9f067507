/* worker.c - one event loop: its thread, its hub, its connections */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/worker.h"

#include <errno.h>
#include <h2o.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/core/address_limits.h"
#include "gateway/core/drain.h"
#include "gateway/core/presence.h"
#include "gateway/core/reclaim.h"
#include "gateway/core/registry.h"
#include "gateway/core/turn.h"
#include "gateway/http/admin/admin.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/publish_send.h"
#include "gateway/http/access/service_auth.h"
#include "gateway/http/settings.h"
#include "gateway/server/ending.h"
#include "gateway/server/gate/gate.h"
#include "gateway/server/listen/listeners.h"
#include "gateway/server/loop.h"
#include "gateway/server/process/watchdog.h"
#include "gateway/server/shared.h"

/* libh2o's HTTP/1 parser alone puts a header of any length it allows on the stack. */
#define STACK_BYTES (4u << 20)
/* A GET needs no body; without a publishing route no client gets to send a large one. */
#define BODY_MAX 4096
#define SWEEP_NS NS_PER_S
/* libh2o's own timers follow the wall clock, even when it is set; the reaper acts long before these do. */
#define LIBRARY_TIMEOUT_MS (UINT64_C(86400) * MS_PER_S)

_Static_assert(STACK_BYTES >= 1u << 20, "libh2o puts a header name on the stack (http1.c)");
_Static_assert(BODY_MAX < PUBLISH_BODY_BUFFER, "publishing takes more");
_Static_assert(LIBRARY_TIMEOUT_MS >= 3600 * MS_PER_S, "the reaper is there first");

struct worker {
    struct shared *shared;
    unsigned number;
    pthread_t thread;
    bool is_started;
    struct watchdog_pulse pulse;
    struct metrics metrics;
    struct hub hub;
    struct app app;
    struct connections connections;
    h2o_globalconf_t config;
    h2o_context_t context;
    struct loop loop;
    h2o_accept_ctx_t accept_ctx[ACCEPT_CLASSES];
    h2o_hostconf_t *hosts[ACCEPT_CLASSES][2]; /* each list has one host and its end */
    h2o_multithread_receiver_t waker;
    const struct endpoints *endpoints; /* of the start */
    struct listeners *listeners;
    struct ending ending;
    int64_t swept_ns;
    sem_t running, finished, dismissed; /* the thread's loop begins; has ended; what it made may go */
};

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        CHECK(errno == EINTR);
}

static void wake_worker(void *arg)
{
    struct worker *worker = arg;
    h2o_multithread_send_message(&worker->waker, NULL);
}

/* Never called with a message: waking is all the queue is for. */
static void on_message(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    CHECK(h2o_linklist_is_empty(messages));
}

struct worker *worker_create(struct shared *shared, struct settings *settings, unsigned number)
{
    struct worker *worker = check_calloc(1, sizeof(*worker));
    worker->shared = shared;
    worker->number = number;
    metrics_register(&worker->metrics);
    hub_init(&worker->hub, &shared->registry, &worker->metrics, wake_worker, worker);
    registry_add_mailbox(&shared->registry, &worker->hub.mailbox);
    for (unsigned i = 0; i != shared->sources.count; ++i)
        hub_add_source(&worker->hub, shared->sources.bases[i]);
    worker->hub.write_timeout_ns = shared->config->limits.write_timeout_ms * NS_PER_MS;
    worker->app = (struct app){
        .gateway = shared->name,
        .hub = &worker->hub,
        .clients = shared->clients,
        .admission = shared->admission,
        .presence = shared->presence,
        .sources = shared->sources.bases,
        .dev_nats_url = shared->dev_nats_url,
        .revoked = shared->revoked,
        .liveness = &shared->liveness,
    };
    settings_replace(&worker->app, settings);
    worker->app.service = service_auth_create(&worker->app);
    worker->ending = (struct ending){
        .worker = number,
        .hub = &worker->hub,
        .connections = &worker->connections,
        .service = worker->app.service,
        .context = &worker->context,
    };
    CHECK(sem_init(&worker->running, 0, 0) == 0 && sem_init(&worker->finished, 0, 0) == 0 &&
          sem_init(&worker->dismissed, 0, 0) == 0);
    return worker;
}

static bool takes_messages(const struct worker *worker)
{
    const struct config *config = worker->app.config;
    bool any = worker->shared->dev_nats_url != NULL; /* the page of --dev publishes */
    for (unsigned i = 0; i != config->routes_count; ++i)
        any |= config->routes[i].publish;
    return any;
}

static size_t body_max(const struct worker *worker)
{
    return takes_messages(worker) ? PUBLISH_BODY_BUFFER : BODY_MAX;
}

/*
 * On the worker's own thread, like its end: each buffer of libh2o goes back to
 * a free list of the thread that made it, and one made elsewhere would have
 * two threads work on one list.
 */
static void set_up_loop(struct worker *worker)
{
    connections_init(&worker->connections, &worker->metrics);
    h2o_config_init(&worker->config);
    worker->config.server_name = h2o_iovec_init(H2O_STRLIT("freshet"));
    worker->config.max_request_entity_size = body_max(worker);
    worker->config.http1.upgrade_to_http2 = 0; /* over TLS only ALPN chooses */
    worker->config.http1.req_timeout = worker->config.http2.idle_timeout = LIBRARY_TIMEOUT_MS;
    h2o_hostconf_t *public = h2o_config_register_host(&worker->config, h2o_iovec_init(H2O_STRLIT("public")), 65535);
    h2o_hostconf_t *admin = h2o_config_register_host(&worker->config, h2o_iovec_init(H2O_STRLIT("admin")), 65535);
    app_register(&worker->app, public);
    admin_register(&worker->app, admin);

    h2o_context_init(&worker->context, h2o_evloop_create(), &worker->config);
    h2o_multithread_register_receiver(worker->context.queue, &worker->waker, on_message);
    worker->hosts[ACCEPT_PUBLIC][0] = public;
    worker->hosts[ACCEPT_ADMIN][0] = admin;
    for (unsigned i = 0; i != ACCEPT_CLASSES; ++i)
        worker->accept_ctx[i] = (h2o_accept_ctx_t){.ctx = &worker->context, .hosts = worker->hosts[i]};
    hub_start(&worker->hub, clock_mono_ns());
    worker->listeners =
        listeners_create(&worker->context, worker->accept_ctx, &worker->connections, worker->endpoints, worker->shared,
                         &(struct gate_rules){&worker->app.config->limits, takes_messages(worker)});
    ending_begin(&worker->ending, worker->listeners);
}

static void tear_down_loop(struct worker *worker)
{
    if (worker->listeners != NULL)
        listeners_destroy(worker->listeners);
    connections_dispose(&worker->connections);
    turn_end(&worker->hub);
    hub_dispose(&worker->hub);
    h2o_multithread_unregister_receiver(worker->context.queue, &worker->waker);
    h2o_loop_t *loop = worker->context.loop;
    h2o_context_dispose(&worker->context);
    h2o_evloop_destroy(loop);
    h2o_config_dispose(&worker->config);
}

/* ---- a new configuration ---- */

static void on_prepare(struct mailbox_task *task)
{
    struct worker_change *change = LIST_ENTRY(task, struct worker_change, task);
    CHECK(change->first_new <= change->endpoint_count && change->endpoint_count <= ENDPOINTS_MAX);
    for (size_t i = change->first_new; i != change->endpoint_count; ++i)
        listeners_add(change->worker->listeners, &change->endpoints[i], change->fds[i - change->first_new]);
    sem_post(change->done);
}

/* Those whose listener goes with this change end with it; those of earlier ones have been told. */
static void look_for_streams(struct worker *worker, struct worker_change *change)
{
    size_t count = 0;
    settings_retain(change->settings); /* until `over`: the walk outlives the next reload, perhaps */
    for (size_t i = 0; i != change->endpoint_count; ++i) {
        if (change->endpoints[i].fd == -1) /* also those of earlier changes, whose streams end over their window */
            change->gone[count++] = listeners_origin(worker->listeners, i);
    }
    change->walk.gone = change->gone;
    change->walk.gone_count = count;
    /* Before the walk, which lines the streams up in it. */
    if (count != 0)
        drain_begin_parting(&worker->hub, change->window_ns);
    evict_start(&worker->hub, &change->walk.walk);
}

static void on_change(struct mailbox_task *task)
{
    struct worker_change *change = LIST_ENTRY(task, struct worker_change, task);
    struct worker *worker = change->worker;
    if (change->settings != NULL)
        settings_replace(&worker->app, change->settings);
    const struct config_limits *limits = &worker->app.config->limits;
    worker->hub.write_timeout_ns = limits->write_timeout_ms * NS_PER_MS;
    worker->config.max_request_entity_size = body_max(worker);
    listeners_change(worker->listeners, change->endpoints, change->endpoint_count,
                     &(struct gate_rules){limits, takes_messages(worker)});
    if (change->settings != NULL)
        look_for_streams(worker, change);
    sem_post(change->done);
}

static void post_change(struct worker *worker, struct worker_change *change, void (*run)(struct mailbox_task *task))
{
    change->worker = worker;
    change->task = (struct mailbox_task){.run = run};
    mailbox_post(&worker->hub.mailbox, &change->task);
}

void worker_prepare(struct worker *worker, struct worker_change *change)
{
    post_change(worker, change, on_prepare);
}

void worker_change(struct worker *worker, struct worker_change *change)
{
    post_change(worker, change, on_change);
}

/* ---- the turns ---- */

/* One thread's task is enough. True: there is more to do. */
static bool sweep_shared(struct worker *worker, int64_t now_ns)
{
    /* one worker does it for all: the structures are the process's */
    if (worker->number != 0)
        return false;
    bool more = reclaim_run(&worker->shared->registry, now_ns, clock_wall_ns());
    more |= presence_flush(worker->shared->presence, now_ns);
    if (now_ns - worker->swept_ns < SWEEP_NS) /* the rest looks at every channel and address */
        return more;
    worker->swept_ns = now_ns;
    registry_sweep(&worker->shared->registry, now_ns);
    address_limits_sweep(worker->shared->clients, now_ns);
    return more;
}

/* Everything the worker does that is not an answer to a socket: see loop.h. True: there is more. */
static bool take_turn(void *arg)
{
    struct worker *worker = arg;
    int64_t now_ns = clock_mono_ns();
    CHECK_THREAD(&worker->connections);

    watchdog_pulse_turn(&worker->pulse);
    bool more = turn_run(&worker->hub, now_ns);
    listeners_tick(worker->listeners, now_ns);
    more |= sweep_shared(worker, now_ns);
    more |= ending_turn(&worker->ending, now_ns);
    return more;
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    bool more = false;

    set_up_loop(worker);
    watchdog_pulse_begin(&worker->pulse);
    sem_post(&worker->running);
    loop_init(&worker->loop, &worker->context, WHEEL_TICK_NS, take_turn, worker);
    /* Without listeners setting up has failed: the main thread is about to end all workers. */
    while (worker->listeners != NULL && worker->ending.phase != ENDING_OVER)
        more = loop_run(&worker->loop, !more);
    loop_dispose(&worker->loop);
    watchdog_pulse_end(&worker->pulse);
    /* The hub stays until the sources have stopped, whose threads may still call its mailbox. */
    sem_post(&worker->finished);
    wait_for(&worker->dismissed);
    tear_down_loop(worker);
    return NULL;
}

bool worker_start(struct worker *worker, const struct endpoints *endpoints)
{
    char name[THREAD_NAME_MAX];
    CHECK(!worker->is_started);
    worker->endpoints = endpoints;
    snprintf(name, sizeof(name), "worker-%u", worker->number);
    if (!thread_start(&worker->thread, name, STACK_BYTES, run_worker, worker))
        return false;
    wait_for(&worker->running); /* until its listeners are there, or have failed */
    worker->is_started = true;
    return worker->listeners != NULL;
}

struct app *worker_app(struct worker *worker)
{
    return &worker->app;
}

struct watchdog_pulse *worker_pulse(struct worker *worker)
{
    return &worker->pulse;
}

/* ---- the end ---- */

static void wake_if_started(struct worker *worker)
{
    if (worker->is_started)
        wake_worker(worker);
}

void worker_drain(struct worker *worker, int64_t window_ns)
{
    ending_order_drain(&worker->ending, window_ns);
    wake_if_started(worker);
}

void worker_ask_drained(struct worker *worker)
{
    ending_ask_drained(&worker->ending);
    wake_if_started(worker);
}

bool worker_is_drained(const struct worker *worker)
{
    return !worker->is_started || ending_is_drained(&worker->ending);
}

void worker_shutdown(struct worker *worker)
{
    ending_order_shutdown(&worker->ending);
    wake_if_started(worker);
}

void worker_wait(struct worker *worker)
{
    if (worker->is_started)
        wait_for(&worker->finished);
}

bool worker_release(struct worker *worker)
{
    if (worker->connections.count != 0) {
        log_write(LOG_WARN, "connections-left", log_u64("worker", worker->number),
                  log_u64("connections", worker->connections.count));
        return false;
    }
    CHECK(worker->hub.reader_count == 0);
    hub_release_views(&worker->hub);
    return true;
}

void worker_destroy(struct worker *worker)
{
    if (worker->is_started) {
        sem_post(&worker->dismissed);
        thread_join(worker->thread);
    } else { /* no thread has run that would do it */
        turn_end(&worker->hub);
        hub_dispose(&worker->hub);
    }
    service_auth_destroy(worker->app.service);
    sem_destroy(&worker->running);
    sem_destroy(&worker->finished);
    sem_destroy(&worker->dismissed);
    metrics_unregister(&worker->metrics);
    free(worker);
}
