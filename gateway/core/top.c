/* top.c - the few greatest of many, each with a text */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/top.h"

#include <stdlib.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"

void top_init(struct top *top, unsigned limit)
{
    *top = (struct top){.limit = limit};
}

void top_dispose(struct top *top)
{
    for (unsigned i = 0; i != top->count; ++i)
        free(top->rows[i].text);
    free(top->rows);
    *top = (struct top){.limit = 0};
}

bool top_wants(const struct top *top, uint64_t key)
{
    return top->count < top->limit || (top->limit != 0 && key > top->rows[0].key);
}

static void swap(struct top_row *a, struct top_row *b)
{
    struct top_row kept = *a;
    *a = *b;
    *b = kept;
}

static void rise(struct top *top, unsigned i)
{
    for (; i != 0 && top->rows[i].key < top->rows[(i - 1) / 2].key; i = (i - 1) / 2)
        swap(&top->rows[i], &top->rows[(i - 1) / 2]);
}

static void sink(struct top *top)
{
    for (unsigned i = 0, least = 0;; i = least) {
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < top->count; ++child) {
            if (top->rows[child].key < top->rows[least].key)
                least = child;
        }
        if (least == i)
            return;
        swap(&top->rows[i], &top->rows[least]);
    }
}

void top_add(struct top *top, uint64_t key, char *text)
{
    CHECK(top_wants(top, key));
    if (top->rows == NULL)
        top->rows = check_calloc(top->limit, sizeof(*top->rows));
    if (top->count < top->limit) {
        top->rows[top->count] = (struct top_row){key, text};
        rise(top, top->count++);
        return;
    }
    free(top->rows[0].text);
    top->rows[0] = (struct top_row){key, text};
    sink(top);
}

void top_merge(struct top *top, struct top *from)
{
    for (unsigned i = 0; i != from->count; ++i) {
        if (top_wants(top, from->rows[i].key))
            top_add(top, from->rows[i].key, from->rows[i].text);
        else
            free(from->rows[i].text);
    }
    from->count = 0;
}

static int by_key(const void *a, const void *b)
{
    const struct top_row *left = a, *right = b;
    return left->key != right->key ? (left->key < right->key ? 1 : -1) : 0;
}

void top_write(struct top *top, struct buffer *buffer)
{
    if (top->count != 0)
        qsort(top->rows, top->count, sizeof(*top->rows), by_key);
    for (unsigned i = 0; i != top->count; ++i) {
        buffer_add(buffer, ",", i != 0);
        buffer_add_text(buffer, top->rows[i].text);
    }
}
