/* config_similar.c - the key that was probably meant */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_similar.h"

#include <string.h>

#include "gateway/config/config_table.h"

#define WORD_MAX 32

/* Levenshtein distance of two short words; anything long is far away. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_len; ++j)
        row[j] = j;
    for (size_t i = 1; i <= a_len; ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; ++j) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

const char *config_similar_key(unsigned mapping, const char *key)
{
    const char *similar = NULL;
    /* Two slips at most, and fewer in a short key, to which every other short one would be similar. */
    size_t len = strlen(key), nearest = len / 2 < 2 ? len / 2 : 2;
    CONFIG_TABLE_EACH(option, mapping)
    {
        /* two letters abbreviate too much */
        size_t far = len >= 3 && strncmp(option->key, key, len) == 0 ? 1 : distance(key, option->key);
        if (far <= nearest && (similar == NULL || far < nearest)) {
            similar = option->key;
            nearest = far;
        }
    }
    return similar;
}
