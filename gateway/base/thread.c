/* thread.c - threads of this process, and the check that an object stays on its own */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/thread.h"

#include <string.h>

/* A blocked fault kills the process without running its handler, so that no sanitizer could report it. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

void thread_block_signals(sigset_t *before)
{
    sigset_t blocked;
    CHECK(sigfillset(&blocked) == 0);
    for (unsigned i = 0; i != sizeof(faults) / sizeof(faults[0]); ++i)
        CHECK(sigdelset(&blocked, faults[i]) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &blocked, before) == 0);
}

void thread_restore_signals(const sigset_t *before)
{
    CHECK(pthread_sigmask(SIG_SETMASK, before, NULL) == 0);
}

void thread_accept_signal(int number)
{
    sigset_t accepted;
    CHECK(sigemptyset(&accepted) == 0 && sigaddset(&accepted, number) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &accepted, NULL) == 0);
}

bool thread_start(pthread_t *thread, const char *name, size_t stack_bytes, void *(*function)(void *), void *arg)
{
    pthread_attr_t attributes;
    sigset_t before;
    CHECK(strlen(name) < THREAD_NAME_MAX);
    CHECK(pthread_attr_init(&attributes) == 0);
    if (stack_bytes != 0)
        CHECK(pthread_attr_setstacksize(&attributes, stack_bytes) == 0);
    /* The new thread inherits the mask, so it is never without one. */
    thread_block_signals(&before);
    bool is_started = pthread_create(thread, &attributes, function, arg) == 0;
    thread_restore_signals(&before);
    pthread_attr_destroy(&attributes);
    if (is_started)
        (void)pthread_setname_np(*thread, name); /* only seen in a debugger or in top: no reason to fail */
    return is_started;
}

void thread_join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}
