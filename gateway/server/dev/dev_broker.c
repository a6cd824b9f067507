/* dev_broker.c - the private nats-server of --dev */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/dev/dev_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"

#define READY_TIMEOUT_NS (10 * NS_PER_S)
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 5000
#define HEALTHY_NS (10 * NS_PER_S) /* a server that lived so long starts with a short back-off again */

_Static_assert(RESTART_MIN_MS < RESTART_MAX_MS, "the back-off grows");

struct dev_broker {
    char program[PATH_MAX];
    char directory[64];
    char log_path[96];
    char url[64];
    int port; /* -1 until the server has chosen one */
    pthread_t thread;
    struct lock lock;
    struct condition changed;
    bool is_ready, has_failed, is_stopping; /* under lock */
    pid_t pid;                              /* under lock; 0: none */
};

static bool find_program(char path[PATH_MAX])
{
    const char *search = getenv("PATH");
    /* Debian puts it into /usr/sbin, which isn't in every user's PATH. */
    char *folders = NULL, *next, *folder;
    bool is_found = false;
    if (asprintf(&folders, "%s:/usr/sbin:/usr/local/sbin", search != NULL ? search : "/usr/bin") < 0)
        return false;
    next = folders;
    while (!is_found && (folder = strsep(&next, ":")) != NULL) {
        /* Absolute ones only: an empty entry is the current folder, where anything may lie. */
        int len = snprintf(path, PATH_MAX, "%s/nats-server", folder);
        is_found = folder[0] == '/' && len > 0 && len < PATH_MAX && access(path, X_OK) == 0;
    }
    free(folders);
    return is_found;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

static void remove_directory(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The last line the server logged, which says why it ended. */
static void last_log_line(const struct dev_broker *broker, char *line, size_t size)
{
    char *text = NULL;
    size_t capacity = 0;
    line[0] = '\0';
    FILE *file = fopen(broker->log_path, "re");
    if (file == NULL)
        return;
    while (getline(&text, &capacity, file) >= 0) {
        text[strcspn(text, "\n")] = '\0';
        if (text[0] != '\0')
            snprintf(line, size, "%s", text);
    }
    free(text);
    fclose(file);
}

/* In the child, between fork and exec: only calls that are safe in a copy of a process with threads. */
_Noreturn static void become_server(char *const arguments[], int log_fd, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Ctrl-C is for the gateway, which then stops the broker in its turn. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The parent may have gone before it was asked for. */
    if (getppid() == parent) {
        /* Both outputs: before it has its log it says there why it does not start. */
        for (int fd = 1; fd <= 2; ++fd)
            dup2(log_fd, fd);
        execv(arguments[0], arguments);
    }
    for (;;)
        raise(SIGKILL);
}

static pid_t spawn_server(struct dev_broker *broker)
{
    char port[16], store[96];
    snprintf(port, sizeof(port), "%d", broker->port);
    snprintf(store, sizeof(store), "%s/jetstream", broker->directory);
    char *const arguments[] = {
        broker->program,   "-a", "127.0.0.1", "-p", port, "-js", "-sd", store, "--ports_file_dir",
        broker->directory, NULL,
    };
    int log_fd = open(broker->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return -1;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become_server(arguments, log_fd, parent);
    close(log_fd);
    return pid;
}

/* The server writes the file when it takes clients: {"nats":["nats://127.0.0.1:PORT"]}. */
static int read_port(const char *path)
{
    char text[512];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *list = strstr(text, "\"nats\"");
    const char *end = list != NULL ? strchr(list, ']') : NULL;
    if (end == NULL)
        return -1;
    while (end > list && *end != ':')
        --end;
    long port = strtol(end + 1, NULL, 10);
    return port > 0 && port <= 65535 ? (int)port : -1;
}

static bool has_exited(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) != 0 || info.si_pid != 0;
}

static bool await_ready(struct dev_broker *broker, pid_t pid)
{
    char path[160];
    int64_t deadline_ns = clock_mono_ns() + READY_TIMEOUT_NS;
    snprintf(path, sizeof(path), "%s/nats-server_%d.ports", broker->directory, (int)pid);
    while (!has_exited(pid) && clock_mono_ns() < deadline_ns) {
        int port = read_port(path);
        if (port > 0) {
            broker->port = port;
            unlink(path);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5 * NS_PER_MS}, NULL);
    }
    return false;
}

/* The pid is known to dev_broker_stop exactly as long as it is this child's. */
static void set_pid(struct dev_broker *broker, pid_t pid)
{
    lock_take(&broker->lock);
    broker->pid = pid;
    if (pid > 0 && broker->is_stopping) /* dev_broker_stop came while it was started */
        kill(pid, SIGKILL);
    lock_give(&broker->lock);
}

/* Runs one child to its end. */
static void run_server(struct dev_broker *broker, bool is_first)
{
    siginfo_t info = {.si_pid = 0};
    pid_t pid = spawn_server(broker);
    if (pid < 0)
        return;
    set_pid(broker, pid);
    bool is_ready = await_ready(broker, pid);
    if (is_ready) {
        if (is_first) /* later ones take the same port */
            snprintf(broker->url, sizeof(broker->url), "nats://127.0.0.1:%d", broker->port);
        log_write(LOG_INFO, is_first ? "dev-broker-started" : "dev-broker-restarted", log_str("url", broker->url),
                  log_i64("pid", pid), log_str("directory", broker->directory));
        lock_take(&broker->lock);
        broker->is_ready = true;
        condition_broadcast(&broker->changed);
        lock_give(&broker->lock);
    } else {
        kill(pid, SIGKILL);
    }
    /* Not reaped yet: until set_pid has forgotten the number, no other process can have it. */
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    set_pid(broker, 0);
    waitpid(pid, NULL, 0);
}

static bool wait_for_stop(struct dev_broker *broker, int64_t ms)
{
    int64_t deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
    lock_take(&broker->lock);
    while (!broker->is_stopping && condition_wait_until(&broker->changed, &broker->lock, deadline_ns))
        ;
    bool is_stopping = broker->is_stopping;
    lock_give(&broker->lock);
    return is_stopping;
}

/* The child dies with the thread that forked it, so this thread lives as long as the broker. */
static void *supervise_server(void *arg)
{
    struct dev_broker *broker = arg;
    int64_t back_off_ms = RESTART_MIN_MS;
    bool is_first = true;
    for (;;) {
        int64_t began_ns = clock_mono_ns();
        run_server(broker, is_first);
        is_first = false;
        lock_take(&broker->lock);
        bool is_over = broker->is_stopping || !broker->is_ready;
        broker->has_failed = !broker->is_ready;
        condition_broadcast(&broker->changed);
        lock_give(&broker->lock);
        if (is_over)
            return NULL;
        char line[256];
        last_log_line(broker, line, sizeof(line));
        /* a crash after a healthy life is no crash loop */
        if (clock_mono_ns() - began_ns > HEALTHY_NS)
            back_off_ms = RESTART_MIN_MS;
        log_write(LOG_WARN, "dev-broker-died", log_str("log", line), log_i64("restart_ms", back_off_ms));
        if (wait_for_stop(broker, back_off_ms))
            return NULL;
        back_off_ms = back_off_ms * 2 < RESTART_MAX_MS ? back_off_ms * 2 : RESTART_MAX_MS;
    }
}

static void destroy_broker(struct dev_broker *broker)
{
    if (broker->directory[0] != '\0')
        remove_directory(broker->directory);
    condition_dispose(&broker->changed);
    lock_dispose(&broker->lock);
    free(broker);
}

static struct dev_broker *create_broker(char *error, size_t error_size)
{
    struct dev_broker *broker = check_calloc(1, sizeof(*broker));
    const char *folder = getenv("TMPDIR");
    broker->port = -1;
    lock_init(&broker->lock);
    condition_init(&broker->changed);
    if (!find_program(broker->program)) {
        snprintf(error, error_size, "--dev needs nats-server, which is not installed: apt-get install nats-server");
        destroy_broker(broker);
        return NULL;
    }
    if (folder == NULL || strlen(folder) > 32) /* its name has to fit, with the longest file in it */
        folder = "/tmp";
    snprintf(broker->directory, sizeof(broker->directory), "%s/freshet-dev-XXXXXX", folder);
    if (mkdtemp(broker->directory) == NULL) {
        snprintf(error, error_size, "%s: %s", broker->directory, strerror(errno));
        broker->directory[0] = '\0';
        destroy_broker(broker);
        return NULL;
    }
    snprintf(broker->log_path, sizeof(broker->log_path), "%s/nats-server.log", broker->directory);
    return broker;
}

struct dev_broker *dev_broker_start(char *error, size_t error_size)
{
    struct dev_broker *broker = create_broker(error, error_size);
    if (broker == NULL)
        return NULL;
    if (!thread_start(&broker->thread, "dev-broker", 0, supervise_server, broker)) {
        snprintf(error, error_size, "cannot start a thread for nats-server");
        destroy_broker(broker);
        return NULL;
    }
    lock_take(&broker->lock);
    while (!broker->is_ready && !broker->has_failed)
        condition_wait(&broker->changed, &broker->lock);
    bool is_ready = broker->is_ready;
    lock_give(&broker->lock);
    if (is_ready)
        return broker;
    char line[256];
    thread_join(broker->thread);
    last_log_line(broker, line, sizeof(line));
    snprintf(error, error_size, "%s does not start: %s", broker->program, line[0] != '\0' ? line : "it logged nothing");
    destroy_broker(broker);
    return NULL;
}

const char *dev_broker_url(const struct dev_broker *broker)
{
    return broker->url;
}

pid_t dev_broker_pid(struct dev_broker *broker)
{
    lock_take(&broker->lock);
    pid_t pid = broker->pid;
    lock_give(&broker->lock);
    return pid;
}

void dev_broker_stop(struct dev_broker *broker)
{
    if (broker == NULL)
        return;
    lock_take(&broker->lock);
    broker->is_stopping = true;
    /* Its store goes with it: there is nothing to shut down in order. */
    if (broker->pid > 0)
        kill(broker->pid, SIGKILL);
    condition_broadcast(&broker->changed);
    lock_give(&broker->lock);
    thread_join(broker->thread);
    destroy_broker(broker);
}
