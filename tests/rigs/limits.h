/* limits.h - a gateway with limits, and checks of its answers at a limit */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RIGS_LIMITS_H
#define TESTS_RIGS_LIMITS_H

#include "tests/support/http_client.h"
#include "tests/support/rig.h"

/* The configuration after the limits: routes /l, which browsers may read, and /p, which publishes. */
#define LIMITS_REST                                                                                                    \
    "admin: {address: \"127.0.0.1:0\"}\n"                                                                              \
    "routes:\n"                                                                                                        \
    "  - {path: /l, subjects: [\"l\"], heartbeat: 1s, cors: {origins: [\"https://app.example\"]}}\n"                   \
    "  - {path: /p, subjects: [\"l\"], publish: true}\n"

/* limits: the inside of the mapping. */
void limits_start(struct rig *rig, const char *limits, enum http_mode mode, unsigned workers);
/* A problem of that status, with the part in its text. Its retry-after; NULL if it has none. */
const char *limits_require_problem(struct http_stream *stream, int status, const char *part);
/* The answer that makes a browser's EventSource reconnect: any other ends it for good. */
void limits_require_retry(struct http_stream *stream);

#endif
