/* nats_fixture.h - a real nats-server of a test's own, on a free loopback port */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_NATS_FIXTURE_H
#define TESTS_SUPPORT_NATS_FIXTURE_H

#include <stddef.h>

/*
 * JetStream is on, its store and the server's log live in a directory of the
 * fixture's own. The server dies with the thread that started it, and the
 * directory goes with the process, also when the test crashes. Not thread
 * safe: one fixture belongs to one thread.
 */
struct nats_fixture;

/*
 * Starts a server and waits until it takes clients. config is the text of a
 * server configuration without port, monitoring port and store directory
 * (these are given on the command line), or NULL. On failure the reason and
 * the server's log go to stderr and the result is NULL.
 */
struct nats_fixture *nats_fixture_start(const char *config);

/* "nats://127.0.0.1:PORT"; the same after a restart. Valid until nats_fixture_stop. */
const char *nats_fixture_url(const struct nats_fixture *fixture);
int nats_fixture_port(const struct nats_fixture *fixture);
/* Port of the server's HTTP monitoring (/connz, /subsz, …); the same after a restart. */
int nats_fixture_monitor_port(const struct nats_fixture *fixture);
/* The server's log so far, on stderr. */
void nats_fixture_show_log(const struct nats_fixture *fixture);
/* A directory for the test's own files (certificates, …), removed with the fixture. */
const char *nats_fixture_directory(const struct nats_fixture *fixture);

/* SIGKILL, and waits until the process is gone. Nothing if it isn't running. */
void nats_fixture_kill(struct nats_fixture *fixture);
/* SIGSTOP and SIGCONT: a broker that is there and doesn't answer. */
void nats_fixture_pause(struct nats_fixture *fixture);
void nats_fixture_resume(struct nats_fixture *fixture);
/* Any other signal: SIGUSR2 is lame duck, SIGHUP reloads the configuration. */
void nats_fixture_signal(struct nats_fixture *fixture, int signal);
/* Kills if need be and starts on the same ports with the same store; aborts the process if that fails. */
void nats_fixture_restart(struct nats_fixture *fixture);
/* The same with another configuration text. */
void nats_fixture_restart_with(struct nats_fixture *fixture, const char *config);
/* The same with an empty store. */
void nats_fixture_restart_empty(struct nats_fixture *fixture);
/* Kills the server, removes the directory and frees the fixture. NULL is fine. */
void nats_fixture_stop(struct nats_fixture *fixture);

#endif
