/* config.h - the configuration file, read and checked as a whole */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_H
#define GATEWAY_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/ip.h"
#include "gateway/base/log.h"
#include "gateway/config/policy.h"
#include "proto/route.h"

/* How a gateway follows a JetStream stream. */
enum config_live { CONFIG_LIVE_CONSUMER = 0, CONFIG_LIVE_REPUBLISH };

struct config_listen {
    char *address;     /* "127.0.0.1:8443", "[::1]:8443", "*:8443" */
    char *certificate; /* PEM chain; NULL: cleartext */
    char *key;
    char *
        client_ca; /* PEM file: clients must show a certificate that one of these CAs has signed; NULL: none is asked for */
    struct ip_network *proxy_protocol; /* who comes from here begins with a PROXY protocol v2 header */
    unsigned proxy_protocol_count;
    struct ip_network *forwarded; /* who comes from here is believed its x-forwarded-for */
    unsigned forwarded_count;
};

struct config_history {
    enum policy_store store;
    uint32_t events;   /* ring: at most so many events … */
    uint64_t bytes;    /* … and so many bytes, per channel */
    int64_t linger_ms; /* how long a channel is kept after its last reader left */
    char *stream;      /* JetStream stream; NULL unless store is jetstream */
    enum config_live live;
    unsigned source; /* 0: core NATS; n: config.streams[n - 1] */
};

/* One JetStream stream, of however many routes. */
struct config_stream {
    const char *name; /* of a route's history */
    enum config_live live;
    uint32_t events;       /* the longest ring of its routes */
    const char **subjects; /* patterns of its routes: templates with each parameter as *, and what they allow */
    unsigned subjects_count;
};
#define CONFIG_STREAMS_MAX 15
/* Event loops. */
#define CONFIG_WORKERS_MAX 64
/* More subjects than this on one stream are refused. */
#define CONFIG_SUBJECTS_MAX 32
/* More headers than this in one list. */
#define CONFIG_HEADERS_MAX 16
/* Distinct auth.request of all routes. */
#define CONFIG_QUESTIONS_MAX 32
/* Distinct presence of all routes. */
#define CONFIG_PRESENCES_MAX 64

struct config_cors {
    char **origins; /* exact origins, or the one string "*"; count 0: no CORS */
    unsigned origins_count;
    bool credentials;
};

/* Where a token may be, bits. */
enum config_token_from { CONFIG_FROM_HEADER = 1, CONFIG_FROM_COOKIE = 2, CONFIG_FROM_QUERY = 4 };

struct config_auth {
    bool required;           /* false: open to any client; the rest is empty */
    bool is_public;          /* as the file says it; settled, it is false */
    bool jwt;                /* a token is wanted, verified by: */
    unsigned keys;           /* config.key_files[keys] */
    char *keys_file;         /* the same, by name */
    char *issuer, *audience; /* what its iss and aud must be; NULL: whatever */
    int64_t leeway_ms;       /* clocks differ by no more */
    unsigned from;           /* enum config_token_from */
    char *cookie, *query;    /* names */
    char *request;           /* subject of the microservice that decides; NULL: none */
    int64_t timeout_ms;      /* … within so long */
    char **headers;          /* request headers that it gets to see, lower case */
    unsigned headers_count;
};

struct config_route {
    char *path;
    struct route compiled; /* points into path */
    char **subjects;       /* subject templates; the client chooses when there are none … */
    unsigned subjects_count;
    char **allow; /* … and each choice must lie inside one of these patterns */
    unsigned allow_count;
    int64_t retry_ms;
    int64_t heartbeat_ms;
    struct config_history history;
    enum policy_slow slow;
    enum policy_event event;
    enum policy_format format;
    struct config_cors cors;
    bool publish;   /* takes POST instead of GET: the one subject may be published to, not read */
    char **headers; /* of a publish route: request headers that become headers of the message, lower case */
    unsigned headers_count;
    struct config_auth auth;
    char *presence; /* template of the subject that is told who comes and goes; NULL: none is */
};

struct config_nats {
    char *url; /* comma separated */
    char *user, *password, *token;
    char *credentials; /* path of a .creds file */
    char *name;        /* connection name shown by the server */
    struct {
        char *ca, *certificate, *key;
        bool enabled; /* a tls mapping is present, or the url says tls:// */
    } tls;
};

struct config_limits {
    uint64_t connections;     /* client connections in all; 0: as many as the descriptor limit allows */
    int64_t write_timeout_ms; /* a connection that accepts no byte for so long is shut down */
    unsigned replays;         /* readers of stored events at work at a time, for each JetStream stream */

    /* Of one client: an IPv4 address, or the /64 of an IPv6 address. 0: no limit. */
    unsigned connections_per_address;
    unsigned new_streams_per_address; /* per second */
    unsigned streams_per_address;     /* open at a time */
    uint64_t memory_per_address;      /* bytes, as estimated from what its connections and streams hold */

    /* Of all clients together, and of each token. 0: no limit. */
    uint64_t streams_total;     /* open at a time */
    unsigned new_streams_total; /* per second */
    unsigned streams_per_token; /* open at a time */
    uint64_t history_bytes;     /* of all rings together */

    unsigned handshakes;       /* connections that are being opened, in all */
    unsigned streams;          /* on one connection: 1 … 100 */
    unsigned new_streams;      /* on one connection, per second */
    unsigned header_bytes;     /* of one request */
    unsigned header_fields;    /* of one request */
    int64_t idle_ms;           /* a connection without a stream is closed after so long */
    int64_t connection_age_ms; /* a connection is closed after so long, whatever it does; 0: never */
};

/* From SIGTERM to the end. */
struct config_drain {
    int64_t window_ms;  /* streams end one after the other over so long; 0: at once */
    int64_t timeout_ms; /* what is left is cut; at least window_ms */
};

struct config {
    char *name;       /* of this gateway among others: one token of a subject; NULL: it makes one up */
    bool info;        /* it answers questions about itself over NATS */
    unsigned workers; /* resolved: at least 1 */
    struct config_listen *listen;
    unsigned listen_count;
    char *admin_address; /* NULL: no admin listener */
    char *admin_token;   /* what requests there have to show as Authorization: Bearer; NULL: nothing */
    bool admin_console;  /* the page is served there, and the routes beside it */
    int64_t watchdog_ms; /* a worker that has not turned for so long ends the process; 0: never */
    struct config_nats nats;
    struct config_limits limits;
    struct config_drain drain;
    struct {
        enum log_level level;
        enum log_format format;
        bool access; /* a line for each stream that ends */
    } log;
    struct config_route defaults; /* what routes inherit; they have it, so nothing else needs to look here */
    struct config_route *routes;  /* in matching order, see route_compare */
    unsigned routes_count;
    struct config_stream *streams; /* distinct names */
    unsigned streams_count;
    const char **key_files; /* JWKS files of the routes, distinct: keys_file of one of them */
    unsigned key_files_count;
    char *effective; /* all of it as JSON, secrets masked: see config_show.h */
};

/*
 * Reads and checks the file as a whole: YAML, schema, units, templates,
 * subjects, conflicts between routes, files that must exist. Each problem is
 * reported to on_error, one call each, as "FILE:LINE: KEY.PATH: what is wrong"
 * (without a line where the file has none to blame; the key path as "routes[2].history.bytes").
 * Relative paths of certificates, keys and credentials are taken relative to
 * the file's folder. Returns NULL when anything is wrong: nothing is half
 * loaded. Not thread safe against itself; config_destroy frees the result.
 */
typedef void (*config_error_fn)(void *arg, const char *message);
struct config *config_load(const char *file, config_error_fn on_error, void *arg);
/* The same from memory; name stands for the file in messages, paths are relative to the working directory. */
struct config *config_parse(const char *name, const char *yaml, size_t len, config_error_fn on_error, void *arg);
void config_destroy(struct config *config);

/* The route of that path template, NULL: there is none. */
const struct config_route *config_find_route(const struct config *config, const char *path);

#endif
