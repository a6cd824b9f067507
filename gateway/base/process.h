/* process.h - figures that the system keeps about this process */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_PROCESS_H
#define GATEWAY_BASE_PROCESS_H

#include <stdint.h>

/* 0: unknown. */
struct process {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds; /* up to ten seconds old before Linux 6.2, where counting takes long */
    uint64_t max_fds;
    int64_t cpu_ns;   /* of all threads */
    int64_t start_ns; /* Unix time */
};
/* Any thread. */
struct process process_look(void);

#endif
