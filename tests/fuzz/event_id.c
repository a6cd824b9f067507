/* event_id.c - fuzzes event ids: one spelling, read back as written */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_id.h"

/* An id is valid if printf would write it the same way. */
static bool is_canonical(const struct fuzz_text *text, struct event_id *id)
{
    char copy[64], again[64];

    if (text->len == 0 || text->len >= sizeof(copy) || memchr(text->s, '\0', text->len) != NULL)
        return false;
    memcpy(copy, text->s, text->len);
    copy[text->len] = '\0';
    char *dash = strchr(copy, '-');
    if (dash == NULL)
        return false;
    id->incarnation = strtoull(copy, NULL, 16);
    id->sequence = strtoull(dash + 1, NULL, 10);
    snprintf(again, sizeof(again), "%" PRIx64 "-%" PRIu64, id->incarnation, id->sequence);
    return id->incarnation != 0 && strcmp(copy, again) == 0;
}

static void read_one(const struct fuzz_text *text)
{
    struct event_id id = {11, 12}, wanted;
    char written[EVENT_ID_MAX];
    bool valid = is_canonical(text, &wanted);

    FUZZ_CHECK(event_id_parse(text->s, text->len, &id) == valid);
    if (!valid) {
        FUZZ_CHECK(id.incarnation == 11 && id.sequence == 12);
        return;
    }
    FUZZ_CHECK(id.incarnation == wanted.incarnation && id.sequence == wanted.sequence);
    FUZZ_CHECK(event_id_size(id) == text->len);
    FUZZ_CHECK(event_id_write(written, id) == text->len && memcmp(written, text->s, text->len) == 0);
}

/* Takes a number from the bytes of the input: parsed text would need luck to get near the largest. */
static void write_one(const uint8_t *data)
{
    struct event_id id, back;
    char text[64], *exact;

    memcpy(&id.incarnation, data, 8);
    memcpy(&id.sequence, data + 8, 8);
    if (id.incarnation == 0)
        return;
    int len = snprintf(text, sizeof(text), "%" PRIx64 "-%" PRIu64, id.incarnation, id.sequence);
    FUZZ_CHECK(event_id_size(id) == (size_t)len && len <= EVENT_ID_MAX);
    exact = malloc((size_t)len);
    if (exact == NULL)
        abort();
    FUZZ_CHECK(event_id_write(exact, id) == (size_t)len && memcmp(exact, text, (size_t)len) == 0);
    FUZZ_CHECK(event_id_parse(exact, (size_t)len, &back));
    FUZZ_CHECK(back.incarnation == id.incarnation && back.sequence == id.sequence);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text text;

    if (size == 16)
        write_one(data);
    text = fuzz_rest(&input);
    read_one(&text);
    free(text.s);
    return 0;
}
