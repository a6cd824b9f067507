/* nats_fixture.c - a real nats-server of a test's own, on a free loopback port */
/* SPDX-License-Identifier: MIT */
#include "tests/support/nats_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_TIMEOUT_MS 20000

struct nats_fixture {
    char directory[64];
    char url[64];
    int port; /* -1 until the server has chosen */
    int monitor_port;
    int has_config;
    unsigned stores; /* how many it has left behind */
    pid_t pid;       /* 0: not running */
    pid_t cleaner;
    int reserved[2]; /* sockets that keep the ports while no server runs */
    int cleaner_fd;  /* the cleaner removes the directory when this end closes, even if we crash */
};

static void sleep_ms(long ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

static void path_of(const struct nats_fixture *fixture, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", fixture->directory, name);
}

void nats_fixture_show_log(const struct nats_fixture *fixture)
{
    char path[PATH_MAX], line[1024];
    path_of(fixture, "log", path);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        fprintf(stderr, "nats-server: %s", line);
    fclose(file);
}

/* A shell of its own, so that the directory goes even if the test is killed. */
static int start_cleaner(struct nats_fixture *fixture)
{
    /* The dying server may still write for a moment, hence the repetition. */
    static const char script[] = "trap '' INT TERM HUP; read -r line; "
                                 "for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$0\" 2>/dev/null && exit; sleep 0.1; done";
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    fixture->cleaner = fork();
    if (fixture->cleaner == 0) {
        dup2(ends[0], STDIN_FILENO);
        execl("/bin/sh", "sh", "-c", script, fixture->directory, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    fixture->cleaner_fd = ends[1];
    return fixture->cleaner > 0 ? 0 : -1;
}

static int write_config(struct nats_fixture *fixture, const char *config)
{
    char path[PATH_MAX];
    fixture->has_config = config != NULL;
    if (config == NULL)
        return 0;
    path_of(fixture, "server.conf", path);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -1;
    fputs(config, file);
    return fclose(file);
}

static void exec_server(const struct nats_fixture *fixture, pid_t parent)
{
    char port[16], monitor_port[16], name[32], log[PATH_MAX], store[PATH_MAX], config[PATH_MAX];
    snprintf(port, sizeof(port), "%d", fixture->port);
    snprintf(monitor_port, sizeof(monitor_port), "%d", fixture->monitor_port);
    path_of(fixture, "log", log);
    snprintf(name, sizeof(name), "store.%u", fixture->stores);
    path_of(fixture, name, store);
    path_of(fixture, "server.conf", config);
    const char *arguments[] = {"nats-server",
                               "-a",
                               "127.0.0.1",
                               "-p",
                               port,
                               "-m",
                               monitor_port,
                               "-js",
                               "-sd",
                               store,
                               "-l",
                               log,
                               "--ports_file_dir",
                               fixture->directory,
                               fixture->has_config ? "-c" : NULL,
                               config,
                               NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    execvp("nats-server", (char *const *)(void *)arguments);
    /* Debian puts it into /usr/sbin, which isn't in every user's PATH. */
    execv("/usr/sbin/nats-server", (char *const *)(void *)arguments);
    _exit(127);
}

static int port_in(const char *text, const char *key)
{
    const char *list = strstr(text, key);
    const char *end = list != NULL ? strchr(list, ']') : NULL;
    if (end == NULL)
        return -1;
    while (end > list && *end != ':')
        end--;
    return (int)strtol(end + 1, NULL, 10);
}

/* The server writes its ports file when it takes clients; a half-written one is read again. */
static int read_ports(struct nats_fixture *fixture, const char *path)
{
    char text[512];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    if (strchr(text, '}') == NULL)
        return -1;
    int port = port_in(text, "\"nats\"");
    int monitor_port = port_in(text, "\"monitoring\"");
    if (port <= 0 || monitor_port <= 0)
        return -1;
    fixture->port = port;
    fixture->monitor_port = monitor_port;
    snprintf(fixture->url, sizeof(fixture->url), "nats://127.0.0.1:%d", port);
    return 0;
}

static int spawn(struct nats_fixture *fixture)
{
    char name[64], path[PATH_MAX];
    pid_t parent = getpid();
    fixture->pid = fork();
    if (fixture->pid == 0)
        exec_server(fixture, parent);
    if (fixture->pid < 0) {
        fixture->pid = 0;
        return -1;
    }
    snprintf(name, sizeof(name), "nats-server_%d.ports", (int)fixture->pid);
    path_of(fixture, name, path);
    for (int waited = 0; waited < READY_TIMEOUT_MS; waited += 5) {
        if (read_ports(fixture, path) == 0) {
            unlink(path);
            return 0;
        }
        if (waitpid(fixture->pid, NULL, WNOHANG) != 0) {
            fixture->pid = 0;
            return -1;
        }
        sleep_ms(5);
    }
    return -1;
}

struct nats_fixture *nats_fixture_start(const char *config)
{
    struct nats_fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return NULL;
    fixture->port = fixture->monitor_port = -1;
    fixture->reserved[0] = fixture->reserved[1] = fixture->cleaner_fd = -1;
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/freshet-test-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL || start_cleaner(fixture) != 0 || write_config(fixture, config) != 0 ||
        spawn(fixture) != 0) {
        fprintf(stderr, "nats_fixture: nats-server does not start (installed?): %s\n", strerror(errno));
        nats_fixture_show_log(fixture);
        nats_fixture_stop(fixture);
        return NULL;
    }
    return fixture;
}

const char *nats_fixture_url(const struct nats_fixture *fixture)
{
    return fixture->url;
}

int nats_fixture_port(const struct nats_fixture *fixture)
{
    return fixture->port;
}

int nats_fixture_monitor_port(const struct nats_fixture *fixture)
{
    return fixture->monitor_port;
}

const char *nats_fixture_directory(const struct nats_fixture *fixture)
{
    return fixture->directory;
}

/* Bound but not listening: no outgoing connection gets the port, and the server can still listen on it. */
static int reserve(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (port > 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void let_go(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void nats_fixture_kill(struct nats_fixture *fixture)
{
    if (fixture->pid == 0)
        return;
    kill(fixture->pid, SIGKILL);
    waitpid(fixture->pid, NULL, 0);
    fixture->pid = 0;
    let_go(&fixture->reserved[0]);
    let_go(&fixture->reserved[1]);
    fixture->reserved[0] = reserve(fixture->port);
    fixture->reserved[1] = reserve(fixture->monitor_port);
}

void nats_fixture_signal(struct nats_fixture *fixture, int signal)
{
    if (fixture->pid != 0)
        kill(fixture->pid, signal);
}

void nats_fixture_pause(struct nats_fixture *fixture)
{
    nats_fixture_signal(fixture, SIGSTOP);
    /* it stops a moment after the signal is sent */
    if (fixture->pid != 0)
        waitpid(fixture->pid, NULL, WUNTRACED);
}

void nats_fixture_resume(struct nats_fixture *fixture)
{
    nats_fixture_signal(fixture, SIGCONT);
}

void nats_fixture_restart(struct nats_fixture *fixture)
{
    nats_fixture_kill(fixture);
    /* Another process may hold the port for a moment, as the local port of a connection. */
    for (int attempt = 0; attempt < 20; attempt++) {
        if (spawn(fixture) == 0)
            return;
        nats_fixture_kill(fixture);
        sleep_ms(100);
    }
    nats_fixture_show_log(fixture);
    abort();
}

void nats_fixture_restart_with(struct nats_fixture *fixture, const char *config)
{
    nats_fixture_kill(fixture);
    if (write_config(fixture, config) != 0)
        abort();
    nats_fixture_restart(fixture);
}

void nats_fixture_restart_empty(struct nats_fixture *fixture)
{
    nats_fixture_kill(fixture);
    fixture->stores++;
    nats_fixture_restart(fixture);
}

void nats_fixture_stop(struct nats_fixture *fixture)
{
    if (fixture == NULL)
        return;
    nats_fixture_kill(fixture);
    let_go(&fixture->reserved[0]);
    let_go(&fixture->reserved[1]);
    if (fixture->cleaner_fd >= 0)
        close(fixture->cleaner_fd);
    if (fixture->cleaner > 0)
        waitpid(fixture->cleaner, NULL, 0);
    free(fixture);
}
