/* signals.c - what the process is told by signals, taken one at a time by its main thread */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/signals.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static void all(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
}

void signals_block(void)
{
    sigset_t signals;
    all(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int signals_take(int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    sigset_t signals;
    all(&signals);
    int number = sigtimedwait(&signals, NULL, &timeout);
    return number > 0 ? number : 0;
}

void signals_release(void)
{
    sigset_t signals;
    all(&signals);
    sigdelset(&signals, SIGHUP);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

const char *signals_name(int number)
{
    return number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
}
