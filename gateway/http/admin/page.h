/* page.h - the files of the console page */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_PAGE_H
#define GATEWAY_HTTP_ADMIN_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct app;
struct st_h2o_req_t;

/*
 * Answers a GET or HEAD of / and /assets/… with the file, and with a policy
 * that lets it load and reach nothing but its own origin. The files hold no
 * secrets and are the same for everybody. False: there is no such file, nothing
 * was answered.
 */
bool page_answer(struct app *app, struct st_h2o_req_t *req, size_t path_len);

#endif
