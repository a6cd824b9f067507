/* options.c - the command line of freshet-load */
/* SPDX-License-Identifier: MIT */
#include "bench/load/options.h"

#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/stamp.h"

#define HOLE "{subject}"

static const char help[] =
    "usage: freshet-load --url URL [options]\n"
    "Opens many text/event-stream streams over HTTP/2, verifies every event and measures its latency.\n"
    "\n"
    "what to open\n"
    "  --url URL              https:// or http:// (h2 with prior knowledge); {subject} is replaced\n"
    "  --subject PATTERN      subject, %d stands for its number               (bench.%d)\n"
    "  --subjects N           how many subjects the pattern stands for        (1)\n"
    "  --per-stream N         subjects on each stream; the query part with {subject} is repeated (1)\n"
    "  --wildcard PATTERN     subscribe to this instead; each stream then gets all N subjects\n"
    "  --header 'NAME: VALUE' one more request header\n"
    "  --connections N        (10)\n"
    "  --streams N            streams of each connection                      (100)\n"
    "  --threads N            (1)\n"
    "  --parallel N           handshakes at the same time, per thread         (32)\n"
    "  --source-addresses N   spread over 127.0.0.1 … 127.0.0.N               (one per 10,000 connections)\n"
    "how long\n"
    "  --warmup S             after all streams are open                      (1)\n"
    "  --duration S           measured time                                   (5)\n"
    "  --ready-timeout S      all streams must be open within                 (120)\n"
    "  --expect N             every stream must end with sequence N\n"
    "  --grace S              how long to wait for that                       (5)\n"
    "  --control              no clock: commands on stdin (measure, cut, resume, expect N, stop), answers on stdout\n"
    "  --resumable            remember event ids, for the commands cut and resume\n"
    "kinds of readers\n"
    "  --stall SHARE          this share of connections stops reading when measuring starts (0)\n"
    "  --reconnect-every S    each connection is cut that often and resumes with Last-Event-ID\n"
    "  --cut-all-at S         all are cut at once, so long after measuring starts, and resume\n"
    "  --allow-gaps           an announced gap is counted but is no error\n"
    "  --allow-closed         a stream the server ends is counted but is no error\n"
    "report\n"
    "  --json FILE            figures as JSON\n"
    "  --server-pid PID,…     CPU time and memory of these processes beside our own\n"
    "  --progress             a line per second on stderr\n"
    "Exit status: 0 all held, 1 usage, 2 could not run, 3 an error was found in the streams.\n";

enum {
    OPT_URL = 256,
    OPT_SUBJECT,
    OPT_SUBJECTS,
    OPT_PER_STREAM,
    OPT_WILDCARD,
    OPT_HEADER,
    OPT_CONNECTIONS,
    OPT_STREAMS,
    OPT_THREADS,
    OPT_PARALLEL,
    OPT_SOURCES,
    OPT_WARMUP,
    OPT_DURATION,
    OPT_READY_TIMEOUT,
    OPT_EXPECT,
    OPT_GRACE,
    OPT_CONTROL,
    OPT_RESUMABLE,
    OPT_STALL,
    OPT_RECONNECT,
    OPT_CUT,
    OPT_ALLOW_GAPS,
    OPT_ALLOW_CLOSED,
    OPT_JSON,
    OPT_PID,
    OPT_PROGRESS,
    OPT_HELP
};

static const struct option longopts[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"subject", required_argument, NULL, OPT_SUBJECT},
    {"subjects", required_argument, NULL, OPT_SUBJECTS},
    {"per-stream", required_argument, NULL, OPT_PER_STREAM},
    {"wildcard", required_argument, NULL, OPT_WILDCARD},
    {"header", required_argument, NULL, OPT_HEADER},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"streams", required_argument, NULL, OPT_STREAMS},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"parallel", required_argument, NULL, OPT_PARALLEL},
    {"source-addresses", required_argument, NULL, OPT_SOURCES},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"ready-timeout", required_argument, NULL, OPT_READY_TIMEOUT},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"grace", required_argument, NULL, OPT_GRACE},
    {"control", no_argument, NULL, OPT_CONTROL},
    {"resumable", no_argument, NULL, OPT_RESUMABLE},
    {"stall", required_argument, NULL, OPT_STALL},
    {"reconnect-every", required_argument, NULL, OPT_RECONNECT},
    {"cut-all-at", required_argument, NULL, OPT_CUT},
    {"allow-gaps", no_argument, NULL, OPT_ALLOW_GAPS},
    {"allow-closed", no_argument, NULL, OPT_ALLOW_CLOSED},
    {"json", required_argument, NULL, OPT_JSON},
    {"server-pid", required_argument, NULL, OPT_PID},
    {"progress", no_argument, NULL, OPT_PROGRESS},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void parse_url(struct options *o)
{
    const char *p = o->url;
    o->tls = strncmp(p, "https://", 8) == 0;
    if (!o->tls && strncmp(p, "http://", 7) != 0)
        tool_usage_error("--url: '%s' is neither https:// nor http://", o->url);
    p += o->tls ? 8 : 7;
    size_t len = strcspn(p, "/?#");
    o->target = p + len;
    if (*o->target != '/')
        tool_usage_error("--url: '%s' has no path", o->url);
    if (len == 0 || len >= sizeof(o->authority))
        tool_usage_error("--url: '%s' has no usable host", o->url);
    memcpy(o->authority, p, len);
    o->authority[len] = '\0';

    const char *colon = strrchr(o->authority, ':');
    const char *bracket = strrchr(o->authority, ']');
    if (colon != NULL && bracket != NULL && colon < bracket)
        colon = NULL;
    size_t host_len = colon == NULL ? len : (size_t)(colon - o->authority);
    bool bracketed = o->authority[0] == '[' && bracket != NULL;
    size_t from = bracketed ? 1 : 0;
    host_len -= bracketed ? 2 : 0;
    if (host_len >= sizeof(o->host))
        tool_usage_error("--url: the host is too long");
    memcpy(o->host, o->authority + from, host_len);
    o->host[host_len] = '\0';

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(o->host, colon == NULL ? (o->tls ? "443" : "80") : colon + 1, &hints, &found);
    if (error != 0)
        tool_usage_error("--url: %s: %s", o->authority, gai_strerror(error));
    memcpy(&o->address, found->ai_addr, found->ai_addrlen);
    o->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

static void check(struct options *o)
{
    if (o->url == NULL)
        tool_usage_error("--url is missing (see --help)");
    parse_url(o);
    if (strstr(o->subject, "%d") == NULL && o->subjects != 1)
        tool_usage_error("--subjects %u needs a --subject with %%d", o->subjects);
    if (o->wildcard != NULL)
        o->subjects_per_stream = o->subjects;
    if (o->subjects_per_stream > o->subjects)
        tool_usage_error("--per-stream %u is more than --subjects %u", o->subjects_per_stream, o->subjects);
    const char *hole = strstr(o->target, HOLE), *query = strchr(o->target, '?');
    if (hole != NULL && (query == NULL || hole < query) && o->subjects_per_stream > 1 && o->wildcard == NULL)
        tool_usage_error("--per-stream needs {subject} in the query of the URL");
    if (o->header != NULL && strstr(o->header, ": ") == NULL)
        tool_usage_error("--header: '%s' is not 'name: value'", o->header);
    if (o->source_addresses == 0)
        o->source_addresses = 1 + (o->connections - 1) / 10000;
    if (o->threads > o->connections)
        o->threads = o->connections;
    o->keep_ids = o->keep_ids || o->reconnect_every_s > 0 || o->cut_all_at_s > 0;
}

static void set_numbers(struct options *o, int c, const char *bare, const char *arg)
{
    char name[40];
    snprintf(name, sizeof(name), "--%s", bare);
    switch (c) {
    case OPT_SUBJECTS:
        o->subjects = (uint32_t)tool_number(name, arg, 1, STAMP_SUBJECTS_MAX);
        break;
    case OPT_PER_STREAM:
        o->subjects_per_stream = (uint32_t)tool_number(name, arg, 1, 1024);
        break;
    case OPT_CONNECTIONS:
        o->connections = (uint32_t)tool_number(name, arg, 1, 1000000);
        break;
    case OPT_STREAMS:
        o->streams = (uint32_t)tool_number(name, arg, 1, 1000000);
        break;
    case OPT_THREADS:
        o->threads = (uint32_t)tool_number(name, arg, 1, 64);
        break;
    case OPT_PARALLEL:
        o->connect_parallel = (uint32_t)tool_number(name, arg, 1, 100000);
        break;
    case OPT_SOURCES:
        o->source_addresses = (uint32_t)tool_number(name, arg, 1, 250);
        break;
    case OPT_WARMUP:
        o->warmup_s = tool_decimal(name, arg, 0, 86400);
        break;
    case OPT_DURATION:
        o->duration_s = tool_decimal(name, arg, 0, 86400);
        break;
    case OPT_READY_TIMEOUT:
        o->ready_timeout_s = tool_decimal(name, arg, 0.1, 86400);
        break;
    case OPT_EXPECT:
        o->expect = tool_number(name, arg, 1, STAMP_SEQUENCE_MAX);
        break;
    case OPT_GRACE:
        o->grace_s = tool_decimal(name, arg, 0, 86400);
        break;
    case OPT_STALL:
        o->stall = tool_decimal(name, arg, 0, 1);
        break;
    case OPT_RECONNECT:
        o->reconnect_every_s = tool_decimal(name, arg, 0.001, 86400);
        break;
    case OPT_CUT:
        o->cut_all_at_s = tool_decimal(name, arg, 0.001, 86400);
        break;
    default:
        break;
    }
}

/* False: not a flag and not a string. */
static bool set_others(struct options *o, int c, const char *arg)
{
    switch (c) {
    case OPT_URL:
        o->url = arg;
        return true;
    case OPT_SUBJECT:
        o->subject = arg;
        return true;
    case OPT_WILDCARD:
        o->wildcard = arg;
        return true;
    case OPT_HEADER:
        o->header = arg;
        return true;
    case OPT_CONTROL:
        o->control = true;
        return true;
    case OPT_RESUMABLE:
        o->keep_ids = true;
        return true;
    case OPT_ALLOW_GAPS:
        o->allow_gaps = true;
        return true;
    case OPT_ALLOW_CLOSED:
        o->allow_closed = true;
        return true;
    case OPT_JSON:
        o->json = arg;
        return true;
    case OPT_PID:
        tool_parse_pids("--server-pid", arg, &o->servers);
        return true;
    case OPT_PROGRESS:
        o->progress = true;
        return true;
    default:
        return false;
    }
}

void options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.subject = "bench.%d",
                          .subjects = 1,
                          .subjects_per_stream = 1,
                          .connections = 10,
                          .streams = 100,
                          .threads = 1,
                          .connect_parallel = 32,
                          .warmup_s = 1,
                          .duration_s = 5,
                          .ready_timeout_s = 120,
                          .grace_s = 5};
    int c, at = 0;
    while ((c = getopt_long(argc, argv, "", longopts, &at)) != -1) {
        if (c == '?')
            exit(1);
        if (c == OPT_HELP) {
            fputs(help, stdout);
            exit(0);
        }
        if (!set_others(o, c, optarg))
            set_numbers(o, c, longopts[at].name, optarg);
    }
    if (optind != argc)
        tool_usage_error("'%s' is not an option", argv[optind]);
    check(o);
}

/* A NATS subject may hold what a URL may not ('>' above all). */
static size_t append_encoded(char *dst, size_t size, size_t at, const char *s)
{
    for (; *s != '\0'; ++s) {
        bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                     strchr("-._~*", *s) != NULL;
        int n = snprintf(dst + at, size - at, plain ? "%c" : "%%%02X", plain ? *s : (unsigned char)*s);
        at += (size_t)n;
        if (at >= size)
            tool_die("the request target is too long");
    }
    return at;
}

static size_t append(char *dst, size_t size, size_t at, const char *s, size_t len)
{
    if (at + len >= size)
        tool_die("the request target is too long");
    memcpy(dst + at, s, len);
    return at + len;
}

uint32_t options_first_subject(const struct options *o, uint64_t index)
{
    return o->wildcard != NULL ? 0 : (uint32_t)(index * o->subjects_per_stream % o->subjects);
}

size_t options_target(const struct options *o, uint64_t index, char *dst, size_t size)
{
    const char *hole = strstr(o->target, HOLE);
    if (hole == NULL)
        return append(dst, size, 0, o->target, strlen(o->target));
    /* The whole "key={subject}" is what gets repeated, so look for the separators around it. */
    const char *part = hole;
    while (part > o->target && part[-1] != '?' && part[-1] != '&')
        --part;
    const char *rest = hole + sizeof(HOLE) - 1;
    size_t at = append(dst, size, 0, o->target, (size_t)(part - o->target));
    uint32_t first = options_first_subject(o, index), count = o->wildcard != NULL ? 1 : o->subjects_per_stream;
    for (uint32_t i = 0; i < count; ++i) {
        char subject[300];
        tool_expand(subject, sizeof(subject), o->wildcard != NULL ? o->wildcard : o->subject,
                    (first + i) % o->subjects);
        if (i != 0)
            at = append(dst, size, at, "&", 1);
        at = append(dst, size, at, part, (size_t)(hole - part));
        at = append_encoded(dst, size, at, subject);
    }
    return append(dst, size, at, rest, strlen(rest));
}
