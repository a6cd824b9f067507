/* main.c - freshet-load: opens streams, measures what arrives, verifies all of it */
/* SPDX-License-Identifier: MIT */
#include "bench/load/load.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 5

struct run {
    struct options options;
    struct control control;
    struct engine *engines;
    struct report report;
    SSL_CTX *tls;
    int64_t started_ns, window_from_ns, progress_ns;
    double client_from_s, server_from_s;
    uint64_t events_from, bytes_from, frames_from, progress_events;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static SSL_CTX *make_tls(void)
{
    static const unsigned char alpn[] = "\2h2";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL)
        tool_die("no TLS");
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1);
    /* Several records to a read(2): otherwise OpenSSL makes two system calls for each record. */
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
    return ctx;
}

static uint64_t sum(const struct run *run, size_t offset)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < run->options.threads; ++i)
        n += atomic_load_explicit((const _Atomic uint64_t *)(const void *)((const char *)&run->engines[i] + offset),
                                  memory_order_relaxed);
    return n;
}
#define SUM(run, member) sum(run, offsetof(struct engine, member))

static void progress(struct run *run)
{
    int64_t now = tool_now_ns();
    if (!run->options.progress || now - run->progress_ns < 1000000000)
        return;
    uint64_t events = SUM(run, shown_events);
    double seconds = (double)(now - run->progress_ns) / 1e9;
    fprintf(stderr, "%6.1f s  %" PRIu64 " streams  %.0f events/s\n", (double)(now - run->started_ns) / 1e9,
            atomic_load(&run->control.ready), (double)(events - run->progress_events) / seconds);
    run->progress_events = events;
    run->progress_ns = now;
}

/* Sleeps until then, or until a signal. */
static void wait_until(struct run *run, int64_t until_ns)
{
    while (!interrupted && tool_now_ns() < until_ns) {
        poll(NULL, 0, POLL_MS);
        progress(run);
    }
}

static void wait_ready(struct run *run)
{
    uint64_t wanted = (uint64_t)run->options.connections * run->options.streams, ready, failed;
    int64_t deadline = run->started_ns + (int64_t)(run->options.ready_timeout_s * 1e9);
    do {
        poll(NULL, 0, 1);
        ready = atomic_load(&run->control.ready);
        failed = atomic_load(&run->control.failed);
        progress(run);
    } while (!interrupted && ready + failed < wanted && tool_now_ns() < deadline);
    run->report.ready_s = (double)(tool_now_ns() - run->started_ns) / 1e9;
    run->report.streams_ready = ready;
    run->report.server_ready = tool_usage_of(&run->options.servers);
    if (!interrupted && ready < wanted) {
        tool_warn("only %" PRIu64 " of %" PRIu64 " streams are open", ready, wanted);
        run->report.behind = wanted - ready;
        run->report.expect_checked = true;
    }
    printf("ready %" PRIu64 "\n", ready);
    fflush(stdout);
}

static void window_begin(struct run *run)
{
    run->server_from_s = tool_cpu_s_of(&run->options.servers);
    run->client_from_s = tool_own_cpu_s();
    run->events_from = SUM(run, shown_events);
    run->bytes_from = SUM(run, shown_bytes);
    run->frames_from = SUM(run, shown_frames);
    run->window_from_ns = tool_now_ns();
    atomic_store(&run->control.measuring, true);
}

static void window_end(struct run *run)
{
    if (!atomic_exchange(&run->control.measuring, false))
        return;
    /* The clock and the counters first: reading the memory of a large process takes a while. */
    run->report.window_s = (double)(tool_now_ns() - run->window_from_ns) / 1e9;
    run->report.window_events = SUM(run, shown_events) - run->events_from;
    run->report.window_bytes = SUM(run, shown_bytes) - run->bytes_from;
    run->report.window_frames = SUM(run, shown_frames) - run->frames_from;
    run->report.window_client_cpu_s = tool_own_cpu_s() - run->client_from_s;
    run->report.window_server_cpu_s = tool_cpu_s_of(&run->options.servers) - run->server_from_s;
    run->report.server_end = tool_usage_of(&run->options.servers);
}

/* True once every stream has reached the sequence; gives up after the grace time. */
static bool wait_expected(struct run *run, uint64_t sequence)
{
    for (uint32_t i = 0; i < run->options.threads; ++i)
        atomic_store(&run->engines[i].behind, UINT32_MAX);
    atomic_store(&run->control.expect, (uint32_t)sequence);
    int64_t deadline = tool_now_ns() + (int64_t)(run->options.grace_s * 1e9);
    while (!interrupted && SUM(run, behind) != 0 && tool_now_ns() < deadline)
        wait_until(run, tool_now_ns() + POLL_MS * 1000000);
    run->report.expect_checked = true;
    return SUM(run, behind) == 0;
}

static void order_cut(struct run *run)
{
    unsigned order = atomic_fetch_add(&run->control.cuts, 1) + 1;
    for (uint32_t i = 0; i < run->options.threads; ++i) {
        while (!interrupted && atomic_load(&run->engines[i].cuts_done) != order)
            poll(NULL, 0, 1);
    }
}

static void order_resume(struct run *run)
{
    run->report.resume_ns = tool_now_ns();
    atomic_fetch_add(&run->control.resumes, 1);
}

static void run_by_clock(struct run *run)
{
    const struct options *o = &run->options;
    wait_until(run, tool_now_ns() + (int64_t)(o->warmup_s * 1e9));
    window_begin(run);
    if (o->cut_all_at_s > 0) {
        wait_until(run, run->window_from_ns + (int64_t)(o->cut_all_at_s * 1e9));
        order_cut(run);
        order_resume(run);
    }
    wait_until(run, run->window_from_ns + (int64_t)(o->duration_s * 1e9));
    window_end(run);
    if (o->expect != 0)
        wait_expected(run, o->expect);
}

/* False: the command ends the run. Each command is answered with one line when it is done. */
static bool obey(struct run *run, const char *command)
{
    if (strcmp(command, "measure") == 0) {
        window_begin(run);
        puts("measuring");
    } else if (strcmp(command, "end") == 0) {
        window_end(run);
        puts("ended");
    } else if (strcmp(command, "cut") == 0) {
        order_cut(run);
        puts("cut");
    } else if (strcmp(command, "resume") == 0) {
        order_resume(run);
        puts("resuming");
    } else if (strncmp(command, "expect ", 7) == 0) {
        puts(wait_expected(run, tool_number("expect", command + 7, 1, UINT32_MAX)) ? "complete" : "behind");
    } else if (strcmp(command, "stop") == 0) {
        return false;
    } else {
        printf("unknown command '%s'\n", command);
    }
    fflush(stdout);
    return true;
}

/* One command per line; the end of the input is a stop, so that we exit when the driver dies. */
static void run_by_commands(struct run *run)
{
    char line[256];
    size_t len = 0;
    while (!interrupted) {
        struct pollfd in = {.fd = 0, .events = POLLIN};
        progress(run);
        if (poll(&in, 1, 200) <= 0)
            continue;
        ssize_t n = read(0, line + len, sizeof(line) - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        line[len] = '\0';
        for (char *lf; (lf = strchr(line, '\n')) != NULL;) {
            *lf = '\0';
            if (!obey(run, line))
                return;
            len -= (size_t)(lf + 1 - line);
            memmove(line, lf + 1, len + 1);
        }
        if (len == sizeof(line) - 1)
            tool_die("a command is too long");
    }
}

static void start(struct run *run)
{
    struct options *o = &run->options;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* TLS read buffers come and go all the time: keep them on the heap. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    tool_need_files((uint64_t)o->connections + o->threads + 32);
    if (o->tls)
        run->tls = make_tls();
    run->report.options = o;
    run->report.server_before = tool_usage_of(&o->servers);
    run->engines = tool_calloc(o->threads, sizeof(*run->engines));
    for (uint32_t i = 0; i < o->threads; ++i)
        engine_init(&run->engines[i], o, &run->control, run->tls, i);
    run->started_ns = run->progress_ns = tool_now_ns();
    for (uint32_t i = 0; i < o->threads; ++i)
        engine_start(&run->engines[i]);
}

int main(int argc, char **argv)
{
    static struct run run;
    options_parse(&run.options, argc, argv);
    start(&run);
    wait_ready(&run);
    if (run.options.control)
        run_by_commands(&run);
    else if (!run.report.expect_checked)
        run_by_clock(&run);
    window_end(&run);
    atomic_store(&run.control.stopping, true);
    for (uint32_t i = 0; i < run.options.threads; ++i)
        engine_join(&run.engines[i]);
    if (atomic_load(&run.control.expect) != 0)
        run.report.behind = SUM(&run, behind);
    return report_write(&run.report, run.engines) ? 0 : 3;
}
