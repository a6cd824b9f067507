/* check.c - assertions that stay on in release builds */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/check.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"

void check_failed(const char *condition, const char *file, int line)
{
    /* The logger allocates nothing, so this also works when memory has run out. */
    log_write(LOG_ERROR, "check-failed", log_str("condition", condition), log_str("file", file), log_i64("line", line));
    abort();
}

void check_abort(void)
{
    abort();
}

/* malloc(0) may return NULL without being out of memory: ask for one byte then. */
static unsigned long at_least_one(unsigned long size)
{
    return size == 0 ? 1 : size;
}

void *check_malloc(unsigned long size)
{
    void *p = malloc(at_least_one(size));

    CHECK(p != NULL);
    return p;
}

void *check_calloc(unsigned long count, unsigned long size)
{
    void *p = calloc(at_least_one(count), at_least_one(size));

    CHECK(p != NULL);
    return p;
}

void *check_realloc(void *p, unsigned long size)
{
    void *moved = realloc(p, at_least_one(size));

    CHECK(moved != NULL);
    return moved;
}

void *check_aligned(unsigned long alignment, unsigned long size)
{
    void *p = aligned_alloc(alignment, size);

    CHECK(p != NULL);
    return p;
}

char *check_strdup(const char *s)
{
    unsigned long size = strlen(s) + 1;

    return memcpy(check_malloc(size), s, size);
}
