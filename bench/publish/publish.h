/* publish.h - the parts of freshet-publish: options, and the ways a message can leave */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PUBLISH_PUBLISH_H
#define BENCH_PUBLISH_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct publish_options {
    const char *nats, *http; /* exactly one; http: "http://127.0.0.1:8081/pub?id={subject}" */
    const char *subject;     /* pattern with %d */
    uint32_t subjects;
    uint32_t size;
    double rate;    /* messages a second over all subjects; 0: as fast as the way takes them */
    uint64_t count; /* messages over all subjects, rounded up to whole rounds; 0: by duration */
    double duration_s;
    uint32_t burst;  /* messages sent back to back at each due time */
    uint32_t first;  /* sequence of the first message of every subject */
    uint32_t window; /* messages on their way at most (JetStream, HTTP; NATS with rate 0) */
    bool jetstream, stamp_due;
    const char *stream; /* JetStream stream to create if it isn't there */
    const char *json;
};

/*
 * A way out. send may block for room. settle waits until the other side has
 * taken over everything sent, and returns the number of messages it refused.
 */
struct way {
    void (*send)(struct way *way, const char *subject, const char *payload, size_t len, bool last_for_now);
    uint64_t (*settle)(struct way *way);
    void (*close)(struct way *way);
};

struct way *way_nats(const struct publish_options *options);
struct way *way_http(const struct publish_options *options);

#endif
