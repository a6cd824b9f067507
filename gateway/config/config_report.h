/* config_report.h - tells what is wrong in a configuration file, and where */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_REPORT_H
#define GATEWAY_CONFIG_CONFIG_REPORT_H

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

/* Longest key path shown, such as "routes[12].history.bytes". */
#define CONFIG_PATH_MAX 192
/* A value as a message shows it: quoted, cut, without control bytes. */
struct config_shown {
    char text[96];
};
struct config_shown config_show(const char *value);

/*
 * One problem: "NAME:LINE: PATH: reason". config_report finds the line of the
 * path in the document, or of the nearest mapping around it when the key is
 * missing. A line of 0 and an empty path are left out. No format may show a
 * password, a token or a URL (which may hold them).
 */
void config_report(struct config_report *report, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_report_at(struct config_report *report, size_t line, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
