/* gateway_fixture.h - the freshet binary itself, started for a test on free loopback ports */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_GATEWAY_FIXTURE_H
#define TESTS_SUPPORT_GATEWAY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The binary is FRESHET_BINARY of the environment, else the define of that
 * name (the one of this build). It listens twice on 127.0.0.1, with TLS and in
 * the clear; it dies with the test.
 */
struct gateway_options {
    const char *nats_url;
    const char *nats; /* further lines of the nats mapping, indented by two; may be NULL */
    const char
        *listen; /* further lines of the listen list: keys of the cleartext listener, more listeners; may be NULL */
    const char
        *yaml; /* the rest of the configuration: routes, defaults, limits, admin …; drains at once if it has no drain */
    unsigned workers;   /* 0: one */
    const int *sockets; /* listening ones to pass to it: of the TLS listener, and of the cleartext one; NULL: none */
};

struct gateway {
    pid_t pid; /* 0: not running */
    uint16_t tls_port;
    uint16_t clear_port;
    uint16_t admin_port; /* 0: the configuration has no admin listener */
    char *log_path;
    char *config_path;
    char *nats_lines, *listen_lines, *yaml;
    unsigned workers;
    const int *sockets;
};

const char *gateway_binary(void);

/* The port of the n-th listener in the order of the configuration: 0 has TLS, 1 is the cleartext one. */
uint16_t gateway_port(const struct gateway *gateway, unsigned n);

/* Waits until the gateway has logged `ready` and `nats-connected`: messages published from then on are not lost. */
struct gateway *gateway_start(const struct gateway_options *options);
/* The same, but waits for its listeners only: the broker may be away. */
struct gateway *gateway_start_listening(const struct gateway_options *options);
/* Starts a stopped or killed one again, on the same ports. */
void gateway_restart(struct gateway *gateway);
/*
 * Writes another configuration on the same ports (listen: NULL keeps those lines as they are), sends SIGHUP and waits.
 * True: applied; false: refused.
 */
bool gateway_reload(struct gateway *gateway, const char *listen, const char *yaml);
/* Its exit code, 128 + the signal that killed it, or -1 if it was still running after 5 s and had to be killed. */
int gateway_wait_exit(struct gateway *gateway);
/* The same after a SIGTERM. */
int gateway_stop(struct gateway *gateway);
void gateway_kill(struct gateway *gateway);
/* Kills it if it runs and removes its log. NULL is fine. In a sanitizer run it is stopped instead, and a
 * finding of the sanitizer fails the test. */
void gateway_destroy(struct gateway *gateway);

/* Its stderr so far. The caller frees. */
char *gateway_log(const struct gateway *gateway);
/* Waits for a piece of text in the log. */
bool gateway_wait_log(const struct gateway *gateway, const char *text, int64_t ms);
/* Shows the logs of all gateways of the process on stderr: for a failing test. */
void gateway_show_logs(void);

size_t gateway_rss_bytes(const struct gateway *gateway);
/* Processor time so far, of all its threads. */
double gateway_cpu_seconds(const struct gateway *gateway);
unsigned gateway_fd_count(const struct gateway *gateway);
/* When it has stayed the same for a second: workers open some just after the gateway is ready. */
unsigned gateway_fd_count_at_rest(const struct gateway *gateway);
/* Writes what each is, and the TCP sockets on its first two ports, to stderr: for a failing test. */
void gateway_show_fds(const struct gateway *gateway);

/* Runs the binary with arguments to its end: its exit code, and what it printed to stdout and stderr (freed by the caller). */
struct run_result {
    int code; /* 128 + signal; -1: did not end within 10 s */
    char *out, *err;
};
struct run_result gateway_run(const char *const arguments[]);
void run_result_dispose(struct run_result *result);

#endif
