/* topk.h - the few greatest of many, each with a text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_TOPK_H
#define GATEWAY_CORE_TOPK_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;

struct topk_row {
    uint64_t key;
    char *text; /* malloc'd */
};

/* A heap with the least of them at its root: one comparison for each of those that are not among the greatest. */
struct topk {
    struct topk_row *rows; /* room for `limit`, once there is one */
    unsigned limit, count;
};

void topk_init(struct topk *top, unsigned limit);
void topk_dispose(struct topk *top);
/* Is it among the greatest so far? Asked before its text is written. */
bool topk_wants(const struct topk *top, uint64_t key);
/* topk_wants it. Takes the text over. */
void topk_add(struct topk *top, uint64_t key, char *text);
/* Moves all that `from` has. */
void topk_merge(struct topk *top, struct topk *from);
/* The texts, the greatest first, with commas between them. The rows are in that order then, and none may be added. */
void topk_write(struct topk *top, struct buffer *buffer);

#endif
