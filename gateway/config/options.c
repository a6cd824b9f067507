/* options.c - the table of all configuration keys, for --help and for built-in defaults */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/options.h"

#include <string.h>

#include "gateway/base/check.h"

static const struct options_row rows[] = {
#define X(path, type, builtin, help) {path, type, builtin, help},
#include "gateway/config/options.def"
#undef X
};

const struct options_row *options_at(size_t i)
{
    return i < sizeof(rows) / sizeof(rows[0]) ? &rows[i] : NULL;
}

const char *options_builtin(const char *path)
{
    const struct options_row *row;
    size_t i = 0;

    while ((row = options_at(i)) != NULL && strcmp(row->path, path) != 0)
        ++i;
    CHECK(row != NULL);
    CHECK(strcmp(row->builtin, "required") != 0 && strcmp(row->builtin, "-") != 0);
    return row->builtin;
}
