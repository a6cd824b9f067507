/* server.c - the gateway as a whole: from a configuration to a clean end */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/server.h"

#include <h2o.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/base/log.h"
#include "gateway/core/presence.h"
#include "gateway/core/registry.h"
#include "gateway/server/listen/accept_pool.h"
#include "gateway/server/process/descriptors.h"
#include "gateway/server/dev/dev_feed.h"
#include "gateway/server/farewell.h"
#include "gateway/server/listen/endpoints.h"
#include "gateway/server/generation.h"
#include "gateway/server/info.h"
#include "gateway/server/key_files.h"
#include "gateway/server/reload.h"
#include "gateway/server/reserved_subjects.h"
#include "gateway/server/revocations.h"
#include "gateway/server/shared.h"
#include "gateway/server/process/signals.h"
#include "gateway/server/process/systemd.h"
#include "gateway/server/tls/tls.h"
#include "gateway/server/process/watchdog.h"
#include "gateway/server/worker.h"
#include "gateway/source/nats/nats_source.h"

#define ERROR_MAX 512
/* How long `ready` waits for the JetStream streams, and for how long it does so before it looks for a signal. */
#define WARM_NS (5 * NS_PER_S)
#define WARM_STEP_MS 50
/* How often the main thread sees whether the key files have changed. */
#define TURN_NS NS_PER_S

struct server {
    struct shared shared;
    const struct server_dev *dev;
    struct reload reload;
    struct systemd *systemd;
    unsigned worker_count;
    struct worker **workers;
    struct app **apps;              /* of the workers */
    struct watchdog_pulse **pulses; /* of the workers */
    struct watchdog *watchdog;
    struct revocations *revocations;
    struct info *info; /* NULL: not asked for */
    struct dev_feed *feed;
};

static void announce_ready(const struct server *server)
{
    if (server->dev != NULL) {
        char url[LISTEN_SOCKET_TEXT_MAX + 16];
        bool named = strcmp(server->shared.config->listen[0].address, DEV_ADDRESS) == 0;
        snprintf(url, sizeof(url), "https://%s/", named ? DEV_ADDRESS : server->reload.endpoints->all[0].address);
        log_write(LOG_INFO, "console", log_str("open", url));
    }
    systemd_ready(server->systemd);
    systemd_status(server->systemd, "serving %u routes", server->shared.config->routes_count);
    log_write(
        LOG_INFO, "ready", log_str("version", FRESHET_VERSION), log_u64("workers", server->worker_count),
        log_u64("routes", server->shared.config->routes_count), log_str("name", server->shared.name),
        log_u64("connections", accept_pool_limit(server->shared.config->limits.connections, server->worker_count)));
}

static void on_key_file_error(void *arg, const char *message)
{
    (void)arg;
    log_write(LOG_ERROR, "keys-failed", log_str("reason", message));
}

/* Takes the configuration over. */
static bool load_keys(struct server *server, struct config *config)
{
    struct generation *generation = generation_create(config, config->workers, on_key_file_error, NULL);
    server->reload.first = server->reload.current = generation;
    return generation != NULL;
}

static bool open_endpoints(struct server *server, const struct config *config)
{
    bool dev_certificate = server->dev != NULL && server->dev->certificate;
    server->reload.endpoints = endpoints_open(config, dev_certificate);
    return server->reload.endpoints != NULL;
}

static int64_t longest_ns(void *arg, unsigned *worker)
{
    const struct server *server = arg;
    return watchdog_pulses_longest_ns(server->pulses, server->worker_count, worker);
}

static bool create_shared(struct server *server, const struct config *config)
{
    char error[ERROR_MAX] = "";
    if (!shared_init(&server->shared, config, server->dev != NULL ? server->dev->nats_url : NULL, error,
                     sizeof(error))) {
        log_write(LOG_ERROR, "nats-failed", log_str("reason", error));
        return false;
    }
    server->shared.liveness = (struct liveness){longest_ns, server};
    server->revocations = revocations_create(server->shared.revoked);
    return true;
}

static void create_workers(struct server *server)
{
    unsigned count = server->worker_count = server->shared.config->workers;
    server->workers = check_calloc(count, sizeof(struct worker *));
    server->apps = check_calloc(count, sizeof(struct app *));
    server->pulses = check_calloc(count, sizeof(struct watchdog_pulse *));
    for (unsigned i = 0; i != count; ++i) {
        server->workers[i] = worker_create(&server->shared, server->reload.first->settings[i], i);
        server->pulses[i] = worker_pulse(server->workers[i]);
        server->apps[i] = worker_app(server->workers[i]);
    }
    server->reload.shared = &server->shared;
    server->reload.workers = server->workers;
    server->reload.worker_count = count;
    reload_init(&server->reload);
}

static bool start_watchdog(struct server *server)
{
    int64_t period_ms = server->shared.config->watchdog_ms;
    if (period_ms == 0) /* switched off */
        return true;
    server->watchdog = watchdog_start(server->pulses, server->worker_count, period_ms);
    return server->watchdog != NULL;
}

/* A gateway without access control needs no permission at the broker to hear revocations. */
static void listen_for_revocations(struct server *server)
{
    bool wanted = false;
    for (unsigned i = 0; i != server->shared.config->routes_count; ++i)
        wanted |= server->shared.config->routes[i].auth.required;
    if (wanted)
        nats_source_listen(server->shared.sources.nats, REVOCATIONS_SUBJECT, revocations_hear, server->revocations);
}

static void listen_for_questions(struct server *server)
{
    if (!server->shared.config->info)
        return;
    server->info = info_create(server->shared.name, server->shared.sources.bases[0]);
    nats_source_answer(server->shared.sources.nats, INFO_SUBJECT, info_ask, server->info);
    nats_source_answer(server->shared.sources.nats, info_subject(server->info), info_ask, server->info);
}

static bool start_server(struct server *server)
{
    /* Before anything is delivered: a channel is judged by them when it is made. */
    if (!reserved_subjects_declare(server->shared.config)) {
        log_write(LOG_ERROR, "start-failed", log_str("reason", RESERVED_SUBJECTS_TOO_MANY));
        return false;
    }
    listen_for_revocations(server);
    listen_for_questions(server);
    if (!sources_start(&server->shared.sources)) {
        log_write(LOG_ERROR, "start-failed", log_str("reason", "cannot start a thread for NATS"));
        return false;
    }
    for (unsigned i = 0; i != server->worker_count; ++i) {
        if (!worker_start(server->workers[i], server->reload.endpoints)) {
            log_write(LOG_ERROR, "start-failed", log_u64("worker", i),
                      log_str("reason", "out of threads or descriptors"));
            return false;
        }
    }
    revocations_open(server->revocations, server->apps, server->worker_count);
    if (server->info != NULL)
        info_open(server->info, server->apps[0]);
    if (!start_watchdog(server)) {
        log_write(LOG_ERROR, "start-failed", log_str("reason", "cannot start a thread for the watchdog"));
        return false;
    }
    if (server->dev != NULL)
        server->feed = dev_feed_start(server->shared.sources.bases[0]);
    return true;
}

static void reload_server(struct server *server)
{
    systemd_reloading(server->systemd);
    log_write(LOG_INFO, "reloading", log_str("file", server->reload.file));
    bool good = reload_file(&server->reload);
    /* RELOADING=1 wants its READY=1, also where nothing has changed. */
    systemd_ready(server->systemd);
    systemd_status(server->systemd, "serving %u routes%s", server->reload.current->config->routes_count,
                   good ? "" : ", the last reload has failed");
}

/*
 * The signal that ends the gateway, if it comes within that time, or 0. SIGHUP
 * reloads; without a file, in a trial, the terminal has been closed.
 */
static int take_end(struct server *server, int64_t timeout_ns)
{
    int number = signals_take(timeout_ns);
    /* --dev has no file to read again: there the terminal's hang-up ends it */
    if (number != SIGHUP || server->reload.file == NULL)
        return number;
    reload_server(server);
    return 0;
}

/* Until the streams are warm, but not for long: clients are let in meanwhile, and wait. The signal that came, or 0. */
static int wait_for_streams(struct server *server, struct sources_report *report)
{
    int64_t deadline_ns = clock_mono_ns() + WARM_NS;
    int number = 0;
    do {
        sources_wait(&server->shared.sources, WARM_STEP_MS, report);
        if (report->state == SOURCES_COLD)
            number = take_end(server, 0);
    } while (report->state == SOURCES_COLD && number == 0 && clock_mono_ns() < deadline_ns);
    return number;
}

/* Once a second, or as often as the service manager's watchdog wants. */
static void turn_server(struct server *server)
{
    systemd_feed(server->systemd, server->pulses, server->worker_count);
    reload_turn(&server->reload);
}

static void on_drain_turn(void *arg, uint64_t streams)
{
    struct server *server = arg;
    turn_server(server);
    systemd_status(server->systemd, "draining, %llu streams left", (unsigned long long)streams);
}

static void drain_workers(struct server *server, int number)
{
    const struct config_drain *config = &server->reload.current->config->drain;
    int64_t turn_ns = systemd_turn_ns(server->systemd, TURN_NS);
    log_write(LOG_INFO, "stopping", log_str("signal", signals_name(number)));
    systemd_stopping(server->systemd, config->timeout_ms);
    farewell_run(server->workers, server->worker_count, config, turn_ns, on_drain_turn, server);
}

/* Until a signal comes, or it turns out at the start that a stream can't be served as configured. */
static enum server_exit serve_until_signal(struct server *server)
{
    struct sources_report report;
    endpoints_announce(server->reload.endpoints, 0);
    int number = wait_for_streams(server, &report);
    if (number == 0 && report.state == SOURCES_COLD)
        log_write(LOG_WARN, "stream-not-ready", log_str("stream", report.stream), log_str("reason", report.reason));
    if (number == 0 && report.state != SOURCES_FAULT)
        announce_ready(server);
    while (number == 0 && report.state != SOURCES_FAULT) {
        number = take_end(server, systemd_turn_ns(server->systemd, TURN_NS));
        turn_server(server);
    }
    if (number != 0)
        drain_workers(server, number);
    else
        log_write(LOG_ERROR, "stream-unusable", log_str("stream", report.stream), log_str("reason", report.reason));
    /* A process that doesn't end from here on can be killed by further signals. */
    signals_release();
    return number != 0 ? SERVER_CLEAN : SERVER_FAILED;
}

/* Streams, then channels, then their sources, then what they all stood on. False: some of it would not end. */
static bool stop_server(struct server *server)
{
    bool clean = true;
    if (server->feed != NULL)
        dev_feed_stop(server->feed);
    for (unsigned i = 0; i != server->worker_count; ++i)
        worker_shutdown(server->workers[i]);
    for (unsigned i = 0; i != server->worker_count; ++i)
        worker_wait(server->workers[i]);
    /* Not before: a loop that hangs in its end would keep this thread waiting for ever. */
    watchdog_stop(server->watchdog);
    for (unsigned i = 0; i != server->worker_count; ++i)
        clean &= worker_release(server->workers[i]);
    /* The last leaves, while there is still a source to publish them. */
    presence_flush_all(server->shared.presence);
    /* with a worker's connections left its streams still hold channels */
    if (clean)
        registry_close_all(&server->shared.registry);
    clean &= sources_stop(&server->shared.sources);
    if (!clean)
        return false;
    for (unsigned i = 0; i != server->worker_count; ++i)
        worker_destroy(server->workers[i]);
    free(server->workers);
    free(server->apps);
    free(server->pulses);
    info_destroy(server->info);
    revocations_destroy(server->revocations);
    shared_dispose(&server->shared);
    return true;
}

enum server_exit server_run(struct config *config, const char *file, const struct server_dev *dev)
{
    struct server *server = check_calloc(1, sizeof(*server));
    enum server_exit result = SERVER_FAILED;
    bool is_clean = true; /* no thread uses the rest */

    signal(SIGPIPE, SIG_IGN); /* a peer that has closed is an error of write(2) */
    log_take_stderr();
    descriptors_prepare(config);
    H2O_TOKEN_CACHE_DIGEST->http2_should_reject = 1; /* its parser turns 6 kB into hundreds of MB */
    server->dev = dev;
    server->reload.file = file;
    server->systemd = systemd_open();
    if (load_keys(server, config) && open_endpoints(server, config) && create_shared(server, config)) {
        create_workers(server);
        if (start_server(server))
            result = serve_until_signal(server);
        is_clean = stop_server(server);
    }
    endpoints_close(server->reload.endpoints);
    systemd_close(server->systemd);
    if (is_clean) { /* else threads are left that use it, until the process ends */
        reload_dispose(&server->reload);
        free(server);
    }
    if (result == SERVER_CLEAN)
        log_write(LOG_INFO, "stopped");
    return result;
}

bool server_check(const struct config *config, void (*on_error)(void *arg, const char *message), void *arg)
{
    char error[ERROR_MAX];
    bool ok = true;
    for (unsigned i = 0; i != config->listen_count; ++i) {
        const struct config_listen *listen = &config->listen[i];
        if (listen->certificate == NULL)
            continue;
        SSL_CTX *context = endpoints_context(listen, error, sizeof(error));
        if (context == NULL) {
            on_error(arg, error);
            ok = false;
        }
        tls_context_destroy(context);
    }
    struct key_files key_files;
    ok &= key_files_load(&key_files, config, on_error, arg);
    key_files_dispose(&key_files);
    /* Made and thrown away: that finds settings which can't work, and connects to nothing. */
    struct sources sources;
    if (!sources_create(&sources, config, &config->nats, error, sizeof(error))) {
        on_error(arg, error);
        ok = false;
    }
    sources_destroy(&sources);
    return ok;
}
