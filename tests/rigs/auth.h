/* auth.h - a gateway whose routes want tokens, and a key to sign them with */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RIGS_AUTH_H
#define TESTS_RIGS_AUTH_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

struct auth {
    struct rig rig;
    struct tokens_key *key;
    char *key_file;
};

/* One per test: each test runs in a process of its own. */
extern struct auth auth;

/* yaml: the configuration from the routes on; each %K in it becomes the path of the key file. */
void auth_start(const char *yaml);
/* The same without the log mapping that auth_start puts in front. */
void auth_start_as_it_is(const char *yaml);
/* Skips what was never started. */
void auth_stop(void);

/* A good token with these grants, as JSON lists; good for a minute. The caller frees. */
char *auth_token(const char *sub, const char *subscribe, const char *publish);
/* "authorization: Bearer TOKEN", valid until the next call. */
const char *auth_bearer(const char *token);
/* The status of a GET; a stream is closed then. body: the text of a finite answer, freed by the caller; or NULL. */
int auth_status(struct http_client *of, const char *path, const char *header, char **body);

#endif
