/* options.h - the command line of freshet-load */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/common/tool.h"

struct options {
    const char *url; /* with {subject} where the subject goes */
    bool tls;
    char host[256];
    char authority[300];
    const char *target; /* path and query, points into url */
    struct sockaddr_storage address;
    socklen_t address_len;

    const char *subject;  /* pattern, "bench.%d" */
    const char *wildcard; /* subscribed to in place of single subjects; every stream then expects all of them */
    uint32_t subjects;
    uint32_t subjects_per_stream;
    const char *header; /* one extra request header, "name: value" */

    uint32_t connections, streams; /* streams of one connection */
    uint32_t threads;
    uint32_t source_addresses;
    uint32_t connect_parallel;

    double warmup_s, duration_s, ready_timeout_s, grace_s;
    uint64_t expect; /* last sequence every stream must have reached at the end; 0: not checked */
    double stall;    /* share of the connections that stop reading */
    double cut_all_at_s;
    double reconnect_every_s;
    bool control; /* commands on stdin in place of the clock */
    bool allow_gaps, allow_closed;
    bool progress;
    bool keep_ids; /* resume is asked for: remember event ids */

    const char *json;
    struct tool_pids servers;
};

/* Exits with 1 and a message when anything is wrong, with 0 after --help. */
void options_parse(struct options *options, int argc, char **argv);

/* The request target of stream number index (over all connections); returns its length. */
size_t options_target(const struct options *options, uint64_t index, char *dst, size_t size);

/* Number of the first subject of that stream. */
uint32_t options_first_subject(const struct options *options, uint64_t index);

#endif
