/* subject_map.h - where messages of a pattern are found after a subject transform */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_SUBJECT_MAP_H
#define PROTO_SUBJECT_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/subject.h"

/*
 * NATS docs, "Subject Mapping and Partitioning", as RePublish of a stream uses
 * it: messages whose subject matches `source` are sent on to `destination`, in
 * which $1 or {{wildcard(1)}} stands for what the first '*' of source matched,
 * and a '>' at the end for what its '>' matched. An empty source is ">".
 *
 * Writes the pattern under which all messages of `pattern`, and perhaps
 * others, arrive at the destination: at most SUBJECT_MAX bytes and a NUL.
 * False: source does not cover the pattern, the destination uses another
 * function, or the result is too long.
 */
bool subject_map(const char *source, const char *destination, const char *pattern, char dst[SUBJECT_MAX + 1],
                 size_t *len);

#endif
