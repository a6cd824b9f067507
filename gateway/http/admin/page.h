/* page.h - the files of the console page */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_PAGE_H
#define GATEWAY_HTTP_ADMIN_PAGE_H

#include <stdbool.h>

struct exchange;

/*
 * Answers a GET or HEAD of / and /assets/… with the file, and with a policy
 * that lets it load and reach nothing but its own origin. The files hold no
 * secrets, so no token is required. False: there is no such file, nothing was
 * answered.
 */
bool page_answer(struct exchange *exchange);

#endif
