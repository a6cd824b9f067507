/* top.h - the few greatest of many, each with a text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_TOP_H
#define GATEWAY_CORE_TOP_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;

struct top_row {
    uint64_t key;
    char *text; /* malloc'd */
};

/* A heap with the least of them at its root: one comparison for each of those that are not among the greatest. */
struct top {
    struct top_row *rows; /* room for `limit`, once there is one */
    unsigned limit, count;
};

void top_init(struct top *top, unsigned limit);
void top_dispose(struct top *top);
/* Is it among the greatest so far? Asked before its text is written. */
bool top_wants(const struct top *top, uint64_t key);
/* top_wants it. Takes the text over. */
void top_add(struct top *top, uint64_t key, char *text);
/* Moves all that `from` has. */
void top_merge(struct top *top, struct top *from);
/* The texts, the greatest first, with commas between them. The rows are in that order then, and none may be added. */
void top_write(struct top *top, struct buffer *buffer);

#endif
