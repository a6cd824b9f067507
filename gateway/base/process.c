/* process.c - figures that the system keeps about this process */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"

#define FOLDER "/proc/self/fd"
#define COUNT_NS (10 * NS_PER_S)

/* NUL terminated, empty when it can't be read. */
static void read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd != -1 ? read(fd, text, size - 1) : 0;

    text[len > 0 ? len : 0] = '\0';
    if (fd != -1)
        close(fd);
}

static void read_memory(struct process *process)
{
    char text[128], *rest;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    read_text("/proc/self/statm", text, sizeof(text));
    /* The first two fields, in pages: proc(5). */
    process->virtual_bytes = strtoull(text, &rest, 10) * page;
    process->resident_bytes = strtoull(rest, NULL, 10) * page;
}

static uint64_t count_fds(void)
{
    DIR *folder = opendir(FOLDER);
    uint64_t count = 0;

    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        ++count;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* . and .. and the folder's own */
}

/* Linux 6.2 and later report the number. Before, counting 100,000 takes tens of ms, too long for every scrape. */
static uint64_t read_open_fds(void)
{
    static _Atomic int64_t counted_ns;
    static _Atomic uint64_t counted;
    struct stat status;
    int64_t now_ns = clock_mono_ns(), last_ns = counted_ns;

    if (stat(FOLDER, &status) == 0 && status.st_size != 0)
        return (uint64_t)status.st_size;
    /* One thread counts; others that ask meanwhile get the last count. */
    if ((last_ns == 0 || now_ns - last_ns >= COUNT_NS) && atomic_compare_exchange_strong(&counted_ns, &last_ns, now_ns))
        counted = count_fds();
    return counted;
}

/* Field 22 of /proc/self/stat, in ticks since boot. The second field is a name in brackets, of any characters. */
static int64_t read_boot_offset_ns(void)
{
    char text[1024];
    read_text("/proc/self/stat", text, sizeof(text));
    const char *at = strrchr(text, ')');
    for (unsigned field = 2; at != NULL && field != 22; ++field)
        at = strchr(at + 1, ' ');
    return at != NULL ? (int64_t)(strtoull(at, NULL, 10) * ((uint64_t)NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK))) : 0;
}

/* Computed once: a dashboard would read a second's difference as a restart. */
static int64_t read_start_ns(void)
{
    static _Atomic int64_t known;
    if (known != 0)
        return known;
    char text[16384];
    int64_t unknown = 0;
    read_text("/proc/stat", text, sizeof(text));
    const char *at = strstr(text, "\nbtime ");
    if (at != NULL)
        /* Two threads may get here: both return what the first one found. */
        atomic_compare_exchange_strong(&known, &unknown,
                                       (int64_t)strtoull(at + 7, NULL, 10) * NS_PER_S + read_boot_offset_ns());
    return known;
}

struct process process_look(void)
{
    struct process process = {
        .open_fds = read_open_fds(), .cpu_ns = clock_process_cpu_ns(), .start_ns = read_start_ns()};
    struct rlimit limit;

    read_memory(&process);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        process.max_fds = limit.rlim_cur;
    return process;
}
