/* fuzz.h - what the fuzz targets share: cutting up an input, and reporting failures */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Each target is a file with this function, which libFuzzer calls with
 * whatever it makes up and replay.c with each file of the target's corpus. It
 * aborts where something is wrong, and leaves nothing behind.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* A piece of the input in memory of its own, just as long as it is, so that a sanitizer sees a byte read beyond it. */
struct fuzz_text {
    char *s;
    size_t len;
};

/* The next byte; 0 when there is none. */
uint8_t fuzz_byte(struct fuzz_input *input);
/* Whatever is left. */
struct fuzz_text fuzz_rest(struct fuzz_input *input);
/* Up to the next LF, which is left out. */
struct fuzz_text fuzz_line(struct fuzz_input *input);
/* The same as a string: a NUL ends it early, and one follows it, which len does not count. */
struct fuzz_text fuzz_line_string(struct fuzz_input *input);
/* The next byte is a length (after 255 one more, to be added), then come as many bytes, or what there is. */
struct fuzz_text fuzz_short_text(struct fuzz_input *input);

#endif
