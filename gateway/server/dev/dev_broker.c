/* dev_broker.c - the private nats-server of --dev */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/dev/dev_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
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

#define READY_TIMEOUT_NS (10 * INT64_C(1000000000))
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 5000
#define HEALTHY_NS (10 * INT64_C(1000000000)) /* who lived so long starts with a short back-off again */

struct dev_broker {
    char program[PATH_MAX];
    char directory[64];
    char log_path[96];
    char url[64];
    int port; /* -1 until the server has chosen one */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready, failed, stop; /* under lock */
    pid_t pid;                /* under lock; 0: none */
};

static bool find_program(char path[PATH_MAX])
{
    const char *search = getenv("PATH");
    /* Debian puts it into /usr/sbin, which isn't in every user's PATH. */
    char *folders = NULL, *next, *folder;
    bool found = false;
    if (asprintf(&folders, "%s:/usr/sbin:/usr/local/sbin", search != NULL ? search : "/usr/bin") < 0)
        return false;
    next = folders;
    while (!found && (folder = strsep(&next, ":")) != NULL) {
        int len = snprintf(path, PATH_MAX, "%s/nats-server", folder);
        found = folder[0] == '/' && len > 0 && len < PATH_MAX && access(path, X_OK) == 0;
    }
    free(folders);
    return found;
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

/* The last line the server logged, which says why it went. */
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

/* In the child, between fork and exec: only what is safe in a copy of a process with threads. */
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
        /* Both outputs: what it says before it has its log is why it doesn't start. */
        for (int fd = 1; fd <= 2; ++fd)
            dup2(log_fd, fd);
        execv(arguments[0], arguments);
    }
    for (;;)
        raise(SIGKILL);
}

static pid_t spawn(struct dev_broker *broker)
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
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return false;
}

/* The pid is known to dev_broker_stop exactly as long as it is this child's. */
static void set_pid(struct dev_broker *broker, pid_t pid)
{
    pthread_mutex_lock(&broker->lock);
    broker->pid = pid;
    if (pid > 0 && broker->stop)
        kill(pid, SIGKILL);
    pthread_mutex_unlock(&broker->lock);
}

/* Runs one child to its end. */
static void run_once(struct dev_broker *broker, bool first)
{
    siginfo_t info = {.si_pid = 0};
    pid_t pid = spawn(broker);
    if (pid < 0)
        return;
    set_pid(broker, pid);
    bool ready = await_ready(broker, pid);
    if (ready) {
        if (first)
            snprintf(broker->url, sizeof(broker->url), "nats://127.0.0.1:%d", broker->port);
        log_write(LOG_INFO, first ? "dev-broker-started" : "dev-broker-restarted", log_str("url", broker->url),
                  log_i64("pid", pid), log_str("directory", broker->directory));
        pthread_mutex_lock(&broker->lock);
        broker->ready = true;
        pthread_cond_broadcast(&broker->changed);
        pthread_mutex_unlock(&broker->lock);
    } else {
        kill(pid, SIGKILL);
    }
    /* Not reaped yet: until set_pid has forgotten the number, nobody else can have it. */
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    set_pid(broker, 0);
    waitpid(pid, NULL, 0);
}

static bool wait_for_stop(struct dev_broker *broker, int64_t ms)
{
    int64_t deadline_ns = clock_mono_ns() + ms * INT64_C(1000000);
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    int result = 0;
    pthread_mutex_lock(&broker->lock);
    while (!broker->stop && result == 0)
        result = pthread_cond_timedwait(&broker->changed, &broker->lock, &deadline);
    bool stop = broker->stop;
    pthread_mutex_unlock(&broker->lock);
    return stop;
}

/* The child dies with the thread that forked it, so this thread lives as long as the broker. */
static void *supervise(void *arg)
{
    struct dev_broker *broker = arg;
    int64_t back_off_ms = RESTART_MIN_MS;
    bool first = true;
    for (;;) {
        int64_t began_ns = clock_mono_ns();
        run_once(broker, first);
        first = false;
        pthread_mutex_lock(&broker->lock);
        bool over = broker->stop || !broker->ready;
        broker->failed = !broker->ready;
        pthread_cond_broadcast(&broker->changed);
        pthread_mutex_unlock(&broker->lock);
        if (over)
            return NULL;
        char line[256];
        last_log_line(broker, line, sizeof(line));
        if (clock_mono_ns() - began_ns > HEALTHY_NS)
            back_off_ms = RESTART_MIN_MS;
        log_write(LOG_WARN, "dev-broker-died", log_str("log", line), log_i64("restart_ms", back_off_ms));
        if (wait_for_stop(broker, back_off_ms))
            return NULL;
        back_off_ms = back_off_ms * 2 < RESTART_MAX_MS ? back_off_ms * 2 : RESTART_MAX_MS;
    }
}

static void destroy(struct dev_broker *broker)
{
    if (broker->directory[0] != '\0')
        remove_directory(broker->directory);
    pthread_cond_destroy(&broker->changed);
    pthread_mutex_destroy(&broker->lock);
    free(broker);
}

static struct dev_broker *create(char *error, size_t error_size)
{
    struct dev_broker *broker = check_calloc(1, sizeof(*broker));
    pthread_condattr_t attributes;
    const char *folder = getenv("TMPDIR");
    broker->port = -1;
    CHECK(pthread_mutex_init(&broker->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&broker->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    if (!find_program(broker->program)) {
        snprintf(error, error_size, "--dev needs nats-server, which isn't installed: apt-get install nats-server");
        destroy(broker);
        return NULL;
    }
    if (folder == NULL || strlen(folder) > 32)
        folder = "/tmp";
    snprintf(broker->directory, sizeof(broker->directory), "%s/freshet-dev-XXXXXX", folder);
    if (mkdtemp(broker->directory) == NULL) {
        snprintf(error, error_size, "%s: %s", broker->directory, strerror(errno));
        broker->directory[0] = '\0';
        destroy(broker);
        return NULL;
    }
    snprintf(broker->log_path, sizeof(broker->log_path), "%s/nats-server.log", broker->directory);
    return broker;
}

struct dev_broker *dev_broker_start(char *error, size_t error_size)
{
    struct dev_broker *broker = create(error, error_size);
    sigset_t all, before;
    if (broker == NULL)
        return NULL;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&broker->thread, NULL, supervise, broker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        snprintf(error, error_size, "no thread for nats-server");
        destroy(broker);
        return NULL;
    }
    pthread_mutex_lock(&broker->lock);
    while (!broker->ready && !broker->failed)
        pthread_cond_wait(&broker->changed, &broker->lock);
    bool ready = broker->ready;
    pthread_mutex_unlock(&broker->lock);
    if (ready)
        return broker;
    char line[256];
    pthread_join(broker->thread, NULL);
    last_log_line(broker, line, sizeof(line));
    snprintf(error, error_size, "%s does not start: %s", broker->program, line[0] != '\0' ? line : "it logged nothing");
    destroy(broker);
    return NULL;
}

const char *dev_broker_url(const struct dev_broker *broker)
{
    return broker->url;
}

pid_t dev_broker_pid(struct dev_broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    pid_t pid = broker->pid;
    pthread_mutex_unlock(&broker->lock);
    return pid;
}

void dev_broker_stop(struct dev_broker *broker)
{
    if (broker == NULL)
        return;
    pthread_mutex_lock(&broker->lock);
    broker->stop = true;
    /* Its store goes with it: there is nothing to shut down in order. */
    if (broker->pid > 0)
        kill(broker->pid, SIGKILL);
    pthread_cond_broadcast(&broker->changed);
    pthread_mutex_unlock(&broker->lock);
    pthread_join(broker->thread, NULL);
    destroy(broker);
}
