/* fuzz.c - what the fuzz targets share: cutting up an input, and reporting failures */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* The first len bytes of the input, and room for more behind them. */
static struct fuzz_text take(struct fuzz_input *input, size_t len, size_t more)
{
    struct fuzz_text text = {.len = len};

    /* Even for an empty text, whose first byte is beyond its end. */
    text.s = malloc(len + more); /* NOLINT(clang-analyzer-optin.portability.UnixAPI) */
    if (text.s == NULL && len + more != 0)
        abort();
    if (len != 0)
        memcpy(text.s, input->at, len);
    if (more != 0)
        text.s[len] = '\0';
    input->at += len;
    input->left -= len;
    return text;
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    --input->left;
    return *input->at++;
}

struct fuzz_text fuzz_rest(struct fuzz_input *input)
{
    return take(input, input->left, 0);
}

static struct fuzz_text line(struct fuzz_input *input, size_t more)
{
    const uint8_t *end = input->left != 0 ? memchr(input->at, '\n', input->left) : NULL;
    struct fuzz_text text = take(input, end != NULL ? (size_t)(end - input->at) : input->left, more);

    (void)fuzz_byte(input);
    return text;
}

struct fuzz_text fuzz_line(struct fuzz_input *input)
{
    return line(input, 0);
}

struct fuzz_text fuzz_line_string(struct fuzz_input *input)
{
    struct fuzz_text text = line(input, 1);
    size_t len = strlen(text.s);

    if (len != text.len) {
        text.len = len;
        text.s = realloc(text.s, len + 1);
        if (text.s == NULL)
            abort();
    }
    return text;
}

struct fuzz_text fuzz_short_text(struct fuzz_input *input)
{
    size_t len = fuzz_byte(input);

    if (len == 255)
        len += fuzz_byte(input);
    return take(input, len < input->left ? len : input->left, 0);
}
