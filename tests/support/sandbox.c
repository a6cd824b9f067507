/* sandbox.c - the temporary folder of one test process, deadlines and child processes */
/* SPDX-License-Identifier: MIT */
#include "tests/support/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[64];
static char certificate[96], key[96];

/*
 * nats.c (3.4) ends its garbage collector as soon as nats_CloseAndWait is called, and only then waits for its other
 * threads: memory that one of them releases after that is never freed. That is a race at the end of test programs only;
 * the gateway never closes the library, and its leak check has no such exception.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:natsMsg_create\n";
}

void fixture_fail(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("fixture: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    fflush(NULL);
    abort();
}

char *text_format_list(const char *format, va_list list)
{
    char *s;

    if (vasprintf(&s, format, list) < 0)
        fixture_fail("out of memory");
    return s;
}

char *text_format(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    char *s = text_format_list(format, ap);
    va_end(ap);
    return s;
}

char *text_replace(char *text, const char *from, const char *to)
{
    for (char *at = strstr(text, from); at != NULL;) {
        size_t before = (size_t)(at - text);
        char *next = text_format("%.*s%s%s", (int)before, text, to, at + strlen(from));

        free(text);
        text = next;
        at = strstr(text + before + strlen(to), from);
    }
    return text;
}

int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool is_sanitizer_run(void)
{
    return getenv("FRESHET_TIME_FACTOR") != NULL;
}

int64_t scaled_ms(int64_t ms)
{
    const char *factor = getenv("FRESHET_TIME_FACTOR");
    double f = factor != NULL ? strtod(factor, NULL) : 1;

    return (int64_t)((double)ms * (f >= 1 ? f : 1));
}

int64_t deadline_in(int64_t ms)
{
    return now_ms() + scaled_ms(ms);
}

void sleep_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

/*
 * It sees the end of the process as the end of a pipe whose other side only the
 * process holds. A shell, not a function of ours: a fork may catch other threads
 * in the middle of an allocation, and would wait for their lock for ever. It
 * prints each log before it removes it, has a session of its own and so gets no
 * terminal's signals, and tries again where a dying server still writes.
 */
static void start_cleaner(void)
{
    static const char script[] = "read -r line; "
                                 "find \"$0\" -name '*.log' -exec sh -c 'echo \"---- $1 of a test that did not end "
                                 "well ----\"; cat \"$1\"' - {} \\; >&2; "
                                 "for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$0\" 2>/dev/null && exit; sleep 0.1; done";
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        fixture_fail("pipe: %s", strerror(errno));
    pid = fork();
    if (pid < 0)
        fixture_fail("fork: %s", strerror(errno));
    if (pid == 0) {
        setsid();
        dup2(fds[0], 0);
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        execl("/bin/sh", "sh", "-c", script, dir, (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
}

const char *sandbox_dir(void)
{
    const char *tmp = getenv("TMPDIR");

    if (dir[0] == '\0') {
        int n = snprintf(dir, sizeof(dir), "%s/freshet-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (n < 0 || (size_t)n >= sizeof(dir))
            fixture_fail("TMPDIR is too long");
        if (mkdtemp(dir) == NULL)
            fixture_fail("%s: %s", dir, strerror(errno));
        start_cleaner();
    }
    return dir;
}

char *sandbox_path(const char *suffix)
{
    static unsigned counter;

    return text_format("%s/%u-%s", sandbox_dir(), counter++, suffix);
}

void sandbox_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        fixture_fail("%s: %s", path, strerror(errno));
}

void sandbox_replace(const char *path, const char *text)
{
    char *whole = text_format("%s.new", path);

    sandbox_write(whole, text);
    if (rename(whole, path) != 0)
        fixture_fail("%s: cannot be renamed", whole);
    free(whole);
}

char *sandbox_read(const char *path)
{
    size_t len = 0, cap = 4096;
    char *text = malloc(cap);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    while (text != NULL && fd >= 0 && (n = read(fd, text + len, cap - len - 1)) > 0) {
        len += (size_t)n;
        if (cap - len < 2)
            text = realloc(text, cap *= 2);
    }
    if (fd >= 0)
        close(fd);
    if (text == NULL)
        fixture_fail("out of memory");
    text[len] = '\0';
    return text;
}

static void make_certificate(void)
{
    char *log = sandbox_path("openssl.log");
    char *argv[] = {"openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
                    "-keyout",
                    key,
                    "-out",
                    certificate,
                    NULL};
    int status = -1;

    snprintf(certificate, sizeof(certificate), "%s/server.crt", sandbox_dir());
    snprintf(key, sizeof(key), "%s/server.key", sandbox_dir());
    if (!child_wait(child_start(argv, log, log), deadline_in(20000), &status) || status != 0)
        fixture_fail("openssl could not make a certificate");
    unlink(log);
    free(log);
}

const char *sandbox_certificate(void)
{
    if (certificate[0] == '\0')
        make_certificate();
    return certificate;
}

const char *sandbox_key(void)
{
    sandbox_certificate();
    return key;
}

static void redirect(const char *path, int fd)
{
    int file;

    if (path == NULL)
        return;
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
}

static void pass_sockets(const int *sockets, size_t count)
{
    char fds[32], pid[16];

    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        /* by way of a number that no other socket is moved to */
        int copy = fcntl(sockets[i], F_DUPFD_CLOEXEC, 3 + (int)count);
        if (copy < 0 || dup2(copy, 3 + (int)i) < 0)
            _exit(126);
    }
    snprintf(fds, sizeof(fds), "%zu", count);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_FDS", fds, 1);
    setenv("LISTEN_PID", pid, 1);
}

pid_t child_start(char *const argv[], const char *stdout_path, const char *stderr_path)
{
    return child_start_with(argv, stdout_path, stderr_path, NULL, 0);
}

pid_t child_start_with(char *const argv[], const char *stdout_path, const char *stderr_path, const int *sockets,
                       size_t count)
{
    pid_t parent = getpid(), pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        fixture_fail("fork: %s", strerror(errno));
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(126);
        redirect(stdout_path, 1);
        redirect(stderr_path, 2);
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        pass_sockets(sockets, count);
        execvp(argv[0], argv);
        dprintf(2, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    return pid;
}

bool child_wait(pid_t pid, int64_t deadline, int *status)
{
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return true;
        if (got < 0 && errno != EINTR)
            fixture_fail("waitpid: %s", strerror(errno));
        if (now_ms() >= deadline)
            return false;
        sleep_ms(2);
    }
}
