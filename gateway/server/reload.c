/* reload.c - another configuration, or other certificates, while the gateway runs */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/config/config_reload.h"
#include "gateway/core/address_limits.h"
#include "gateway/http/settings.h"
#include "gateway/server/listen/accept_pool.h"
#include "gateway/server/listen/endpoints.h"
#include "gateway/server/generation.h"
#include "gateway/server/reserved_subjects.h"
#include "gateway/server/shared.h"
#include "gateway/server/worker.h"

static void on_error(void *arg, const char *message)
{
    (void)arg;
    log_write(LOG_ERROR, "reload-error", log_str("reason", message));
}

/* ---- all workers ---- */

/* One change on its way through all workers. */
struct change {
    atomic_uint holders; /* the main thread, and each walk through a worker's streams; the last frees it */
    atomic_ullong ended;
    sem_t done;
    unsigned count;
    struct part {
        struct worker_change of_worker;
        struct change *change;
    } parts[];
};

static void free_change(struct change *change)
{
    for (unsigned i = 0; i != change->count; ++i)
        free(change->parts[i].of_worker.fds);
    sem_destroy(&change->done);
    free(change);
}

/* One holder less. */
static void leave_change(struct change *change)
{
    if (atomic_fetch_sub(&change->holders, 1) != 1)
        return;
    if (change->ended != 0)
        log_write(LOG_INFO, "reload-ended", log_u64("streams", change->ended));
    free_change(change);
}

static void on_walk_over(struct eviction_walk *walk)
{
    struct reauthorize_walk *allowed = LIST_ENTRY(walk, struct reauthorize_walk, walk);
    struct part *part = LIST_ENTRY(LIST_ENTRY(allowed, struct worker_change, walk), struct part, of_worker);
    struct change *change = part->change;
    atomic_fetch_add(&change->ended, walk->ended);
    settings_release(part->of_worker.settings);
    leave_change(change);
}

/* Each worker gets a descriptor of its own for every new socket. */
static bool duplicate_new(struct worker_change *part)
{
    CHECK(part->first_new <= part->endpoint_count && part->fds == NULL);
    size_t count = part->endpoint_count - part->first_new;
    part->fds = check_calloc(count + 1, sizeof(int));
    for (size_t i = 0; i != count; ++i) {
        part->fds[i] = fcntl(part->endpoints[part->first_new + i].fd, F_DUPFD_CLOEXEC, 0);
        if (part->fds[i] == -1) {
            /* all or none: the change fails as a whole, and the streams stay */
            while (i != 0)
                close(part->fds[--i]);
            free(part->fds);
            part->fds = NULL;
            return false;
        }
    }
    return true;
}

static void close_duplicates(struct change *change)
{
    for (unsigned i = 0; i != change->count; ++i) {
        const struct worker_change *part = &change->parts[i].of_worker;
        for (size_t k = part->first_new; part->fds != NULL && k != part->endpoint_count; ++k)
            close(part->fds[k - part->first_new]);
    }
}

/* generation: NULL, where only the endpoints change. NULL: out of descriptors. */
static struct change *create_change(const struct reload *reload, const struct endpoints *next,
                                    const struct generation *generation)
{
    const struct config *config = (generation != NULL ? generation : reload->current)->config;
    unsigned count = reload->worker_count;
    struct change *change = check_calloc(1, sizeof(*change) + count * sizeof(struct part));
    bool is_good = true;
    change->count = count;
    /* without a new configuration no walk goes through the streams */
    atomic_init(&change->holders, generation != NULL ? count + 1 : 1);
    CHECK(sem_init(&change->done, 0, 0) == 0);
    for (unsigned i = 0; i != count; ++i) {
        change->parts[i].change = change;
        change->parts[i].of_worker = (struct worker_change){
            .settings = generation != NULL ? generation->settings[i] : NULL,
            .endpoints = next->all,
            .endpoint_count = next->count,
            .first_new = reload->endpoints->count,
            .window_ns = config->drain.window_ms * NS_PER_MS,
            .done = &change->done,
            .walk = {.walk = {.judge = reauthorize_judge, .over = on_walk_over}, .config = config},
        };
        is_good = is_good && duplicate_new(&change->parts[i].of_worker);
    }
    if (is_good)
        return change;
    close_duplicates(change);
    free_change(change);
    return NULL;
}

static void wait_for_all(struct change *change)
{
    for (unsigned i = 0; i != change->count; ++i) {
        while (sem_wait(&change->done) != 0)
            CHECK(errno == EINTR);
    }
}

/* Takes next over. From here on nothing can fail but the descriptors. */
static bool apply_change(struct reload *reload, struct endpoints *next, const struct generation *generation)
{
    struct change *change = create_change(reload, next, generation);
    if (change == NULL) {
        on_error(NULL, "out of descriptors");
        endpoints_discard(reload->endpoints, next);
        return false;
    }
    /* Every worker knows the new endpoints before any accepts there: connections change workers on accept. */
    for (unsigned i = 0; i != change->count; ++i)
        worker_prepare(reload->workers[i], &change->parts[i].of_worker);
    wait_for_all(change);
    for (unsigned i = 0; i != change->count; ++i)
        worker_change(reload->workers[i], &change->parts[i].of_worker);
    wait_for_all(change);
    leave_change(change);
    /* Only now: until here the workers used the old contexts and descriptors. */
    size_t before = reload->endpoints->count;
    endpoints_commit(reload->endpoints, next);
    reload->endpoints = next;
    endpoints_announce(next, before);
    return true;
}

/* ---- certificates ---- */

static uint64_t stamp_file(uint64_t sum, const char *file)
{
    struct stat status;
    /* a file that is missing for a moment, while it is replaced, counts as another one */
    if (file == NULL || stat(file, &status) != 0)
        return hash_add(sum, "", 1);
    /* With the inode: mv puts another file there, which may be as long and as old. */
    const uint64_t facts[] = {status.st_dev, status.st_ino, (uint64_t)status.st_size, (uint64_t)status.st_mtim.tv_sec,
                              (uint64_t)status.st_mtim.tv_nsec};
    return hash_add(sum, facts, sizeof(facts));
}

/* Says whether any of the files is another, or has been written to. */
static uint64_t stamp_certificates(const struct config *config)
{
    uint64_t sum = HASH_START;
    for (unsigned i = 0; i != config->listen_count; ++i) {
        const struct config_listen *listen = &config->listen[i];
        sum = stamp_file(stamp_file(stamp_file(sum, listen->certificate), listen->key), listen->client_ca);
    }
    return sum;
}

static void log_failed(const char *what)
{
    metrics_add_shared(METRIC_RELOADS_FAILED, 1);
    log_write(LOG_ERROR, "reload-failed", log_str("what", what),
              log_str("reason", "see reload-error; the running configuration is unchanged"));
}

static void reload_certificates(struct reload *reload, uint64_t now)
{
    struct endpoints *next = endpoints_plan(reload->endpoints, reload->current->config, on_error, NULL);
    if (next == NULL || !apply_change(reload, next, NULL)) {
        reload->failed = now; /* not tried again before they change once more */
        log_failed("certificates");
        return;
    }
    reload->certificates = now;
    metrics_add_shared(METRIC_RELOADS_OK, 1);
    log_write(LOG_INFO, "reloaded", log_str("changed", "certificates"));
}

/* A certificate and its key are two files: wait until neither has changed for a turn. */
static void look_at_certificates(struct reload *reload)
{
    uint64_t now = stamp_certificates(reload->current->config);
    bool is_stable = now == reload->seen;
    reload->seen = now;
    if (is_stable && now != reload->certificates && now != reload->failed)
        reload_certificates(reload, now);
}

/* ---- the file ---- */

static void set_limits(const struct reload *reload, const struct config_limits *limits)
{
    accept_pool_set_limits(reload->shared->pool, accept_pool_limit(limits->connections, reload->worker_count),
                           limits->handshakes);
    address_limits_set_limits(reload->shared->clients, limits);
    registry_limit_bytes(&reload->shared->registry, limits->history_bytes);
    for (size_t i = 0; i != reload->endpoints->count; ++i) {
        /* Connections inherit it when they are accepted: those that are open keep theirs. */
        if (reload->endpoints->all[i].fd != -1)
            listen_socket_set_stall(reload->endpoints->all[i].fd, endpoints_stall_ms(limits));
    }
}

/* The line appears if either of the two levels shows it. */
static void log_reloaded(const struct config *before, const struct config *after, int64_t begin_ns)
{
    char changes[CONFIG_CHANGES_MAX];
    if (after->log.level > before->log.level)
        log_configure(after->log.level, after->log.format);
    log_write(LOG_INFO, "reloaded", log_str("changed", config_reload_changes(before, after, changes)),
              log_u64("routes", after->routes_count), log_i64("ms", (clock_mono_ns() - begin_ns) / NS_PER_MS));
    log_configure(after->log.level, after->log.format);
}

static void replace_generation(struct reload *reload, struct generation *generation, int64_t begin_ns)
{
    struct generation *before = reload->current;
    set_limits(reload, &generation->config->limits);
    reload->current = generation;
    metrics_add_shared(METRIC_RELOADS_OK, 1);
    /* Just loaded with the file: the next look finds nothing to do. */
    reload->seen = reload->certificates = stamp_certificates(generation->config);
    log_reloaded(before->config, generation->config, begin_ns);
    /* what a reload never changes lives there, so the first one stays to the end */
    if (before == reload->first)
        return;
    before->next = reload->replaced;
    reload->replaced = before;
}

/* Takes the configuration over. */
static bool take_config(struct reload *reload, struct config *config, int64_t begin_ns)
{
    const struct config *first = reload->first->config;
    /* Against the start and not the last reload: what needs a restart was settled then. */
    if (!config_reload_check(first, config, on_error, NULL)) {
        config_destroy(config);
        return false;
    }
    config_reload_adopt(first, config);
    struct generation *generation = generation_create(config, reload->worker_count, on_error, NULL);
    if (generation == NULL) /* it has freed the configuration */
        return false;
    /* From the least to the most lasting: what fails before apply_change leaves nothing behind. */
    struct endpoints *next = endpoints_plan(reload->endpoints, config, on_error, NULL);
    if (next != NULL && !reserved_subjects_declare(config)) {
        on_error(NULL, RESERVED_SUBJECTS_TOO_MANY " since the start, which needs a restart");
        endpoints_discard(reload->endpoints, next);
        next = NULL;
    }
    if (next == NULL || !apply_change(reload, next, generation)) {
        generation_destroy(generation);
        return false;
    }
    replace_generation(reload, generation, begin_ns);
    return true;
}

bool reload_file(struct reload *reload)
{
    CHECK_THREAD(reload);
    int64_t begin_ns = clock_mono_ns();
    struct config *config = config_load(reload->file, on_error, NULL);
    if (config != NULL && take_config(reload, config, begin_ns))
        return true;
    log_failed(reload->file);
    return false;
}

/* ---- life ---- */

void reload_init(struct reload *reload)
{
    CHECK(reload->first != NULL && reload->current == reload->first && reload->worker_count != 0);
    reload->thread = pthread_self();
    reload->seen = reload->certificates = stamp_certificates(reload->current->config);
}

static void free_replaced(struct reload *reload)
{
    for (struct generation **link = &reload->replaced; *link != NULL;) {
        struct generation *generation = *link;
        if (generation_is_over(generation)) {
            *link = generation->next;
            generation_destroy(generation);
        } else {
            key_files_refresh(&generation->key_files);
            link = &generation->next;
        }
    }
}

void reload_turn(struct reload *reload)
{
    CHECK_THREAD(reload);
    look_at_certificates(reload);
    key_files_refresh(&reload->current->key_files);
    free_replaced(reload);
}

void reload_dispose(struct reload *reload)
{
    while (reload->replaced != NULL) {
        struct generation *next = reload->replaced->next;
        generation_destroy(reload->replaced);
        reload->replaced = next;
    }
    if (reload->current != reload->first)
        generation_destroy(reload->current);
    generation_destroy(reload->first);
}
