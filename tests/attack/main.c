/* main.c - what hostile clients can do to a gateway that has others to serve */
/* SPDX-License-Identifier: MIT */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/attack/trial.h"
#include "tests/support/sandbox.h"

static const char help[] =
    "usage: attack [options]\n"
    "Attacks a gateway of its own, one way after the other, while 500 honest streams each get 500 messages a second.\n"
    "  --only PATTERN   attacks whose name or group matches, such as 'zero-window-*', killers, '@(tls|hpack)'\n"
    "  --full           longer and more of everything, each over TLS and in the clear\n"
    "  --publish        the gateway has a route that takes messages as well, and is more patient with requests\n"
    "  --seed N         of the random attacks\n"
    "  --markdown       the table as it is in the documentation\n"
    "  --list           names, groups\n"
    "Exit status: 0 all held, 1 something did not.\n";

/* A busy machine may spoil a measurement of latency, so it is repeated; nothing else gets a second chance. */
#define LATE_TRIES 3

static const struct attack *const tables[] = {
    killers,      resets,        floods,      hpack_attacks, window_attacks,
    slow_attacks, http1_attacks, tls_attacks, soup_attacks,  connection_attacks};

struct options {
    const char *only;
    bool full, publish, markdown, list;
    unsigned seed;
};

static struct options parse(int argc, char **argv)
{
    struct options options = {.seed = (unsigned)now_ms()};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--full") == 0)
            options.full = true;
        else if (strcmp(argv[i], "--publish") == 0)
            options.publish = true;
        else if (strcmp(argv[i], "--markdown") == 0)
            options.markdown = true;
        else if (strcmp(argv[i], "--list") == 0)
            options.list = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            options.only = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            options.seed = (unsigned)strtoul(argv[++i], NULL, 10);
        else {
            fputs(help, strcmp(argv[i], "--help") == 0 ? stdout : stderr);
            exit(strcmp(argv[i], "--help") != 0);
        }
    }
    return options;
}

static void print_head(const struct options *options)
{
    printf(options->markdown
               ? "| attack | over | connections | frames | KB sent | ended | within | p99 before | during | "
                 "lost | subscriptions | memory before | after | descriptors | |\n"
                 "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n"
               : "%-30s %-5s %6s %8s %8s %6s %8s %8s %8s %5s %5s %8s %8s %9s\n",
           "attack", "over", "conns", "frames", "KB", "ended", "within", "p99 ms", "during", "lost", "subs",
           "MB before", "after", "fds");
}

static void print_row(const struct options *options, const struct trial *t)
{
    const struct tally *tally = &t->tally;
    char within[24] = "-", fds[24];

    if (tally->killed != 0)
        snprintf(within, sizeof(within), options->markdown ? "%.2f s" : "%.2f", (double)tally->killed_after_ms / 1e3);
    snprintf(fds, sizeof(fds), options->markdown ? "%u → %u" : "%u/%u", t->fds_before, t->fds_after);
    printf(options->markdown
               ? "| %s | %s | %llu | %llu | %.0f | %llu | %s | %.1f ms | %.1f ms | %llu | %llu | %.1f MB | %.1f MB "
                 "| %s | %s |\n"
               : "%-30s %-5s %6llu %8llu %8.0f %6llu %8s %8.2f %8.2f %5llu %5llu %8.1f %8.1f %9s %s\n",
           t->attack->name, t->tls ? "TLS" : "clear", (unsigned long long)tally->connections,
           (unsigned long long)tally->frames, (double)tally->bytes / 1024, (unsigned long long)tally->killed, within,
           t->before.p99_ms, t->during.p99_ms, (unsigned long long)t->lost, (unsigned long long)t->subscriptions,
           (double)t->memory_before / 1048576,
           (double)(t->memory_again != 0 ? t->memory_again : t->memory_after) / 1048576, fds, t->verdict);
    if (t->detail[0] != '\0')
        fprintf(options->markdown ? stderr : stdout, "    %s: %s\n", t->attack->name, t->detail);
    fflush(stdout);
}

static bool try(struct battlefield *field, const struct options *options, const struct attack *attack, bool tls)
{
    struct trial trial;
    int64_t began = now_ms();

    for (int i = 0; i < LATE_TRIES; i++) {
        trial = battlefield_try(field, attack, tls, options->seed);
        print_row(options, &trial);
        if (!trial.only_late)
            break;
    }
    if (getenv("ATTACK_TIMES") != NULL)
        fprintf(stderr, "%8lld ms %s\n", (long long)(now_ms() - began), attack->name);
    return strcmp(trial.verdict, "ok") == 0;
}

/* A quick run uses TLS only where it can, but runs the killers both ways. An attack asked for by name always runs. */
static bool is_wanted(const struct options *options, const struct attack *attack, bool tls)
{
    bool named = options->only != NULL && fnmatch(options->only, attack->name, FNM_EXTMATCH) == 0;
    bool grouped = options->only == NULL || fnmatch(options->only, attack->group, FNM_EXTMATCH) == 0;

    if ((!named && !grouped) || (attack->transports & (tls ? ATTACK_TLS : ATTACK_CLEAR)) == 0)
        return false;
    if (named)
        return true;
    if (options->full)
        return attack->when != ATTACK_IN_QUICK;
    return attack->when != ATTACK_IN_FULL &&
           (tls || attack->transports == ATTACK_CLEAR || strcmp(attack->group, "killers") == 0);
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct battlefield *field = NULL;
    unsigned bad = 0, all = 0;

    fprintf(stderr, "attack: seed %u\n", options.seed);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct attack *attack = tables[i]; attack->name != NULL; attack++) {
            for (int tls = 1; tls >= 0; tls--) {
                if (!is_wanted(&options, attack, tls))
                    continue;
                if (options.list) {
                    printf("%-30s %-12s %s\n", attack->name, attack->group, tls ? "TLS" : "clear");
                    continue;
                }
                if (field == NULL) {
                    field = battlefield_create(options.full, options.publish);
                    print_head(&options);
                }
                all++;
                bad += !try(field, &options, attack, tls);
            }
        }
    }
    if (field != NULL)
        battlefield_destroy(field);
    fprintf(stderr, "attack: %u of %u held\n", all - bad, all);
    return bad != 0;
}
