/* rig.h - what nearly every integration test needs: a broker, a publisher and a gateway */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include "tests/support/gateway_fixture.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/publisher.h"

struct http_client;

struct rig {
    struct nats_fixture *nats;
    struct publisher *publisher;
    struct gateway *gateway;
    struct http_client *client; /* HTTP/2 over TLS, to the public listener */
};

/* yaml: the configuration without workers, listen and nats. */
void rig_start(struct rig *rig, const char *yaml);
void rig_start_workers(struct rig *rig, const char *yaml, unsigned workers);
/*
 * broker: the configuration of a broker with logins. Its users `backend`, the publisher, and `gateway` have the
 * password "secret".
 */
void rig_start_with_logins(struct rig *rig, const char *broker, const char *yaml, unsigned workers);
/* Stops the gateway, then all. False, with the logs on stderr, if the gateway's exit code was not 0. */
bool rig_end(struct rig *rig);
/* Skips members that are NULL. */
void rig_stop(struct rig *rig);

/*
 * A Criterion suite in which each test has a started `rig` of its own. The configuration comes last, so that its text
 * may contain what a macro takes for the end of an argument.
 */
#define RIG_SUITE(suite, seconds, workers, ...)                                                                        \
    static struct rig rig;                                                                                             \
    static void start_##suite(void)                                                                                    \
    {                                                                                                                  \
        rig_start_workers(&rig, __VA_ARGS__, workers);                                                                 \
    }                                                                                                                  \
    static void stop_##suite(void)                                                                                     \
    {                                                                                                                  \
        rig_stop(&rig);                                                                                                \
    }                                                                                                                  \
    TestSuite(suite, .init = start_##suite, .fini = stop_##suite, .timeout = seconds)

/* printf into a buffer that the next call reuses, for the macro below. */
const char *rig_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An assertion that shows the gateways' logs when it fails. Needs Criterion's headers where it is used. */
#define REQUIRE(condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            gateway_show_logs();                                                                                       \
            cr_assert_fail("(%s)%s", #condition, rig_note(" " __VA_ARGS__));                                           \
        }                                                                                                              \
    } while (0)
#define REQUIRE_STR(actual, expected)                                                                                  \
    do {                                                                                                               \
        const char *actual_ = (actual), *expected_ = (expected);                                                       \
        REQUIRE(actual_ != NULL && strcmp(actual_, expected_) == 0, "got \"%s\", not \"%s\"",                          \
                actual_ != NULL ? actual_ : "(nothing)", expected_);                                                   \
    } while (0)

#endif
