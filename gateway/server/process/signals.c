/* signals.c - what the process is told by signals, taken one at a time by its main thread */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/signals.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"

/* A process has one set of signals, and one main thread that takes them. */
static int signal_fd = -1, wake_fd = -1;
static unsigned ends; /* SIGTERM and SIGINT taken so far: the first begins the drain, the second cuts it */

static void fill_set(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
}

void signals_block(void)
{
    sigset_t signals;
    fill_set(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    CHECK(signal_fd == -1);
    signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(signal_fd != -1 && wake_fd != -1);
}

int signals_take(int64_t timeout_ns)
{
    struct timespec timeout = clock_timespec(timeout_ns);
    struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    eventfd_t calls;

    CHECK(signal_fd != -1 && timeout_ns >= 0);
    (void)ppoll(fds, 2, &timeout, NULL);
    (void)!eventfd_read(wake_fd, &calls);
    if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
        return 0;
    ends += info.ssi_signo != SIGHUP;
    return (int)info.ssi_signo;
}

void signals_wake(void)
{
    /* It fails when it would overflow, and then the main thread is awake. */
    (void)!eventfd_write(wake_fd, 1);
}

static void let_kill(int number)
{
    (void)number;
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
}

void signals_release(void)
{
    struct sigaction action = {.sa_handler = let_kill, .sa_flags = SA_RESTART};
    sigset_t signals;
    fill_set(&signals);
    sigdelset(&signals, SIGHUP); /* stays blocked: by default a late reload would kill */
    /* A second signal that comes after the drain has ended has nothing left to cut, and must not kill. */
    if (ends < 2) {
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
    } else {
        let_kill(0);
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

const char *signals_name(int number)
{
    return number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
}
