/* config_value.h - values of the configuration that are more than a word: is the text one, and which */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_VALUE_H
#define GATEWAY_CONFIG_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_report;

/* One part of the file that is being checked: keys below are relative to prefix, "routes[2]." for example. */
struct config_scope {
    struct config_report *report;
    const char *folder; /* what relative paths of files start from, with its '/'; "" is the working directory */
    char prefix[48];
};

/* As config_report, for a key of the scope. */
void config_scope_error(const struct config_scope *scope, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * What a number, a duration (in ms) or a size (in bytes) may be. 0 is outside
 * of min..max unless zero is set.
 */
struct config_range {
    uint64_t min, max;
    bool zero;
    const char *text; /* the range in words: "1s to 1h, or 0 for never" */
};

/* A value of NULL (the key is not there) leaves *out as it is; so does a bad one, which is reported. */
void config_read_number(const struct config_scope *scope, const char *key, const char *value,
                        const struct config_range *range, uint64_t *out);
void config_read_duration(const struct config_scope *scope, const char *key, const char *value,
                          const struct config_range *range, int64_t *out);
void config_read_size(const struct config_scope *scope, const char *key, const char *value,
                      const struct config_range *range, uint64_t *out);

/* The path of a file that can be read, joined with the scope's folder, for the caller to free; NULL for NULL. */
char *config_read_file(const struct config_scope *scope, const char *key, const char *value);

/* NULL when it is one, else what is wrong. An origin is what a browser sends: scheme://host[:port], or "*". */
const char *config_check_origin(const char *s);
/* A comma separated list of nats:// and tls:// URLs. *uses_tls: there is a tls:// among them. */
const char *config_check_nats_url(const char *s, bool *uses_tls);

#endif
