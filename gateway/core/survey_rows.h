/* survey_rows.h - the rows of a survey: which there are, and what they say */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_SURVEY_ROWS_H
#define GATEWAY_CORE_SURVEY_ROWS_H

#include <stdbool.h>
#include <stddef.h>

struct channel;
struct hub;
struct reader;
struct top;

/* As struct survey_options has it. The text is its owner's to free. */
struct survey_filter {
    char *text; /* NULL: everything */
    size_t len;
    bool is_pattern;
};
void survey_filter_init(struct survey_filter *filter, const char *text, size_t len);

/* The channel's row, if it is among the top ones. Takes the channel's lock; the registry's may be held. */
void survey_add_channel(struct top *top, const struct survey_filter *filter, struct channel *channel);
/* The reader's, if it is slow. Its hub's thread. */
void survey_add_slow(struct top *top, const struct survey_filter *filter, const struct hub *hub,
                     const struct reader *reader);

#endif
