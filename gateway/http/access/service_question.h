/* service_question.h - a question to a microservice, as JSON */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_SERVICE_QUESTION_H
#define GATEWAY_HTTP_ACCESS_SERVICE_QUESTION_H

#include <stddef.h>

struct service_question;

/*
 * JSON: {"action": "subscribe"|"publish", "route": its path template,
 * "parameters": {name: value}, "subjects": [pattern…], "headers": {those of
 * auth.headers that the request has}, "peer": address, "claims": {the token's}
 * or null, "certificate": its common name or null}. Equal questions are equal
 * texts. The caller frees. NULL: a part of it is not UTF-8; wrong says which.
 */
char *service_question_write(const struct service_question *question, size_t *len, const char **wrong);

#endif
