/* js_metadata.c - what the reply subject of a message from a JetStream consumer says about it */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_metadata.h"

#include <stddef.h>
#include <string.h>

#define ACK_PREFIX "$JS.ACK."
#define SHORT_TOKENS 7 /* stream, consumer, times delivered, two sequences, time, pending */
#define LONG_TOKENS 9  /* domain and account in front; some servers add one more at the end */

/* Decimal digits and nothing else, up to the '.' or the end. */
static bool read_number(const char *token, uint64_t *number)
{
    size_t len = strcspn(token, ".");
    uint64_t value = 0;
    for (size_t i = 0; i != len; ++i) {
        unsigned digit = (unsigned)(unsigned char)token[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *number = value;
    return len != 0;
}

bool js_metadata_read(const char *reply, struct js_metadata *metadata)
{
    const char *tokens[LONG_TOKENS + 1];
    size_t count = 0;
    if (reply == NULL || strncmp(reply, ACK_PREFIX, sizeof(ACK_PREFIX) - 1) != 0)
        return false;
    for (const char *token = reply + sizeof(ACK_PREFIX) - 1; token != NULL; ++count) {
        if (count == LONG_TOKENS + 1)
            return false;
        tokens[count] = token;
        token = strchr(token, '.');
        token = token != NULL ? token + 1 : NULL;
    }
    if (count != SHORT_TOKENS && count != LONG_TOKENS && count != LONG_TOKENS + 1)
        return false;
    const char **numbers = tokens + (count == SHORT_TOKENS ? 3 : 5);
    uint64_t stored_ns;
    if (!read_number(numbers[0], &metadata->stream_sequence) ||
        !read_number(numbers[1], &metadata->consumer_sequence) || !read_number(numbers[2], &stored_ns) ||
        !read_number(numbers[3], &metadata->pending) || stored_ns > INT64_MAX)
        return false;
    metadata->stored_ns = (int64_t)stored_ns;
    return true;
}
