/* config_rig.h - a configuration from a text, and the errors it gets */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_CONFIG_RIG_H
#define TESTS_UNIT_CONFIG_RIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/config.h"

#define LISTEN "listen: [{address: '127.0.0.1:0'}]\n"
#define ROUTES "routes: [{path: /a, subjects: [a]}]\n"

struct errors {
    unsigned count;
    size_t len;
    char text[8192]; /* one message a line */
};

static inline void errors_add(void *arg, const char *message)
{
    struct errors *errors = arg;

    ++errors->count;
    errors->len += (size_t)snprintf(errors->text + errors->len, sizeof(errors->text) - errors->len, "%s\n", message);
    cr_assert_lt(errors->len, sizeof(errors->text));
}

/* The text of a file; errors: those it gets. */
static inline struct config *rig_parse(const char *yaml, struct errors *errors)
{
    *errors = (struct errors){0};
    return config_parse("f.yaml", yaml, strlen(yaml), errors_add, errors);
}

static inline struct config *rig_accept(const char *yaml)
{
    struct errors errors;
    struct config *config = rig_parse(yaml, &errors);

    cr_assert_not_null(config, "%s\nsays: %s", yaml, errors.text);
    return config;
}

/* … of a file. */
static inline struct config *rig_load(const char *path)
{
    struct errors errors = {0};
    struct config *config = config_load(path, errors_add, &errors);

    cr_assert_not_null(config, "%s", errors.text);
    return config;
}

#endif
