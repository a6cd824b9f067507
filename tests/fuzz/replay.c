/* replay.c - runs a fuzz target over every file of the folders named, without libFuzzer */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* Named before it is run: the last name printed is the one that crashed. */
static void replay(const char *path)
{
    uint8_t *bytes = NULL;
    size_t len = 0, room = 0, n;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    puts(path);
    do {
        room += 65536;
        bytes = realloc(bytes, room);
        if (bytes == NULL)
            abort();
        n = fread(bytes + len, 1, room - len, file);
        len += n;
    } while (len == room);
    fclose(file);
    /* As long as the input: what is read beyond it is found. */
    bytes = realloc(bytes, len != 0 ? len : 1);
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    int done = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; ++i) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, is_file, alphasort);

        if (count < 0) {
            perror(argv[i]);
            return 1;
        }
        for (int n = 0; n != count; ++n) {
            char path[4096];

            snprintf(path, sizeof(path), "%s/%s", argv[i], entries[n]->d_name);
            replay(path);
            free(entries[n]);
        }
        free(entries);
        done += count;
    }
    printf("%d inputs\n", done);
    return done > 0 ? 0 : 1;
}
