/* watchdog_stack.c - where another thread of this process is just now */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/watchdog_stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"

#define FRAMES_MAX 48
#define PATIENCE_NS NS_PER_S
/* A call's return address may already belong to the next line: one byte back is inside the call itself. */
#define INTO_CALL 1
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler may use answer.asked");

/* Between the thread that asks and the one that is asked; static, as the handler may use nothing else. */
static struct {
    _Atomic pid_t asked;
    sem_t answered;
    int count;
    void *frames[FRAMES_MAX];
    const void *where; /* of them the one that was interrupted; NULL: not known on this machine */
} answer;

static const void *interrupted_at(const void *context)
{
    const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;

#if defined(__x86_64__)
    return (const void *)(uintptr_t)machine->gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)(uintptr_t)machine->pc;
#else
    (void)machine;
    return NULL;
#endif
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    pid_t self = gettid();

    (void)number;
    (void)info;
    /* Another process's signal changes nothing; and the frames are written once. */
    if (atomic_compare_exchange_strong(&answer.asked, &self, 0)) {
        answer.count = backtrace(answer.frames, FRAMES_MAX);
        answer.where = interrupted_at(context);
        sem_post(&answer.answered);
    }
    errno = saved_errno;
}

void watchdog_stack_prepare(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
    void *frame;

    CHECK(sem_init(&answer.answered, 0, 0) == 0);
    /* The first call loads libgcc, which a signal handler must not. */
    backtrace(&frame, 1);
    sigfillset(&action.sa_mask);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
}

/* snprintf behind the text so far. False: it doesn't fit, and nothing is appended. */
__attribute__((format(printf, 3, 4))) static bool append_text(char *dst, size_t *used, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(dst + *used, WATCHDOG_STACK_MAX - *used, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= WATCHDOG_STACK_MAX - *used) {
        dst[*used] = '\0';
        return false;
    }
    *used += (size_t)len;
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool append_frame(char *dst, size_t *used, uintptr_t address)
{
    const char *blank = *used != 0 ? " " : "";
    Dl_info info;

    if (dladdr((void *)address, &info) == 0 || info.dli_fname == NULL)
        return append_text(dst, used, "%s0x%lx", blank, (unsigned long)address);
    unsigned long offset = (unsigned long)(address - (uintptr_t)info.dli_fbase);
    if (info.dli_sname != NULL)
        return append_text(dst, used, "%s%s+0x%lx(%s)", blank, base_name(info.dli_fname), offset, info.dli_sname);
    return append_text(dst, used, "%s%s+0x%lx", blank, base_name(info.dli_fname), offset);
}

/* The handler's own frames, and the kernel's way back from it, say nothing. */
static void write_frames(char *dst)
{
    size_t used = 0;
    int first = 0;

    while (first != answer.count && answer.frames[first] != answer.where)
        ++first;
    /* Where it was interrupted is not among them on every machine: then all are shown. */
    for (int i = first != answer.count ? first : 0; i < answer.count; ++i) {
        uintptr_t address = (uintptr_t)answer.frames[i];
        if (!append_frame(dst, &used, i == first ? address : address - INTO_CALL))
            return;
    }
}

/* A letter of proc(5): R runs, D waits for a device, t is held by a debugger; ? can't be told. */
static char state_of(pid_t thread)
{
    char path[64], text[256] = "";
    const char *end;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return '?';
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    end = strrchr(text, ')'); /* of its name, which may hold anything */
    return end != NULL && end[1] == ' ' && end[2] != '\0' ? end[2] : '?';
}

static bool wait_for_answer(void)
{
    int64_t until_ns = clock_mono_ns() + PATIENCE_NS;
    struct timespec until = clock_timespec(until_ns);
    int error;

    do {
        error = sem_clockwait(&answer.answered, CLOCK_MONOTONIC, &until) == 0 ? 0 : errno;
    } while (error == EINTR);
    return error == 0;
}

void watchdog_stack_take(pid_t thread, char dst[static WATCHDOG_STACK_MAX])
{
    size_t used = 0;

    dst[0] = '\0';
    atomic_store(&answer.asked, thread);
    if (tgkill(getpid(), thread, SIGUSR2) == 0 && wait_for_answer())
        write_frames(dst);
    else
        append_text(dst, &used, "unavailable, thread state %c", state_of(thread));
}
