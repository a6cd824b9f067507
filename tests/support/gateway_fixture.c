/* gateway_fixture.c - the freshet binary itself, started for a test on free loopback ports */
/* SPDX-License-Identifier: MIT */
#include "tests/support/gateway_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/sandbox.h"

#ifndef FRESHET_BINARY
#define FRESHET_BINARY "build/bin/freshet"
#endif
#ifndef FRESHET_SOURCE_DIR
#define FRESHET_SOURCE_DIR "."
#endif
#define GATEWAYS_MAX 8

static struct gateway *alive[GATEWAYS_MAX];

/* For gateways built with AddressSanitizer: known leaks of the client library are not reported. */
static void allow_known_leaks(void)
{
    setenv("LSAN_OPTIONS", "suppressions=" FRESHET_SOURCE_DIR "/tests/support/lsan.supp:print_suppressions=0", 0);
}

const char *gateway_binary(void)
{
    const char *binary = getenv("FRESHET_BINARY");

    allow_known_leaks();
    return binary != NULL && *binary != '\0' ? binary : FRESHET_BINARY;
}

static void write_config(const struct gateway *gateway)
{
    const char *drain = strstr(gateway->yaml, "drain:") == NULL ? "drain: {window: 0, timeout: 2s}\n" : "";
    char *text = text_format("workers: %u\n"
                             "listen:\n"
                             "  - address: \"127.0.0.1:%u\"\n"
                             "    certificate: %s\n"
                             "    key: %s\n"
                             "  - address: \"127.0.0.1:%u\"\n%s"
                             "nats:\n%s%s%s",
                             gateway->workers, gateway->tls_port, sandbox_certificate(), sandbox_key(),
                             gateway->clear_port, gateway->listen_lines, gateway->nats_lines, drain, gateway->yaml);

    sandbox_write(gateway->config_path, text);
    free(text);
}

/* Reads the port of a "listening" line: `… listening address=127.0.0.1:PORT tls=true`. */
static uint16_t listening_port(const char *log, const char *tls)
{
    const char *line, *end, *at;
    size_t len = strlen(tls);

    for (line = log; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        const char *event = strstr(line, " listening ");
        const char *flag = event != NULL ? strstr(event, tls) : NULL;
        if (flag == NULL || flag > end || (flag[len] != ' ' && flag[len] != '\n'))
            continue;
        at = strstr(event, "address=127.0.0.1:");
        if (at != NULL && at < end)
            return (uint16_t)strtoul(at + strlen("address=127.0.0.1:"), NULL, 10);
    }
    return 0;
}

uint16_t gateway_port(const struct gateway *gateway, unsigned n)
{
    char *log = gateway_log(gateway);
    const char *at = log, *port = NULL;

    for (unsigned i = 0; i <= n && at != NULL; i++) {
        at = strstr(at, " listening address=");
        if (at != NULL)
            port = strstr(at++, " tls=");
    }
    if (at == NULL || port == NULL)
        fixture_fail("the gateway has no listener %u", n);
    while (port[-1] != ':')
        port--;
    n = (unsigned)strtoul(port, NULL, 10);
    free(log);
    return (uint16_t)n;
}

/* The port of `… admin address=127.0.0.1:PORT`, 0 until the line is there. */
static uint16_t admin_port(const char *log)
{
    static const char line[] = " admin address=127.0.0.1:";
    const char *at = strstr(log, line), *port = at != NULL ? at + strlen(line) : NULL;

    /* half a line may hold half a port */
    return port != NULL && strchr(port, '\n') != NULL ? (uint16_t)strtoul(port, NULL, 10) : 0;
}

static bool has_event(const char *log, const char *event)
{
    char *with_fields = text_format(" %s ", event), *alone = text_format(" %s\n", event);
    bool found = strstr(log, with_fields) != NULL || strstr(log, alone) != NULL;

    free(with_fields);
    free(alone);
    return found;
}

static void spawn(struct gateway *gateway)
{
    char *argv[] = {(char *)(uintptr_t)gateway_binary(), "--config", gateway->config_path, NULL};

    if (truncate(gateway->log_path, 0) != 0 && access(gateway->log_path, F_OK) == 0)
        fixture_fail("%s: cannot be truncated", gateway->log_path);
    gateway->pid = child_start_with(argv, gateway->log_path, gateway->log_path, gateway->sockets,
                                    gateway->sockets != NULL ? 2 : 0);
}

/* Another process may hold its former port for a moment, as the local port of a connection. */
static bool try_again(struct gateway *gateway, int64_t deadline)
{
    char *log = gateway_log(gateway);
    bool is_taken = strstr(log, "Address already in use") != NULL && now_ms() < deadline;

    free(log);
    if (is_taken) {
        sleep_ms(100);
        spawn(gateway);
    }
    return is_taken;
}

static void launch(struct gateway *gateway, bool until_ready)
{
    int64_t deadline = deadline_in(10000);
    bool has_admin = strstr(gateway->yaml, "admin:") != NULL;

    write_config(gateway);
    spawn(gateway);
    for (;;) {
        char *log = gateway_log(gateway);
        int status;
        gateway->tls_port = listening_port(log, "tls=true");
        gateway->clear_port = listening_port(log, "tls=false");
        gateway->admin_port = admin_port(log);
        if (gateway->tls_port != 0 && gateway->clear_port != 0 && (!has_admin || gateway->admin_port != 0) &&
            (!until_ready || (has_event(log, "ready") && has_event(log, "nats-connected")))) {
            free(log);
            return;
        }
        free(log);
        if (child_wait(gateway->pid, 0, &status) && !try_again(gateway, deadline)) {
            gateway_show_logs();
            fixture_fail("the gateway ended while starting (wait status 0x%x)", (unsigned)status);
        }
        if (now_ms() > deadline) {
            gateway_show_logs();
            fixture_fail("the gateway did not become ready");
        }
        sleep_ms(2);
    }
}

static uint16_t port_of(int listening)
{
    struct sockaddr_in address = {.sin_port = 0};
    socklen_t len = sizeof(address);

    if (getsockname(listening, (struct sockaddr *)&address, &len) != 0)
        fixture_fail("the socket has no address");
    return ntohs(address.sin_port);
}

static struct gateway *create(const struct gateway_options *options)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    size_t i;

    if (gateway == NULL)
        fixture_fail("out of memory");
    gateway->workers = options->workers != 0 ? options->workers : 1;
    gateway->nats_lines =
        text_format("  url: \"%s\"\n%s", options->nats_url, options->nats != NULL ? options->nats : "");
    gateway->listen_lines = text_format("%s", options->listen != NULL ? options->listen : "");
    gateway->yaml = text_format("%s", options->yaml);
    gateway->sockets = options->sockets;
    if (gateway->sockets != NULL) {
        gateway->tls_port = port_of(gateway->sockets[0]);
        gateway->clear_port = port_of(gateway->sockets[1]);
    }
    gateway->log_path = sandbox_path("gateway.log");
    gateway->config_path = sandbox_path("freshet.yaml");
    for (i = 0; i < GATEWAYS_MAX && alive[i] != NULL; i++)
        ;
    if (i == GATEWAYS_MAX)
        fixture_fail("too many gateways");
    alive[i] = gateway;
    return gateway;
}

struct gateway *gateway_start(const struct gateway_options *options)
{
    struct gateway *gateway = create(options);

    launch(gateway, true);
    return gateway;
}

struct gateway *gateway_start_listening(const struct gateway_options *options)
{
    struct gateway *gateway = create(options);

    launch(gateway, false);
    return gateway;
}

void gateway_restart(struct gateway *gateway)
{
    uint16_t tls_port = gateway->tls_port, clear_port = gateway->clear_port;

    launch(gateway, true);
    if (gateway->tls_port != tls_port || gateway->clear_port != clear_port)
        fixture_fail("the gateway came back on other ports");
}

static unsigned count_in_log(const struct gateway *gateway, const char *text)
{
    char *log = gateway_log(gateway);
    unsigned count = 0;

    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        count++;
    free(log);
    return count;
}

bool gateway_reload(struct gateway *gateway, const char *listen, const char *yaml)
{
    unsigned good = count_in_log(gateway, " reloaded "), bad = count_in_log(gateway, " reload-failed ");
    int64_t deadline = deadline_in(10000);

    free(gateway->yaml);
    gateway->yaml = text_format("%s", yaml);
    if (listen != NULL) {
        free(gateway->listen_lines);
        gateway->listen_lines = text_format("%s", listen);
    }
    write_config(gateway);
    kill(gateway->pid, SIGHUP);
    for (;;) {
        if (count_in_log(gateway, " reloaded ") != good)
            return true;
        if (count_in_log(gateway, " reload-failed ") != bad)
            return false;
        if (now_ms() > deadline) {
            gateway_show_logs();
            fixture_fail("the gateway did not say that it has reloaded");
        }
        sleep_ms(5);
    }
}

int gateway_wait_exit(struct gateway *gateway)
{
    int status = 0;

    if (!child_wait(gateway->pid, deadline_in(5000), &status)) {
        gateway_kill(gateway);
        return -1;
    }
    gateway->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int gateway_stop(struct gateway *gateway)
{
    kill(gateway->pid, SIGTERM);
    return gateway_wait_exit(gateway);
}

void gateway_kill(struct gateway *gateway)
{
    int status;

    kill(gateway->pid, SIGKILL);
    if (!child_wait(gateway->pid, deadline_in(10000), &status))
        fixture_fail("the gateway survived SIGKILL");
    gateway->pid = 0;
}

/* A sanitizer's finding in the gateway, or a leak at its end, fails the test, whatever it is about. */
static void judge_sanitizer(struct gateway *gateway)
{
    int code = gateway->pid != 0 ? gateway_stop(gateway) : 0;
    char *log = gateway_log(gateway);
    bool found = strstr(log, "Sanitizer") != NULL || strstr(log, "runtime error:") != NULL;

    free(log);
    if (found || code > 0) {
        gateway_show_logs();
        fixture_fail("the gateway ended with %d%s", code, found ? ", and its sanitizer has found something" : "");
    }
}

void gateway_destroy(struct gateway *gateway)
{
    size_t i;

    if (gateway == NULL)
        return;
    if (is_sanitizer_run())
        judge_sanitizer(gateway);
    if (gateway->pid != 0)
        gateway_kill(gateway);
    for (i = 0; i < GATEWAYS_MAX; i++)
        if (alive[i] == gateway)
            alive[i] = NULL;
    unlink(gateway->log_path);
    unlink(gateway->config_path);
    free(gateway->log_path);
    free(gateway->config_path);
    free(gateway->nats_lines);
    free(gateway->listen_lines);
    free(gateway->yaml);
    free(gateway);
}

char *gateway_log(const struct gateway *gateway)
{
    return sandbox_read(gateway->log_path);
}

bool gateway_wait_log(const struct gateway *gateway, const char *text, int64_t ms)
{
    int64_t deadline = deadline_in(ms);

    for (;;) {
        char *log = gateway_log(gateway);
        bool found = strstr(log, text) != NULL;
        free(log);
        if (found || now_ms() > deadline)
            return found;
        sleep_ms(5);
    }
}

void gateway_show_logs(void)
{
    size_t i;

    for (i = 0; i < GATEWAYS_MAX; i++) {
        if (alive[i] != NULL) {
            char *log = gateway_log(alive[i]);
            fprintf(stderr, "---- log of gateway %zu ----\n%s---- end ----\n", i, log);
            free(log);
        }
    }
}

size_t gateway_rss_bytes(const struct gateway *gateway)
{
    char *path = text_format("/proc/%d/statm", (int)gateway->pid);
    char *text = sandbox_read(path), *end;
    unsigned long pages;

    strtoul(text, &end, 10);
    pages = strtoul(end, NULL, 10);
    free(text);
    free(path);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

double gateway_cpu_seconds(const struct gateway *gateway)
{
    unsigned long user = 0, system = 0;
    char *path = text_format("/proc/%d/stat", (int)gateway->pid);
    char *text = sandbox_read(path);

    /* proc(5): after the name in brackets eleven fields, then the two times. */
    if (sscanf(text, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fixture_fail("%s can't be read", path);
    free(text);
    free(path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Counts the gateway's descriptors, and lists them in the file unless it is NULL. */
static unsigned list_fds(const struct gateway *gateway, FILE *file)
{
    char *path = text_format("/proc/%d/fd", (int)gateway->pid), target[256];
    DIR *d = opendir(path);
    struct dirent *entry;
    unsigned count = 0;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        ssize_t len = file != NULL ? readlinkat(dirfd(d), entry->d_name, target, sizeof(target)) : -1;
        count += entry->d_name[0] != '.';
        if (len > 0)
            fprintf(file, "descriptor %s: %.*s\n", entry->d_name, (int)len, target);
    }
    if (d != NULL)
        closedir(d);
    free(path);
    return count;
}

unsigned gateway_fd_count(const struct gateway *gateway)
{
    return list_fds(gateway, NULL);
}

unsigned gateway_fd_count_at_rest(const struct gateway *gateway)
{
    unsigned count = gateway_fd_count(gateway), now;

    for (int64_t since = now_ms(); now_ms() - since < 1000; sleep_ms(20)) {
        if ((now = gateway_fd_count(gateway)) == count)
            continue;
        count = now;
        since = now_ms();
    }
    return count;
}

void gateway_show_fds(const struct gateway *gateway)
{
    list_fds(gateway, stderr);
    fprintf(stderr, "TCP sockets on its ports, in hexadecimal (proc_net(5)):\n");
    char *path = text_format("/proc/%d/net/tcp", (int)gateway->pid), line[512];
    FILE *file = fopen(path, "r");
    char ports[2][8];

    snprintf(ports[0], sizeof(ports[0]), ":%04X ", gateway->tls_port);
    snprintf(ports[1], sizeof(ports[1]), ":%04X ", gateway->clear_port);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strstr(line, ports[0]) != NULL || strstr(line, ports[1]) != NULL)
            fputs(line, stderr);
    if (file != NULL)
        fclose(file);
    free(path);
}

struct run_result gateway_run(const char *const arguments[])
{
    const char *argv[16] = {gateway_binary()};
    char *out = sandbox_path("out.txt"), *err = sandbox_path("err.txt");
    struct run_result result = {.code = -1};
    int status;
    pid_t pid;
    size_t i;

    for (i = 0; i < 14 && arguments[i] != NULL; i++)
        argv[i + 1] = arguments[i];
    pid = child_start((char *const *)(uintptr_t)argv, out, err);
    if (child_wait(pid, deadline_in(10000), &status)) {
        result.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    } else {
        kill(pid, SIGKILL);
        child_wait(pid, deadline_in(10000), &status);
    }
    result.out = sandbox_read(out);
    result.err = sandbox_read(err);
    unlink(out);
    unlink(err);
    free(out);
    free(err);
    return result;
}

void run_result_dispose(struct run_result *result)
{
    free(result->out);
    free(result->err);
}
