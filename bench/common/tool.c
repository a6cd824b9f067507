/* tool.c - what every benchmark tool needs: time, strict numbers, errors that end it, process figures */
/* SPDX-License-Identifier: MIT */
#include "bench/common/tool.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int64_t tool_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void complain(const char *format, va_list args)
{
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void tool_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
    exit(1);
}

void tool_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
    exit(2);
}

void tool_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
}

void *tool_malloc(size_t size)
{
    void *p = malloc(size);
    if (p == NULL && size != 0)
        tool_die("out of memory");
    return p;
}

void *tool_calloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL && count != 0 && size != 0)
        tool_die("out of memory");
    return p;
}

void *tool_realloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL && size != 0)
        tool_die("out of memory");
    return p;
}

uint64_t tool_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    /* strtoull takes "-1" and " 1"; a first character that is a digit rules both out. */
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max)
        tool_usage_error("%s: '%s' is not a whole number from %llu to %llu", option, text, (unsigned long long)min,
                         (unsigned long long)max);
    return v;
}

double tool_decimal(const char *option, const char *text, double min, double max)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(v) || v < min || v > max)
        tool_usage_error("%s: '%s' is not a number from %g to %g", option, text, min, max);
    return v;
}

void tool_need_files(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        tool_die("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < wanted)
        tool_die("needs %llu file descriptors but the hard limit is %llu: raise it (ulimit -Hn %llu as root, "
                 "or LimitNOFILE= of the session)",
                 (unsigned long long)wanted, (unsigned long long)limit.rlim_max, (unsigned long long)wanted);
}

size_t tool_expand(char *dst, size_t size, const char *pattern, uint32_t index)
{
    const char *hole = strstr(pattern, "%d");
    int n = hole == NULL ? snprintf(dst, size, "%s", pattern)
                         : snprintf(dst, size, "%.*s%u%s", (int)(hole - pattern), pattern, index, hole + 2);
    if (n < 0 || (size_t)n >= size)
        tool_die("'%s' is too long", pattern);
    return (size_t)n;
}

void tool_parse_pids(const char *option, const char *text, struct tool_pids *pids)
{
    pids->count = 0;
    while (*text != '\0') {
        char one[16];
        size_t len = strcspn(text, ",");
        if (len >= sizeof(one) || pids->count == TOOL_PIDS_MAX)
            tool_usage_error("%s: '%s' is not a list of process ids", option, text);
        memcpy(one, text, len);
        one[len] = '\0';
        pids->pids[pids->count++] = (pid_t)tool_number(option, one, 1, 1u << 22);
        text += len + (text[len] == ',');
    }
}

static bool read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
    char path[64];
    if (snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name) >= (int)sizeof(path))
        return false;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t n = fread(buf, 1, size - 1, f);
    fclose(f);
    buf[n] = '\0';
    return n != 0;
}

static uint64_t kb_after(const char *text, const char *label)
{
    const char *at = strstr(text, label);
    return at == NULL ? 0 : strtoull(at + strlen(label), NULL, 10);
}

/* False: the process is gone. */
static bool add_cpu(pid_t pid, double *cpu_s)
{
    char buf[1024];
    if (!read_proc(pid, "stat", buf, sizeof(buf)))
        return false;
    /* The command name may contain blanks and brackets: the fields count from the last ')'. */
    const char *after = strrchr(buf, ')');
    unsigned long long user = 0, sys = 0;
    if (after == NULL || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &sys) != 2)
        return false;
    *cpu_s += (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

double tool_cpu_s_of(const struct tool_pids *pids)
{
    double cpu_s = 0;
    for (unsigned i = 0; i < pids->count; ++i)
        add_cpu(pids->pids[i], &cpu_s);
    return cpu_s;
}

struct tool_usage tool_usage_of(const struct tool_pids *pids)
{
    struct tool_usage usage = {0};
    char buf[4096];
    for (unsigned i = 0; i < pids->count; ++i) {
        usage.alive += add_cpu(pids->pids[i], &usage.cpu_s);
        if (read_proc(pids->pids[i], "status", buf, sizeof(buf))) {
            usage.rss_kb += kb_after(buf, "VmRSS:");
            usage.peak_rss_kb += kb_after(buf, "VmHWM:");
        }
        if (read_proc(pids->pids[i], "smaps_rollup", buf, sizeof(buf)))
            usage.pss_kb += kb_after(buf, "\nPss:");
    }
    return usage;
}

double tool_own_cpu_s(void)
{
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}
