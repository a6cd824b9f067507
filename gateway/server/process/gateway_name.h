/* gateway_name.h - what this gateway is called among others */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_PROCESS_GATEWAY_NAME_H
#define GATEWAY_SERVER_PROCESS_GATEWAY_NAME_H

#define GATEWAY_NAME_MAX 96

/*
 * The configured name; or, where that is NULL, the host's with a random end,
 * so that two processes of one host, and two lives of one, are told apart. One
 * token of a subject.
 */
void gateway_name_make(const char *configured, char dst[static GATEWAY_NAME_MAX]);

#endif
