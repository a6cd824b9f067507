/* crowd.c - more connections than the gateway may have */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/attack.h"
#include "tests/support/sandbox.h"

#define PROCESSES_MAX 12
#define ATTEMPTS_QUICK 3000
#define ATTEMPTS_FULL 100000
/* Descriptors of each process that are not for connections. */
#define SPARE 100

struct shared {
    _Atomic uint64_t connected, refused, ended;
    _Atomic int64_t ended_ms; /* time of the last end */
};

static int start_connect(const struct attack_run *run, unsigned source)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(run->tls ? run->tls_port : run->clear_port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    from.sin_addr.s_addr = htonl(0x7f000000u + source);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
        (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EINPROGRESS))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Connects that many times, and keeps each connection for as long as the gateway lets it. */
static void be_crowd(struct attack_run *run, struct shared *shared, size_t attempts, unsigned source)
{
    static struct pollfd fds[32768];
    static bool counted[32768];
    size_t open = 0;

    for (size_t i = 0; i < attempts; i++) {
        fds[i] = (struct pollfd){.fd = start_connect(run, source), .events = POLLOUT | POLLRDHUP};
        if (fds[i].fd < 0)
            shared->refused++;
        else
            open++;
        if (i % 100 == 99)
            sleep_ms(run->full ? 10 : 2);
    }
    while (open != 0 && more(run)) {
        poll(fds, attempts, 100);
        for (size_t i = 0; i < attempts; i++) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            bool gone = (fds[i].revents & (POLLHUP | POLLERR | POLLRDHUP)) != 0;
            if (!counted[i] && (fds[i].revents & POLLOUT) != 0 && (fds[i].revents & POLLERR) == 0) {
                counted[i] = true;
                shared->connected++;
                fds[i].events = POLLRDHUP;
            }
            if (gone) {
                if (counted[i]) {
                    shared->ended++;
                    shared->ended_ms = now_ms();
                } else {
                    shared->refused++;
                }
                close(fds[i].fd);
                fds[i].fd = -1;
                open--;
            }
        }
        sleep_ms(20);
    }
}

static void idle_crowd(struct attack_run *run)
{
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t attempts = run->full ? ATTEMPTS_FULL : ATTEMPTS_QUICK, each;
    pid_t pids[PROCESSES_MAX];
    unsigned processes = 0;
    int64_t began = now_ms();
    struct rlimit files;

    if (shared == MAP_FAILED)
        fixture_fail("out of memory");
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    each = files.rlim_cur < SPARE * 2 ? SPARE : files.rlim_cur - SPARE;
    if (each > 25000) /* the ports of one source address, with room for others */
        each = 25000;
    for (size_t left = attempts; left != 0 && processes < PROCESSES_MAX; processes++) {
        size_t now = left < each ? left : each;
        left -= now;
        if ((pids[processes] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            be_crowd(run, shared, now, 10 + processes);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < processes; i++)
        waitpid(pids[i], NULL, 0);
    run->tally->connections = shared->connected;
    run->tally->refused = shared->refused;
    run->tally->killed = shared->ended;
    run->tally->killed_after_ms = shared->ended_ms - began;
}

/* Connections with a stream each, up to the limit and beyond: open streams stay, others wait or are refused. */
#define STREAMS_QUICK 300
#define STREAMS_FULL 2000
static void stream_crowd(struct attack_run *run)
{
    static struct attack_peer *peers[STREAMS_FULL];
    size_t wanted = run->full ? STREAMS_FULL : STREAMS_QUICK, count = 0;

    while (count < wanted && more(run)) {
        if ((peers[count] = begin_h2(run, 65535)) == NULL)
            break;
        h2_put_get(peers[count], 1, QUIET_PATH);
        attack_flush(peers[count++], 500);
    }
    for (size_t i = 0; i < count; i++)
        finish(run, peers[i], 0);
}

const struct attack connection_attacks[] = {
    {"idle-crowd", "crowd", ATTACK_BOTH, idle_crowd, ATTACK_EITHER, 4000, 40000, false, ATTACK_ALWAYS},
    {"stream-crowd", "crowd", ATTACK_BOTH, stream_crowd, ATTACK_SURVIVES, 4000, 30000, false, ATTACK_ALWAYS},
    {.name = NULL},
};
