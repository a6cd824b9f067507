/* subject_model.c - what NATS patterns stand for, found by running them as automata */
/* SPDX-License-Identifier: MIT */
#include "tests/support/subject_model.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_MAX = 64 };

/* State n: n tokens have been read and fit. The state after a '>' is never left again; DEAD neither. */
struct automaton {
    char text[1024];
    const char *tokens[TOKENS_MAX];
    int count;
};
enum { DEAD = TOKENS_MAX };

static void compile(struct automaton *automaton, const char *pattern)
{
    size_t len = strlen(pattern);

    if (len >= sizeof(automaton->text))
        abort();
    memcpy(automaton->text, pattern, len + 1);
    automaton->count = 0;
    for (char *p = automaton->text; p != NULL;) {
        if (automaton->count == TOKENS_MAX)
            abort();
        automaton->tokens[automaton->count++] = p;
        p = strchr(p, '.');
        if (p != NULL)
            *p++ = '\0';
    }
}

static bool ends_open(const struct automaton *automaton)
{
    return strcmp(automaton->tokens[automaton->count - 1], ">") == 0;
}

/* token: NULL is one that occurs in no pattern. */
static int step(const struct automaton *automaton, int state, const char *token)
{
    if (state == DEAD)
        return DEAD;
    if (state == automaton->count)
        return ends_open(automaton) ? state : DEAD;
    const char *wanted = automaton->tokens[state];
    if (strcmp(wanted, "*") == 0 || strcmp(wanted, ">") == 0 || (token != NULL && strcmp(wanted, token) == 0))
        return state + 1;
    return DEAD;
}

static bool accepts(const struct automaton *automaton, int state)
{
    return state == automaton->count;
}

bool subject_model_matches(const char *pattern, const char *subject)
{
    struct automaton automaton, tokens;
    int state = 0;

    compile(&automaton, pattern);
    compile(&tokens, subject);
    for (int i = 0; i != tokens.count; ++i)
        state = step(&automaton, state, tokens.tokens[i]);
    return accepts(&automaton, state);
}

/* Two automata that read the same subject. */
struct search {
    struct automaton a, b;
    bool seen[DEAD + 1][DEAD + 1];
    bool in_both, in_b_only;
};

/* Visits each pair of states that some subject leads to, once; the recursion is no deeper than there are pairs. */
static void visit(struct search *search, int a, int b)
{
    if (search->seen[a][b] || b == DEAD)
        return;
    search->seen[a][b] = true;
    if (accepts(&search->b, b)) {
        search->in_both |= accepts(&search->a, a);
        search->in_b_only |= !accepts(&search->a, a);
    }
    visit(search, step(&search->a, a, NULL), step(&search->b, b, NULL));
    for (int i = 0; i != search->a.count + search->b.count; ++i) {
        const char *token = i < search->a.count ? search->a.tokens[i] : search->b.tokens[i - search->a.count];
        if (strcmp(token, "*") != 0 && strcmp(token, ">") != 0)
            visit(search, step(&search->a, a, token), step(&search->b, b, token));
    }
}

static void run(struct search *search, const char *a, const char *b)
{
    memset(search->seen, 0, sizeof(search->seen));
    search->in_both = search->in_b_only = false;
    compile(&search->a, a);
    compile(&search->b, b);
    visit(search, 0, 0);
}

bool subject_model_covers(const char *a, const char *b)
{
    struct search search;

    run(&search, a, b);
    return !search.in_b_only;
}

bool subject_model_overlaps(const char *a, const char *b)
{
    struct search search;

    run(&search, a, b);
    return search.in_both;
}
