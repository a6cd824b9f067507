/* topk.c - the few greatest of many, each with a text */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/topk.h"

#include <stdlib.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"

void topk_init(struct topk *top, unsigned limit)
{
    *top = (struct topk){.limit = limit};
}

void topk_dispose(struct topk *top)
{
    for (unsigned i = 0; i != top->count; ++i)
        free(top->rows[i].text);
    free(top->rows);
    *top = (struct topk){.limit = 0};
}

bool topk_wants(const struct topk *top, uint64_t key)
{
    return top->count < top->limit || (top->limit != 0 && key > top->rows[0].key);
}

static void swap_rows(struct topk_row *a, struct topk_row *b)
{
    struct topk_row kept = *a;
    *a = *b;
    *b = kept;
}

static void raise_row(struct topk *top, unsigned i)
{
    for (; i != 0 && top->rows[i].key < top->rows[(i - 1) / 2].key; i = (i - 1) / 2)
        swap_rows(&top->rows[i], &top->rows[(i - 1) / 2]);
}

static void sink_row(struct topk *top)
{
    for (unsigned i = 0, least = 0;; i = least) {
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < top->count; ++child) {
            if (top->rows[child].key < top->rows[least].key)
                least = child;
        }
        if (least == i)
            return;
        swap_rows(&top->rows[i], &top->rows[least]);
    }
}

void topk_add(struct topk *top, uint64_t key, char *text)
{
    CHECK(topk_wants(top, key));
    if (top->rows == NULL)
        top->rows = check_calloc(top->limit, sizeof(*top->rows));
    if (top->count < top->limit) {
        top->rows[top->count] = (struct topk_row){key, text};
        raise_row(top, top->count++);
        return;
    }
    free(top->rows[0].text);
    top->rows[0] = (struct topk_row){key, text};
    sink_row(top);
}

void topk_merge(struct topk *top, struct topk *from)
{
    for (unsigned i = 0; i != from->count; ++i) {
        if (topk_wants(top, from->rows[i].key))
            topk_add(top, from->rows[i].key, from->rows[i].text);
        else
            free(from->rows[i].text);
    }
    from->count = 0;
}

static int by_key(const void *a, const void *b)
{
    const struct topk_row *left = a, *right = b;
    return left->key != right->key ? (left->key < right->key ? 1 : -1) : 0;
}

void topk_write(struct topk *top, struct buffer *buffer)
{
    if (top->count != 0)
        qsort(top->rows, top->count, sizeof(*top->rows), by_key);
    for (unsigned i = 0; i != top->count; ++i) {
        buffer_add(buffer, ",", i != 0);
        buffer_add_text(buffer, top->rows[i].text);
    }
}
