/* attack.c - what the attacks have in common: connections that are counted, and floods */
/* SPDX-License-Identifier: MIT */
#include "tests/attack/attack.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/sandbox.h"

#define STUCK_MS 500
#define KILL_MS 3000

bool more(const struct attack_run *run)
{
    return now_ms() < run->until_ms;
}

struct attack_target target_of(const struct attack_run *run, const char *alpn)
{
    return (struct attack_target){.port = run->tls ? run->tls_port : run->clear_port, .tls = run->tls, .alpn = alpn};
}

struct attack_peer *begin(struct attack_run *run, const struct attack_target *target)
{
    struct attack_peer *peer = attack_open(target);

    if (peer == NULL)
        run->tally->refused++;
    else
        run->tally->connections++;
    return peer;
}

struct attack_peer *begin_h2(struct attack_run *run, uint32_t initial_window)
{
    struct attack_target target = target_of(run, "h2");
    struct attack_peer *peer = begin(run, &target);

    if (peer != NULL)
        h2_put_hello(peer, initial_window);
    return peer;
}

void finish(struct attack_run *run, struct attack_peer *peer, int ms)
{
    struct tally *tally = run->tally;

    if (peer == NULL)
        return;
    if (attack_wait_closed(peer, ms)) {
        int64_t after = now_ms() - peer->opened_ms;
        tally->killed++;
        if (after > tally->killed_after_ms)
            tally->killed_after_ms = after;
    }
    tally->frames += peer->frames;
    tally->bytes += peer->sent;
    attack_close(peer);
}

void failed(struct attack_run *run, const char *format, ...)
{
    va_list args;

    if (run->tally->failure[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(run->tally->failure, sizeof(run->tally->failure), format, args);
    va_end(args);
}

void run_flood(struct attack_run *run, const struct flood *flood)
{
    uint64_t limit = run->full ? 300 : 20;

    while (more(run) && run->tally->connections + run->tally->refused < limit) {
        struct attack_peer *peer = begin_h2(run, flood->initial_window);
        for (uint32_t round = 0; peer != NULL && !peer->closed && more(run); round++) {
            flood->fill(run, peer, round);
            if (!attack_flush(peer, STUCK_MS))
                break;
            if (!flood->unread)
                attack_drain(peer);
        }
        finish(run, peer, KILL_MS);
    }
}

static void add(struct attack_run *run, const struct attack *attack, const struct tally *tally)
{
    struct tally *sum = run->tally;

    sum->connections += tally->connections;
    sum->refused += tally->refused;
    sum->killed += tally->killed;
    sum->frames += tally->frames;
    sum->bytes += tally->bytes;
    if (tally->killed_after_ms > sum->killed_after_ms)
        sum->killed_after_ms = tally->killed_after_ms;
    if (tally->failure[0] != '\0')
        failed(run, "%s: %s", attack->name, tally->failure);
    else if (tally->connections == 0)
        failed(run, "%s: no connection was made", attack->name);
    else if (attack->end == ATTACK_KILLED && tally->killed < tally->connections)
        failed(run, "%s: %llu of %llu were not ended", attack->name,
               (unsigned long long)(tally->connections - tally->killed), (unsigned long long)tally->connections);
    else if (attack->end == ATTACK_SURVIVES && tally->killed != 0)
        failed(run, "%s: %llu were ended", attack->name, (unsigned long long)tally->killed);
}

#define TOGETHER_MAX 24

void run_together(struct attack_run *run, const struct attack *attacks)
{
    struct tally *tallies =
        mmap(NULL, TOGETHER_MAX * sizeof(*tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[TOGETHER_MAX];

    if (tallies == MAP_FAILED)
        fixture_fail("out of memory");
    for (size_t i = 0; attacks[i].name != NULL; i++) {
        pids[i] = -1;
        if (i == TOGETHER_MAX)
            fixture_fail("too many attacks together");
        if ((attacks[i].transports & (run->tls ? ATTACK_TLS : ATTACK_CLEAR)) == 0)
            continue;
        if ((pids[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            run->tally = &tallies[i];
            run->until_ms = now_ms() + attacks[i].quick_ms;
            attacks[i].run(run);
            _exit(0);
        }
    }
    for (size_t i = 0; attacks[i].name != NULL; i++) {
        if (pids[i] < 0)
            continue;
        waitpid(pids[i], NULL, 0);
        add(run, &attacks[i], &tallies[i]);
    }
}
