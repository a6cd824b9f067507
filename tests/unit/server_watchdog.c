/* server_watchdog.c - a loop that no longer turns ends its process, with its stack; one that turns or rests doesn't */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/watchdog.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/sandbox.h"

#define PERIOD_MS 200

/* What the loops of one process do, in a process of its own, as one of the two is to end. */
struct scene {
    enum { TURN, SPIN, BLOCK, REST } first, second;
    int64_t stops_ms; /* it is stopped for so long meanwhile */
};

static struct watchdog_pulse pulses[2];
static volatile bool done;

/* Not static, so that addr2line finds its name. */
__attribute__((noinline)) void spin_without_turning(void);
__attribute__((noinline)) void spin_without_turning(void)
{
    while (!done)
        __asm__ volatile("");
}

struct loop {
    struct watchdog_pulse *pulse;
    int kind;
};

static void *run_loop(void *arg)
{
    struct loop *loop = arg;

    watchdog_pulse_begin(loop->pulse);
    if (loop->kind == REST)
        watchdog_pulse_end(loop->pulse);
    if (loop->kind == SPIN)
        spin_without_turning();
    while (!done) {
        if (loop->kind == TURN)
            watchdog_pulse_turn(loop->pulse);
        sleep_ms(10);
    }
    return NULL;
}

static _Noreturn void play(const struct scene *scene)
{
    static const struct rlimit no_core = {0, 0};
    struct watchdog_pulse *both[2] = {&pulses[0], &pulses[1]};
    struct loop loops[2] = {{both[0], scene->first}, {both[1], scene->second}};
    pthread_t threads[2];
    struct watchdog *watchdog;

    setrlimit(RLIMIT_CORE, &no_core);
    for (int i = 0; i != 2; i++)
        pthread_create(&threads[i], NULL, run_loop, &loops[i]);
    watchdog = watchdog_start(both, 2, scaled_ms(PERIOD_MS));
    sleep_ms(scaled_ms(3 * PERIOD_MS));
    done = true;
    for (int i = 0; i != 2; i++)
        pthread_join(threads[i], NULL);
    watchdog_stop(watchdog);
    _exit(0);
}

/* Its wait status; *log is what it wrote, freed by the caller. */
static int status_of(struct scene scene, char **log)
{
    char *path = sandbox_path("watchdog.log");
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (freopen(path, "w", stderr) == NULL)
            _exit(3);
        play(&scene);
    }
    if (scene.stops_ms != 0) {
        sleep_ms(scaled_ms(PERIOD_MS));
        kill(pid, SIGSTOP);
        sleep_ms(scene.stops_ms);
        kill(pid, SIGCONT);
    }
    if (!child_wait(pid, deadline_in(20000), &status)) {
        kill(pid, SIGKILL);
        child_wait(pid, deadline_in(20000), &status);
    }
    *log = sandbox_read(path);
    unlink(path);
    free(path);
    return status;
}

static void expect_lives(struct scene scene)
{
    char *log;
    int status = status_of(scene, &log);

    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x: %s", (unsigned)status, log);
    cr_expect(log[0] == '\0', "%s", log);
    free(log);
}

/* Which worker, and what the stack has to hold. */
static void expect_ends(struct scene scene, const char *worker, const char *frame)
{
    char *log;
    int status = status_of(scene, &log);

    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "wait status 0x%x: %s", (unsigned)status, log);
    cr_expect(strstr(log, " worker-stuck ") != NULL && strstr(log, worker) != NULL, "%s", log);
    cr_expect(strstr(log, frame) != NULL && strchr(log, '\n') == strrchr(log, '\n'), "%s", log);
    free(log);
}

/* The innermost frame, MODULE+OFFSET, is inside that function of this program. */
static bool names_the_spinner(const char *log)
{
    const char *stack = strstr(log, "stack=\""), *offset = stack != NULL ? strstr(stack, "+0x") : NULL;
    char command[256], line[512] = "";
    FILE *pipe;

    if (offset == NULL)
        return false;
    snprintf(command, sizeof(command), "addr2line -f -e /proc/%d/exe %lx", getpid(), strtoul(offset + 1, NULL, 16));
    pipe = popen(command, "r");
    if (pipe == NULL || fgets(line, sizeof(line), pipe) == NULL)
        line[0] = '\0';
    if (pipe != NULL)
        pclose(pipe);
    return strcmp(line, "spin_without_turning\n") == 0;
}

Test(server_watchdog, who_turns_or_rests_is_left_alone, .timeout = 60)
{
    expect_lives((struct scene){TURN, REST, 0});
}

Test(server_watchdog, an_endless_loop_ends_the_process_and_shows_where, .timeout = 60)
{
    char *log;
    int status = status_of((struct scene){TURN, SPIN, 0}, &log);

    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "wait status 0x%x: %s", (unsigned)status, log);
    cr_expect(strstr(log, "worker=1") != NULL && names_the_spinner(log), "%s", log);
    free(log);
}

Test(server_watchdog, so_does_a_call_that_does_not_return, .timeout = 60)
{
    expect_ends((struct scene){BLOCK, TURN, 0}, "worker=0", "libc.so.6+0x");
}

Test(server_watchdog, a_stopped_process_is_not_stuck, .timeout = 60)
{
    expect_lives((struct scene){TURN, TURN, scaled_ms(2 * PERIOD_MS)});
}
