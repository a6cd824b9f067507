/* sandbox.h - the temporary folder of one test process, deadlines and child processes */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SANDBOX_H
#define TESTS_SUPPORT_SANDBOX_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Plain C without a test framework, so that stress programs can use it, too. A
 * failure of the support code (a server that does not start, a full disk) ends
 * the process by fixture_fail; a failure of the code under test never does. One
 * thread.
 */

/*
 * A folder of this process, made at the first call. A small child that
 * outlives the process removes it, also after a crash or a timeout, and prints
 * the *.log files still in it then: a test that ends well removes its own.
 */
const char *sandbox_dir(void);
/* A fresh path "<dir>/<counter>-<suffix>" in it. The caller frees. */
char *sandbox_path(const char *suffix);
/* Writes a whole file; fixture_fail when it can't. */
void sandbox_write(const char *path, const char *text);
/* … atomically: a reader sees either the whole old text or the whole new one. */
void sandbox_replace(const char *path, const char *text);
/* The whole file as a NUL-terminated string, empty when it can't be read. The caller frees. */
char *sandbox_read(const char *path);

/* A self-signed P-256 certificate for localhost, 127.0.0.1 and ::1, made once per process. */
const char *sandbox_certificate(void);
const char *sandbox_key(void);

/* printf into a new string. The caller frees. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_format_list(const char *format, va_list list) __attribute__((format(printf, 1, 0)));
/* Takes over a malloc'd text, and returns one in which each `from` has become `to`. The caller frees. */
char *text_replace(char *text, const char *from, const char *to);

_Noreturn void fixture_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic milliseconds. */
int64_t now_ms(void);
/* ms times the environment's FRESHET_TIME_FACTOR (sanitizer builds set 5 or so). */
int64_t scaled_ms(int64_t ms);
/* Whether that variable is set: memory says nothing then, since a sanitizer keeps freed blocks for a while. */
bool is_sanitizer_run(void);
/* now_ms() + scaled_ms(ms): when to give up. */
int64_t deadline_in(int64_t ms);
/* For loops that poll a condition with a deadline. */
void sleep_ms(int64_t ms);

/*
 * Starts argv[0] (an absolute path, or searched in PATH) with stdout and
 * stderr appended to the given files (NULL: the test's own). The child
 * dies with this process.
 */
pid_t child_start(char *const argv[], const char *stdout_path, const char *stderr_path);
/* The same with listening sockets, as systemd passes them: from descriptor 3 on, and LISTEN_FDS and LISTEN_PID say so. */
pid_t child_start_with(char *const argv[], const char *stdout_path, const char *stderr_path, const int *sockets,
                       size_t count);
/* Waits until the deadline for it to end: true and the wait status, or false while it still runs. */
bool child_wait(pid_t pid, int64_t deadline, int *status);

#endif
