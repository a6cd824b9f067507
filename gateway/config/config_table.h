/* config_table.h - the table of all configuration keys, and what can be done with a struct by it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_TABLE_H
#define GATEWAY_CONFIG_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest path of a key, such as "routes[12].history.bytes". */
#define CONFIG_PATH_MAX 192

/*
 * The mappings of the file; a row of options.def stands in one of them. A
 * route has the keys of ROUTE and, as `defaults` do, those of POLICY.
 */
enum config_mapping {
    CONFIG_TOP = 1 << 0,      /* struct config, as all of these: */
    CONFIG_ADMIN = 1 << 1,    /* admin */
    CONFIG_NATS = 1 << 2,     /* nats */
    CONFIG_TLS = 1 << 3,      /* nats.tls */
    CONFIG_LIMITS = 1 << 4,   /* limits */
    CONFIG_DRAIN = 1 << 5,    /* drain */
    CONFIG_LOG = 1 << 6,      /* log */
    CONFIG_LISTEN = 1 << 7,   /* listen[]: struct config_listen */
    CONFIG_ROUTE = 1 << 8,    /* routes[]: struct config_route, as all of these: */
    CONFIG_DEFAULTS = 1 << 9, /* defaults */
    CONFIG_POLICY = CONFIG_ROUTE | CONFIG_DEFAULTS,
    CONFIG_HISTORY = 1 << 10, /* history */
    CONFIG_CORS = 1 << 11,    /* cors */
    CONFIG_AUTH = 1 << 12,    /* auth */
    CONFIG_JWT = 1 << 13,     /* auth.jwt */
};

/* How a value is written, and checked: see config_value.h. */
enum config_type {
    CONFIG_TYPE_MAPPING = 0,
    CONFIG_TYPE_NUMBER,
    CONFIG_TYPE_DURATION, /* kept in ms */
    CONFIG_TYPE_SIZE,     /* kept in bytes */
    CONFIG_TYPE_FLAG,
    CONFIG_TYPE_CHOICE,
    CONFIG_TYPE_TEXT, /* this and all below are kept as text, but for networks */
    CONFIG_TYPE_SECRET,
    CONFIG_TYPE_URLS, /* of NATS servers; there may be a password in one */
    CONFIG_TYPE_PATH, /* of a file that can be read; kept joined with the folder of the configuration file */
    CONFIG_TYPE_ADDRESS,
    CONFIG_TYPE_NETWORK,
    CONFIG_TYPE_NAME,           /* of a cookie or query value */
    CONFIG_TYPE_STREAM,         /* name of a JetStream stream */
    CONFIG_TYPE_SUBJECT,        /* literal */
    CONFIG_TYPE_TEMPLATE,       /* of a subject */
    CONFIG_TYPE_PATTERN,        /* of subjects */
    CONFIG_TYPE_ORIGIN,         /* "*", or what a browser sends */
    CONFIG_TYPE_HEADER,         /* name; kept in lower case */
    CONFIG_TYPE_MESSAGE_HEADER, /* one that becomes a header of a message, where some are out of place */
    CONFIG_TYPES
};

/* What the member is; of a mapping, what its offset is the place of. */
enum config_storage {
    CONFIG_STORED_NOWHERE = 0, /* a mapping whose keys are members of the struct around it */
    CONFIG_STORED_INSIDE,      /* a mapping whose keys are members of a struct in there */
    CONFIG_STORED_FLAG,        /* bool; of a mapping: it is there */
    CONFIG_STORED_32,          /* unsigned, or an enum */
    CONFIG_STORED_64,
    CONFIG_STORED_TEXT,     /* char *, which the struct owns; NULL: nothing */
    CONFIG_STORED_TEXTS,    /* char ** and a count */
    CONFIG_STORED_NETWORKS, /* struct ip_network * and a count */
    CONFIG_STORED_STRUCTS,  /* an array of what a mapping's keys are members of, and a count */
};

struct config_choice {
    const char *word; /* NULL ends a list */
    unsigned value;
};

struct config_option {
    unsigned mapping; /* where the key stands: bits of enum config_mapping */
    const char *key;
    enum config_type type; /* of a list: of its entries */
    bool is_list;
    enum config_storage storage;
    size_t offset, count_offset; /* in the mapping's struct */
    size_t entry_size;           /* of a list */
    unsigned keys;               /* type mapping: whose rows are its keys */
    const struct config_choice *choices;
    uint64_t least, most; /* of the number, or of the list's length */
    const char *builtin;  /* as the file would write it; NULL: nothing */
    bool is_required, is_whole, needs_restart;
    const char *zero, *word, *needs, *only_with, *inherits; /* see options.def; NULL: nothing such */
    const char *help;
};

/* The rows of a mapping in the order of options.def: the one after that one, NULL for the first; NULL at the end. */
const struct config_option *config_table_next(unsigned mapping, const struct config_option *after);
#define CONFIG_TABLE_EACH(option, mapping)                                                                             \
    for (const struct config_option *option = config_table_next(mapping, NULL); option != NULL;                        \
         option = config_table_next(mapping, option))
/* NULL: there is no such key. */
const struct config_option *config_table_find(unsigned mapping, const char *key, size_t len);
/* Of another row of the same mapping, by the part of the text behind its last dot and before its colon. */
const struct config_option *config_table_sibling(const struct config_option *option, const char *text);

/* ---- by the rows of the mapping: a and b are its struct ---- */

/* What the row itself keeps: of a mapping, that it is there. */
bool config_table_is_same_member(const struct config_option *option, const void *a, const void *b);
/* With all that is in it. What defaults have counts where a route takes it over. */
bool config_table_is_same(const struct config_option *option, const void *a, const void *b);
/* All rows of a mapping. */
bool config_table_are_same(unsigned mapping, const void *a, const void *b);
/* Frees what the members own. */
void config_table_dispose(unsigned mapping, void *at);

#endif
