/* held_thread.c - one thread of another process, held as a debugger does */
/* SPDX-License-Identifier: MIT */
#include "tests/support/held_thread.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/support/sandbox.h"

pid_t thread_named(pid_t pid, const char *name)
{
    char *folder = text_format("/proc/%d/task", pid);
    DIR *tasks = opendir(folder);
    struct dirent *entry;
    pid_t found = 0;

    while (tasks != NULL && found == 0 && (entry = readdir(tasks)) != NULL) {
        char *path = text_format("%s/%s/comm", folder, entry->d_name), *comm = sandbox_read(path);
        if (strncmp(comm, name, strlen(name)) == 0 && comm[strlen(name)] == '\n')
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        free(comm);
        free(path);
    }
    if (tasks != NULL)
        closedir(tasks);
    free(folder);
    return found;
}

bool thread_hold(pid_t thread)
{
    int status;

    return ptrace(PTRACE_SEIZE, thread, NULL, NULL) == 0 && ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 &&
           waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status);
}

bool thread_let_go(pid_t thread)
{
    return ptrace(PTRACE_DETACH, thread, NULL, NULL) == 0;
}
