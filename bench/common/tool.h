/* tool.h - what every benchmark tool needs: time, strict numbers, errors that end it, process figures */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COMMON_TOOL_H
#define BENCH_COMMON_TOOL_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

int64_t tool_now_ns(void); /* CLOCK_MONOTONIC */

/* Prints "NAME: message" and exits with 1 (usage) or 2 (run time). */
_Noreturn void tool_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void tool_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tool_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *tool_malloc(size_t size);
void *tool_calloc(size_t count, size_t size);
void *tool_realloc(void *p, size_t size);

/* The value of a command line option, within [min, max]; anything else is a usage error that names the option. */
uint64_t tool_number(const char *option, const char *text, uint64_t min, uint64_t max);
double tool_decimal(const char *option, const char *text, double min, double max);

/* Raises the soft limit of file descriptors to the hard one and dies unless it reaches wanted. */
void tool_need_files(uint64_t wanted);

/*
 * Expands "bench.%d" with index; a pattern without %d stays as it is. At most
 * one %d. Returns the length; dies when dst is too small.
 */
size_t tool_expand(char *dst, size_t size, const char *pattern, uint32_t index);

/* A set of processes that together are one server: "123" or "123,124". */
#define TOOL_PIDS_MAX 64
struct tool_pids {
    pid_t pids[TOOL_PIDS_MAX];
    unsigned count;
};
void tool_parse_pids(const char *option, const char *text, struct tool_pids *pids);

/* Sums over the set; a process that is gone counts nothing. */
struct tool_usage {
    double cpu_s; /* user and system */
    uint64_t rss_kb, pss_kb;
    uint64_t peak_rss_kb;
    unsigned alive;
};
struct tool_usage tool_usage_of(const struct tool_pids *pids);
/* The CPU time alone: reading the memory figures of a large process takes a second, this doesn't. */
double tool_cpu_s_of(const struct tool_pids *pids);
double tool_own_cpu_s(void);

#endif
