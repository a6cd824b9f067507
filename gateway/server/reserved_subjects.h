/* reserved_subjects.h - the subjects that a configuration reserves */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_RESERVED_SUBJECTS_H
#define GATEWAY_SERVER_RESERVED_SUBJECTS_H

#include <stdbool.h>

struct config;

/*
 * Requests to auth microservices contain clients' claims and headers, and
 * presence contains names: from the call on, no stream carries these subjects
 * and no client publishes to them. One thread at a time. False: there are too
 * many, RESERVED_SUBJECTS_TOO_MANY says it.
 */
#define RESERVED_SUBJECTS_TOO_MANY "too many different subjects of auth.request and presence"
bool reserved_subjects_declare(const struct config *config);

#endif
