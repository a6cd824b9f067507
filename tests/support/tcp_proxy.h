/* tcp_proxy.h - a loopback connection that a test can cut under both its ends, and heal */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TCP_PROXY_H
#define TESTS_SUPPORT_TCP_PROXY_H

/*
 * Threads of its own accept on a free port of 127.0.0.1 and forward to another
 * port there, both ways. The calls are for one thread at a time; a failure ends
 * the process by fixture_fail.
 */
struct tcp_proxy;

struct tcp_proxy *tcp_proxy_start(int target_port);
/* NULL is fine. */
void tcp_proxy_stop(struct tcp_proxy *proxy);
int tcp_proxy_port(const struct tcp_proxy *proxy);

/* Ends all connections, with whatever they are carrying; new ones are closed as soon as they are made. */
void tcp_proxy_cut(struct tcp_proxy *proxy);
/* New connections are forwarded again. */
void tcp_proxy_heal(struct tcp_proxy *proxy);

#endif
