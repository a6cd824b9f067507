/* snapshot_rows.h - the rows of a snapshot: which there are, and what they say */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_SNAPSHOT_ROWS_H
#define GATEWAY_CORE_SNAPSHOT_ROWS_H

#include <stdbool.h>
#include <stddef.h>

struct channel;
struct hub;
struct reader;
struct topk;

/* As struct snapshot_options has it. The text is its owner's to free. */
struct snapshot_filter {
    char *text; /* NULL: everything */
    size_t len;
    bool is_pattern;
};
void snapshot_rows_init_filter(struct snapshot_filter *filter, const char *text, size_t len);

/* The channel's row, if it is among the top ones. Takes the channel's lock; the registry's may be held. */
void snapshot_rows_add_channel(struct topk *top, const struct snapshot_filter *filter, struct channel *channel);
/* The reader's, if it is slow. Its hub's thread. */
void snapshot_rows_add_slow(struct topk *top, const struct snapshot_filter *filter, const struct hub *hub,
                            const struct reader *reader);

#endif
