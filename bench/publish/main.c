/* main.c - freshet-publish: sends stamped messages at an open-loop rate */
/* SPDX-License-Identifier: MIT */
#include "bench/publish/publish.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench/common/histogram.h"
#include "bench/common/stamp.h"
#include "bench/common/tool.h"

static const char help[] =
    "usage: freshet-publish (--nats URL | --http URL) [options]\n"
    "  --nats URL             core NATS, or JetStream with --jetstream\n"
    "  --http URL             POST to this, {subject} is replaced\n"
    "  --subject PATTERN      %d stands for the number of the subject        (bench.%d)\n"
    "  --subjects N           taken in turn, each as often as the others     (1)\n"
    "  --size BYTES           payload, at least 16                           (100)\n"
    "  --rate N               messages a second over all subjects, or max    (1000)\n"
    "  --burst N              messages sent back to back at each due time    (1)\n"
    "  --duration S           how long, or                                   (5)\n"
    "  --count N              how many over all subjects\n"
    "  --first N              sequence of each subject's first message       (1)\n"
    "  --window N             unacknowledged at most: JetStream, HTTP, and --rate max (256)\n"
    "  --jetstream            wait for acknowledgements; --stream NAME creates a memory stream if needed\n"
    "  --stamp sent|due       time stamp: when it was sent, or was due to be sent (sent)\n"
    "  --json FILE\n"
    "The rate is open-loop: a message that is late is sent late and counted as late, never left out.\n";

enum {
    OPT_NATS = 256,
    OPT_HTTP,
    OPT_SUBJECT,
    OPT_SUBJECTS,
    OPT_SIZE,
    OPT_RATE,
    OPT_BURST,
    OPT_DURATION,
    OPT_COUNT,
    OPT_FIRST,
    OPT_WINDOW,
    OPT_JETSTREAM,
    OPT_STREAM,
    OPT_STAMP,
    OPT_JSON,
    OPT_HELP
};
static const struct option longopts[] = {
    {"nats", required_argument, NULL, OPT_NATS},
    {"http", required_argument, NULL, OPT_HTTP},
    {"subject", required_argument, NULL, OPT_SUBJECT},
    {"subjects", required_argument, NULL, OPT_SUBJECTS},
    {"size", required_argument, NULL, OPT_SIZE},
    {"rate", required_argument, NULL, OPT_RATE},
    {"burst", required_argument, NULL, OPT_BURST},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"count", required_argument, NULL, OPT_COUNT},
    {"first", required_argument, NULL, OPT_FIRST},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"jetstream", no_argument, NULL, OPT_JETSTREAM},
    {"stream", required_argument, NULL, OPT_STREAM},
    {"stamp", required_argument, NULL, OPT_STAMP},
    {"json", required_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* A message further behind its due time than this counts as late; the wake-up of a sleeping process takes less. */
#define LATE_NS 1000000

struct figures {
    uint64_t sent, late, refused;
    uint32_t last_sequence;
    double seconds;
    struct histogram lateness;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void parse_one(struct publish_options *o, int c, const char *arg)
{
    switch (c) {
    case OPT_NATS:
        o->nats = arg;
        break;
    case OPT_HTTP:
        o->http = arg;
        break;
    case OPT_SUBJECT:
        o->subject = arg;
        break;
    case OPT_SUBJECTS:
        o->subjects = (uint32_t)tool_number("--subjects", arg, 1, STAMP_SUBJECTS_MAX);
        break;
    case OPT_SIZE:
        o->size = (uint32_t)tool_number("--size", arg, STAMP_SIZE, 8u << 20);
        break;
    case OPT_RATE:
        o->rate = strcmp(arg, "max") == 0 ? 0 : tool_decimal("--rate", arg, 0.001, 1e8);
        break;
    case OPT_BURST:
        o->burst = (uint32_t)tool_number("--burst", arg, 1, 1000000);
        break;
    case OPT_DURATION:
        o->duration_s = tool_decimal("--duration", arg, 0, 86400);
        break;
    case OPT_COUNT:
        o->count = tool_number("--count", arg, 1, 1ull << 40);
        break;
    case OPT_FIRST:
        o->first = (uint32_t)tool_number("--first", arg, 1, STAMP_SEQUENCE_MAX);
        break;
    case OPT_WINDOW:
        o->window = (uint32_t)tool_number("--window", arg, 1, 1000000);
        break;
    case OPT_JETSTREAM:
        o->jetstream = true;
        break;
    case OPT_STREAM:
        o->stream = arg;
        break;
    case OPT_STAMP:
        if (strcmp(arg, "sent") != 0 && strcmp(arg, "due") != 0)
            tool_usage_error("--stamp is 'sent' or 'due'");
        o->stamp_due = arg[0] == 'd';
        break;
    case OPT_JSON:
        o->json = arg;
        break;
    case OPT_HELP:
        fputs(help, stdout);
        exit(0);
    default:
        exit(1);
    }
}

static void parse(struct publish_options *o, int argc, char **argv)
{
    *o = (struct publish_options){.subject = "bench.%d",
                                  .subjects = 1,
                                  .size = 100,
                                  .rate = 1000,
                                  .duration_s = 5,
                                  .burst = 1,
                                  .first = 1,
                                  .window = 256};
    int c;
    while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1)
        parse_one(o, c, optarg);
    if (optind != argc)
        tool_usage_error("'%s' is not an option", argv[optind]);
    if ((o->nats == NULL) == (o->http == NULL))
        tool_usage_error("give either --nats or --http (see --help)");
    if (o->subjects > 1 && strstr(o->subject, "%d") == NULL)
        tool_usage_error("--subjects %u needs a --subject with %%d", o->subjects);
}

static void sleep_until(int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR && !interrupted)
        continue;
}

/* Subjects are expanded once: at 100,000 messages a second printing them each time would show. */
static char **expand_subjects(const struct publish_options *o)
{
    char **subjects = tool_calloc(o->subjects, sizeof(*subjects)), one[300];
    for (uint32_t i = 0; i < o->subjects; ++i) {
        size_t len = tool_expand(one, sizeof(one), o->subject, i);
        subjects[i] = tool_malloc(len + 1);
        memcpy(subjects[i], one, len + 1);
    }
    return subjects;
}

static void publish_all(const struct publish_options *o, struct way *way, struct figures *f)
{
    char **subjects = expand_subjects(o), *payload = tool_malloc(o->size);
    memset(payload, 'x', o->size);
    uint64_t count = o->count != 0 ? o->count : (uint64_t)(o->rate * o->duration_s + 0.5);
    int64_t started = tool_now_ns(), ends = started + (int64_t)(o->duration_s * 1e9), due = started;
    double gap_ns = o->rate > 0 ? 1e9 * o->burst / o->rate : 0;
    uint32_t sequence = o->first, subject = 0;
    for (;;) {
        /* Only whole rounds, so that every subject ends with the same sequence. */
        bool enough = count != 0 ? f->sent >= count : tool_now_ns() >= ends;
        if (subject == 0 && (enough || interrupted || sequence > STAMP_SEQUENCE_MAX))
            break;
        int64_t now = tool_now_ns();
        if (o->rate > 0 && f->sent % o->burst == 0) {
            uint64_t bursts = f->sent / o->burst;
            due = started + (int64_t)((double)bursts * gap_ns);
            if (due > now) {
                sleep_until(due);
                now = tool_now_ns();
            }
            f->late += now - due > LATE_NS ? o->burst : 0;
            histogram_add(&f->lateness, (uint64_t)(now > due ? now - due : 0));
        } else if (o->rate <= 0) {
            due = now;
        }
        int64_t stamped = o->stamp_due ? due : now;
        struct stamp stamp = {.sequence = sequence, .subject = subject, .sent_ns = (uint64_t)stamped & STAMP_TIME_MASK};
        stamp_write(payload, &stamp);
        ++f->sent;
        bool sleeps_next = o->rate > 0 && f->sent % o->burst == 0;
        way->send(way, subjects[subject], payload, o->size, sleeps_next);
        if (++subject == o->subjects) {
            subject = 0;
            ++sequence;
        }
    }
    f->last_sequence = sequence - 1;
    f->refused = way->settle(way);
    f->seconds = (double)(tool_now_ns() - started) / 1e9;
    for (uint32_t i = 0; i < o->subjects; ++i)
        free(subjects[i]);
    free(subjects);
    free(payload);
}

static void write_json(const struct publish_options *o, const struct figures *f)
{
    FILE *out = fopen(o->json, "we");
    if (out == NULL)
        tool_die("%s: %s", o->json, strerror(errno));
    fprintf(out, "{\"tool\": \"freshet-publish\", \"rate\": %.3f, \"size\": %u, \"subjects\": %u, \"burst\": %u,\n",
            o->rate, o->size, o->subjects, o->burst);
    fprintf(out, " \"sent\": %" PRIu64 ", \"late\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"last_sequence\": %u,\n",
            f->sent, f->late, f->refused, f->last_sequence);
    fprintf(out, " \"seconds\": %.6f, \"per_second\": %.3f, \"cpu_s\": %.4f,\n \"late_ns\": ", f->seconds,
            (double)f->sent / f->seconds, tool_own_cpu_s());
    histogram_json(&f->lateness, out);
    fputs("}\n", out);
    if (fclose(out) != 0)
        tool_die("%s: %s", o->json, strerror(errno));
}

int main(int argc, char **argv)
{
    static struct figures figures;
    struct publish_options options;
    parse(&options, argc, argv);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1); /* the kernel may otherwise wake us 50 µs late to save power */
    struct way *way = options.nats != NULL ? way_nats(&options) : way_http(&options);
    publish_all(&options, way, &figures);
    way->close(way);
    printf("sent %" PRIu64 " in %.3f s = %.0f/s, last sequence %u, late %" PRIu64 " (worst %.3f ms), refused %" PRIu64
           "\n",
           figures.sent, figures.seconds, (double)figures.sent / figures.seconds, figures.last_sequence, figures.late,
           (double)figures.lateness.max / 1e6, figures.refused);
    if (options.json != NULL)
        write_json(&options, &figures);
    return figures.refused == 0 ? 0 : 2;
}
