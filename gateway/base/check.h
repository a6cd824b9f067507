/* check.h - assertions that stay on in release builds */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_CHECK_H
#define GATEWAY_BASE_CHECK_H

/*
 * A failed CHECK is a bug in this program: it logs the condition and its place,
 * and aborts. Never use it for anything a peer, a file or a broker can cause.
 */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

_Noreturn void check_failed(const char *condition, const char *file, int line);

/* Ends the process by SIGABRT, with a core where those are kept. The caller has logged why. */
_Noreturn void check_abort(void);

/* malloc, calloc, realloc and strdup that never return NULL: out of memory aborts with a log line. */
void *check_malloc(unsigned long size);
void *check_calloc(unsigned long count, unsigned long size);
void *check_realloc(void *p, unsigned long size);
void *check_aligned(unsigned long alignment, unsigned long size); /* size: a multiple of alignment; free() frees it */
char *check_strdup(const char *s);

#endif
