/* trial.c - one attack against a real gateway that serves others meanwhile, and its effect on both */
/* SPDX-License-Identifier: MIT */
#include "tests/attack/trial.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/gateway_fixture.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"

#define WORKERS 2
#define DURING_MIN_MS 400
#define OVERTIME_MS 30000 /* an attack that runs longer than this over its time is killed */
#define SETTLE_MS 20000
#define MEMORY_SETTLE_MS 2500
#define PROBE_MS 5000
#define LATENCY_FACTOR 3.0
#define LATENCY_FLOOR_MS 20.0
#define MEMORY_SLACK 0.10
/* Streams that come and go within moments must not reach the broker. */
#define SUBSCRIPTIONS_MAX 50
#define MORE_ROUNDS 3
#define ROUND_SLACK (1u << 20) /* growth in one more round: pages, not a leak */

static const char yaml[] = "limits: {connections: %lu, idle: %dms, write_timeout: %dms}\n"
                           "defaults: {heartbeat: 1s, retry: 2s}\n"
                           "log: {level: info}\n"
                           "routes:\n"
                           "  - {path: " HONEST_PATH ", subjects: [\"" HONEST_SUBJECT "\"]}\n"
                           "  - {path: /bulk, subjects: [\"" BULK_SUBJECT "\"], history: {bytes: 8MiB}}\n"
                           "  - {path: \"/quiet/{id}\", subjects: [\"quiet.{id}\"], heartbeat: 1h}\n"
                           "%s";
static const char publish_route[] = "  - {path: /post, subjects: [\"post\"], publish: true}\n";

struct battlefield {
    bool full, publish;
    struct nats_fixture *nats;
    struct gateway *gateway;
    struct honest *honest;
    struct tally *tally;        /* shared with the attacker's process */
    struct honest_latency calm; /* with nobody attacking */
    bool has_calm;
};

static void fight_on(struct battlefield *field)
{
    char *text = text_format(yaml, field->full ? 0UL : LIMIT_CONNECTIONS_QUICK, LIMIT_IDLE_MS, LIMIT_WRITE_MS,
                             field->publish ? publish_route : "");
    struct gateway_options options = {.nats_url = nats_fixture_url(field->nats), .yaml = text, .workers = WORKERS};

    field->gateway = gateway_start(&options);
    free(text);
    field->honest = honest_start(nats_fixture_url(field->nats), field->gateway->tls_port);
    if (field->honest == NULL) {
        gateway_show_logs();
        fixture_fail("the honest streams can't be opened");
    }
    sleep_ms(field->full ? 3000 : 1500); /* until buffers have reached their size: memory is compared from here on */
}

struct battlefield *battlefield_create(bool full, bool publish)
{
    struct battlefield *field = calloc(1, sizeof(*field));

    if (field == NULL)
        fixture_fail("out of memory");
    field->full = full;
    field->publish = publish;
    field->tally = mmap(NULL, sizeof(*field->tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    field->nats = nats_fixture_start(NULL);
    if (field->tally == MAP_FAILED || field->nats == NULL)
        fixture_fail("no broker");
    fight_on(field);
    return field;
}

static void retreat(struct battlefield *field)
{
    honest_stop(field->honest);
    gateway_destroy(field->gateway);
    field->honest = NULL;
    field->gateway = NULL;
}

void battlefield_destroy(struct battlefield *field)
{
    retreat(field);
    nats_fixture_stop(field->nats);
    munmap(field->tally, sizeof(*field->tally));
    free(field);
}

static void verdict(struct trial *trial, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void verdict(struct trial *trial, const char *word, const char *format, ...)
{
    va_list args;
    size_t len = strlen(trial->detail);

    trial->only_late = strcmp(word, "late") == 0 && (trial->verdict == NULL || trial->only_late);
    if (trial->verdict == NULL)
        trial->verdict = word;
    len += (size_t)snprintf(trial->detail + len, sizeof(trial->detail) - len, len != 0 ? "; " : "");
    va_start(args, format);
    vsnprintf(trial->detail + len, sizeof(trial->detail) - len, format, args);
    va_end(args);
}

/* Niced, so that a flood doesn't merely compete for the processor: what counts is the work it makes for the gateway. */
static _Noreturn void be_attacker(struct attack_run *run, const struct attack *attack, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    signal(SIGPIPE, SIG_IGN);
    setpriority(PRIO_PROCESS, 0, 19);
    attack->run(run);
    _exit(0);
}

static void run_attack(struct battlefield *field, struct trial *trial, unsigned seed)
{
    const struct attack *attack = trial->attack;
    int64_t duration = field->full ? attack->full_ms : attack->quick_ms;
    struct attack_run run = {.tls_port = field->gateway->tls_port,
                             .clear_port = field->gateway->clear_port,
                             .tls = trial->tls,
                             .full = field->full,
                             .seed = seed,
                             .until_ms = now_ms() + duration,
                             .gateway = field->gateway->pid,
                             .tally = field->tally};
    int64_t least = now_ms() + DURING_MIN_MS;
    pid_t parent = getpid(), pid;
    int status;

    memset(field->tally, 0, sizeof(*field->tally));
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        fixture_fail("fork failed");
    if (pid == 0)
        be_attacker(&run, attack, parent);
    if (!child_wait(pid, deadline_in(duration + OVERTIME_MS), &status)) {
        kill(pid, SIGKILL);
        child_wait(pid, deadline_in(5000), &status);
        verdict(trial, "stuck", "the attack did not end");
    } else if (status != 0) {
        verdict(trial, "attacker", "the attacker's process ended with 0x%x", (unsigned)status);
    }
    while (now_ms() < least)
        sleep_ms(10);
    trial->tally = *field->tally;
}

/* A new client is served. */
static bool is_served(const struct battlefield *field)
{
    struct attack_target target = {.port = field->gateway->tls_port, .tls = true, .alpn = "h2"};
    int64_t deadline = deadline_in(PROBE_MS);
    bool served = false;

    while (!served && now_ms() < deadline) {
        struct attack_peer *peer = attack_open(&target);
        struct h2_frame frame;
        if (peer == NULL)
            continue;
        h2_put_hello(peer, H2_WINDOW_MAX);
        h2_put_get(peer, 1, HONEST_PATH);
        attack_flush(peer, 1000);
        while (!served && now_ms() < deadline && h2_next_frame(peer, &frame, 1000))
            served = frame.type == H2_DATA && frame.len != 0;
        attack_close(peer);
    }
    return served;
}

static bool is_alive(struct battlefield *field, struct trial *trial)
{
    int status;

    if (!child_wait(field->gateway->pid, 0, &status))
        return true;
    field->gateway->pid = 0;
    if (WIFSIGNALED(status))
        verdict(trial, "DEAD", "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        verdict(trial, "DEAD", "exit code %d", WEXITSTATUS(status));
    return false;
}

static unsigned settle_fds(const struct battlefield *field, unsigned wanted)
{
    int64_t deadline = deadline_in(SETTLE_MS);
    unsigned fds;

    while ((fds = gateway_fd_count(field->gateway)) > wanted && now_ms() < deadline)
        sleep_ms(20);
    return fds;
}

static bool is_within(size_t memory, size_t before)
{
    return (double)memory <= (double)before * (1 + MEMORY_SLACK);
}

static size_t settle_memory(const struct battlefield *field, size_t before)
{
    int64_t deadline = deadline_in(MEMORY_SETTLE_MS);
    size_t memory;

    while (!is_within(memory = gateway_rss_bytes(field->gateway), before) && now_ms() < deadline)
        sleep_ms(50);
    return memory;
}

/* All subscriptions ever made at the broker. */
static uint64_t count_subscriptions(const struct battlefield *field)
{
    static const char key[] = "\"num_inserts\": ";
    char *text = broker_monitor_get(nats_fixture_monitor_port(field->nats), "/subsz");
    const char *at = text != NULL ? strstr(text, key) : NULL;
    uint64_t count = at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;

    free(text);
    return count;
}

static void judge_latency(struct trial *trial)
{
    double allowed = trial->before.p99_ms * LATENCY_FACTOR;

    if (allowed < LATENCY_FLOOR_MS)
        allowed = LATENCY_FLOOR_MS;
    if (trial->during.p99_ms > allowed)
        verdict(trial, "late", "p99 %.1f ms, allowed %.1f", trial->during.p99_ms, allowed);
}

static void judge_connections(const struct battlefield *field, struct trial *trial)
{
    const struct tally *tally = &trial->tally;

    if (tally->failure[0] != '\0')
        verdict(trial, "wrong", "%s", tally->failure);
    if (tally->connections == 0)
        verdict(trial, "wrong", "no connection was made");
    if (field->publish) /* a client that publishes may send much more; its effect on others is still judged */
        return;
    if (trial->attack->end == ATTACK_KILLED && tally->killed < tally->connections)
        verdict(trial, "open", "%llu of %llu connections were not ended",
                (unsigned long long)(tally->connections - tally->killed), (unsigned long long)tally->connections);
    if (trial->attack->end == ATTACK_SURVIVES && tally->killed != 0)
        verdict(trial, "cut", "%llu of %llu connections were ended", (unsigned long long)tally->killed,
                (unsigned long long)tally->connections);
}

static void judge_shutdown(struct battlefield *field, struct trial *trial)
{
    int code = gateway_wait_exit(field->gateway);

    if (code != 0)
        verdict(trial, "DEAD", "%s", code == -1 ? "the gateway does not end" : "the gateway ended badly");
}

/*
 * Memory that the allocator keeps is no leak: a leak grows with each round,
 * while the allocator finds its size in one or two.
 */
static void judge_memory(struct battlefield *field, struct trial *trial, unsigned seed)
{
    size_t memory = settle_memory(field, trial->memory_before);
    bool grows = !is_within(memory, trial->memory_before);

    trial->memory_after = memory;
    for (unsigned round = 1; grows && round <= MORE_ROUNDS; round++) {
        struct trial again = {.attack = trial->attack, .tls = trial->tls};
        run_attack(field, &again, seed + round);
        if (!is_alive(field, trial))
            return;
        settle_fds(field, trial->fds_before);
        trial->memory_again = settle_memory(field, memory);
        grows = trial->memory_again > memory + memory / 50 + ROUND_SLACK;
        memory = trial->memory_again;
    }
    if (grows)
        verdict(trial, "memory", "%zu KB, %zu after the attack, %zu after %d more", trial->memory_before / 1024,
                trial->memory_after / 1024, trial->memory_again / 1024, MORE_ROUNDS);
    trial->lost += honest_lost(field->honest);
}

static void judge_survivor(struct battlefield *field, struct trial *trial, unsigned seed)
{
    trial->lost = honest_lost(field->honest);
    if (!is_served(field))
        verdict(trial, "DEAD", "new clients are not served");
    judge_connections(field, trial);
    trial->fds_after = settle_fds(field, trial->fds_before);
    if (trial->fds_after > trial->fds_before)
        verdict(trial, "leak", "%u descriptors, %u before", trial->fds_after, trial->fds_before);
    judge_memory(field, trial, seed);
    if (field->gateway->pid == 0)
        return;
    if (trial->subscriptions > SUBSCRIPTIONS_MAX)
        verdict(trial, "broker", "%llu subscriptions", (unsigned long long)trial->subscriptions);
    if (trial->lost != 0)
        verdict(trial, "LOST", "%llu events", (unsigned long long)trial->lost);
    judge_latency(trial);
}

/* In a quick run before the first attack on a gateway, and before one is tried again because the streams were late. */
static void measure_calm(struct battlefield *field)
{
    if (field->has_calm && !field->full)
        return;
    honest_measure(field->honest);
    sleep_ms(field->full ? 1500 : 300);
    field->calm = honest_measured(field->honest);
    field->has_calm = true;
}

struct trial battlefield_try(struct battlefield *field, const struct attack *attack, bool tls, unsigned seed)
{
    struct trial trial = {.attack = attack, .tls = tls};

    if (field->gateway == NULL)
        fight_on(field);
    trial.fds_before = gateway_fd_count(field->gateway);
    trial.memory_before = gateway_rss_bytes(field->gateway);
    measure_calm(field);
    trial.before = field->calm;
    trial.subscriptions = count_subscriptions(field);
    honest_measure(field->honest);
    run_attack(field, &trial, seed);
    trial.during = honest_measured(field->honest);
    trial.subscriptions = count_subscriptions(field) - trial.subscriptions;
    if (attack->ends_gateway) {
        judge_shutdown(field, &trial);
        judge_connections(field, &trial);
        retreat(field);
    } else if (is_alive(field, &trial)) {
        judge_survivor(field, &trial, seed);
    }
    if (field->gateway != NULL && (field->gateway->pid == 0 || (trial.verdict != NULL && !trial.only_late))) {
        if (getenv("ATTACK_LOG") != NULL)
            gateway_show_logs();
        retreat(field);
    }
    field->has_calm = field->gateway != NULL && !trial.only_late;
    if (trial.verdict == NULL)
        trial.verdict = "ok";
    return trial;
}
