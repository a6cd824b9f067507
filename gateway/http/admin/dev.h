/* dev.h - what --dev serves besides the routes: the page, and publishing */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_DEV_H
#define GATEWAY_HTTP_ADMIN_DEV_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;

/* The page may publish on these only. */
#define DEV_SUBJECTS "demo.>"

/*
 * GET / and /assets/…: the page. GET /console.json: see
 * console_send_info. GET /dev/connection: JSON about the connection the request came on.
 * GET /dev/metrics, /dev/streams: the admin listener's /metrics and /streams, to
 * loopback addresses only.
 * POST /publish/{subject}: publishes the body to a literal subject inside
 * DEV_SUBJECTS; 202 when the broker has it, 201 when the stream of a durable
 * route does. POST /dev/cut: 204, and when that has left, the connection it
 * came in on is shut down with all its streams. Both from loopback addresses
 * and from the page's own origin only.
 * False: none of these, nothing was answered.
 */
bool dev_answer(struct exchange *exchange);

#endif
