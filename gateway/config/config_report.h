/* config_report.h - reports what is wrong in a configuration file, and where */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_REPORT_H
#define GATEWAY_CONFIG_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config/config.h"

struct yaml_document_s;

struct config_report {
    const char *name; /* the file, as messages show it */
    config_error_fn on_error;
    void *arg;
    struct yaml_document_s *document; /* NULL until the file has been parsed; gives paths their lines */
    unsigned count;                   /* problems so far */
};

/* A value as a message shows it: quoted, cut, without control bytes. */
struct config_quoted {
    char text[96];
};
struct config_quoted config_report_quote(const char *value);

/*
 * One problem: "NAME:LINE: PATH: reason". A line of 0 and an empty path are
 * left out. No reason may show a password, a token or a URL (which may hold
 * them).
 */
void config_report_at(struct config_report *report, size_t line, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A part of the file that is being checked: keys are relative to prefix, "routes[2]." for example. */
struct config_scope {
    struct config_report *report;
    char prefix[48];
};

/* The same for a key of the scope; the line is that of the key, or of the nearest mapping around it if it isn't there. */
void config_report_key(const struct config_scope *scope, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The file has that key of the scope. */
bool config_report_has(const struct config_scope *scope, const char *key);

#endif
