/* process.h - what the system says of this process */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_PROCESS_H
#define GATEWAY_BASE_PROCESS_H

#include <stdint.h>

/* What the system doesn't tell is 0. */
struct process {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds; /* as of some seconds ago where the system (Linux before 6.2) makes counting them long */
    uint64_t max_fds;
    int64_t cpu_ns;   /* of all threads */
    int64_t start_ns; /* Unix time */
};
/* Any thread. */
struct process process_look(void);

#endif
