/* keys.c - the keys of a JWKS file, by which tokens are verified */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/auth/digest.h"
#include "gateway/auth/keys_set.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/log.h"

#define ERROR_MAX 512
/* A file written this recently may be written again without a change of its timestamp. */
#define SETTLED_NS (2 * NS_PER_S)

/* Of a file's status, whatever changes when it is written or replaced; all zero: it can't be opened. */
struct file_identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

/* Allocated apart from struct keys, so that verifiers can lock although they hold a const pointer to that. */
struct keys_now {
    struct lock lock;
    struct keys_set *set;
};

struct keys {
    char *file;
    struct keys_now *now;
    /* Of the last attempt, good or bad. */
    struct file_identity identity;
    unsigned char digest[DIGEST_SIZE]; /* all zero: could not be read */
    bool is_settled;
};

struct file_text {
    char *text;
    size_t len;
    struct file_identity identity;
    bool is_settled;
};

static struct file_identity identity_of(const struct stat *stat)
{
    /* Zeroed, padding too, because identities are compared as bytes. */
    struct file_identity identity;
    memset(&identity, 0, sizeof(identity));
    identity.device = stat->st_dev;
    identity.inode = stat->st_ino;
    identity.size = stat->st_size;
    identity.written = stat->st_mtim;
    identity.changed = stat->st_ctim;
    return identity;
}

static bool is_same_identity(const struct file_identity *a, const struct file_identity *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool has_settled(const struct stat *stat)
{
    int64_t written_ns = (int64_t)stat->st_ctim.tv_sec * NS_PER_S + stat->st_ctim.tv_nsec;
    return clock_wall_ns() - written_ns > SETTLED_NS;
}

static const char *read_descriptor(int fd, struct file_text *file)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0)
        return strerror(errno);
    file->identity = identity_of(&stat);
    file->is_settled = has_settled(&stat);
    if (!S_ISREG(stat.st_mode))
        return "is not a regular file";
    file->text = check_malloc(KEYS_FILE_MAX + 1);
    ssize_t n;
    do {
        n = read(fd, file->text + file->len, KEYS_FILE_MAX + 1 - file->len);
        if (n > 0)
            file->len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0)
        return strerror(errno);
    return file->len > KEYS_FILE_MAX ? "is larger than 1 MiB" : NULL;
}

/* NULL, or what went wrong; in either case the caller calls dispose_file. */
static const char *read_file(const char *name, struct file_text *file)
{
    memset(file, 0, sizeof(*file));
    /* O_NONBLOCK: opening a pipe without a writer must not block the gateway. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerror(errno);
    const char *wrong = read_descriptor(fd, file);
    close(fd);
    return wrong;
}

static void dispose_file(struct file_text *file)
{
    if (file->text != NULL)
        OPENSSL_cleanse(file->text, file->len);
    free(file->text);
}

/* NULL: error says why, or is empty because the content is the same. */
static struct keys_set *load_set(struct keys *keys, char *error, size_t size)
{
    struct file_text file;
    unsigned char digest[DIGEST_SIZE] = {0};
    struct keys_set *set = NULL;
    *error = '\0';
    const char *wrong = read_file(keys->file, &file);
    if (wrong == NULL)
        digest_of(file.text, file.len, digest);
    bool is_same = memcmp(digest, keys->digest, DIGEST_SIZE) == 0;
    if (wrong != NULL && !is_same)
        snprintf(error, size, "%s: %s", keys->file, wrong);
    else if (wrong == NULL && !is_same)
        set = keys_set_parse(keys->file, file.text, file.len, error, size);
    memcpy(keys->digest, digest, DIGEST_SIZE);
    keys->identity = file.identity;
    keys->is_settled = file.is_settled || wrong != NULL;
    dispose_file(&file);
    return set;
}

struct keys *keys_load(const char *file, char *error, size_t size)
{
    struct keys *keys = check_calloc(1, sizeof(*keys));
    keys->file = check_strdup(file);
    /* No file has this digest, so that the first attempt always parses. */
    memset(keys->digest, 0xff, DIGEST_SIZE);
    keys->now = check_calloc(1, sizeof(*keys->now));
    lock_init(&keys->now->lock);
    keys->now->set = load_set(keys, error, size);
    if (keys->now->set != NULL)
        return keys;
    keys_destroy(keys);
    return NULL;
}

void keys_destroy(struct keys *keys)
{
    if (keys == NULL)
        return;
    keys_set_release(keys->now->set);
    lock_dispose(&keys->now->lock);
    free(keys->now);
    free(keys->file);
    free(keys);
}

struct keys_set *keys_current(const struct keys *keys)
{
    lock_take(&keys->now->lock);
    struct keys_set *set = keys_set_retain(keys->now->set);
    lock_give(&keys->now->lock);
    return set;
}

bool keys_refresh(struct keys *keys)
{
    char error[ERROR_MAX];
    struct stat now;
    struct file_identity identity;
    memset(&identity, 0, sizeof(identity));
    if (stat(keys->file, &now) == 0)
        identity = identity_of(&now);
    if (keys->is_settled && is_same_identity(&identity, &keys->identity))
        return false;

    struct keys_set *set = load_set(keys, error, sizeof(error));
    if (set == NULL) {
        if (*error != '\0')
            log_write(LOG_ERROR, "keys-not-reloaded", log_str("reason", error), log_str("kept", "the previous keys"));
        return false;
    }
    lock_take(&keys->now->lock);
    struct keys_set *old = keys->now->set;
    keys->now->set = set;
    lock_give(&keys->now->lock);
    keys_set_release(old);
    log_write(LOG_INFO, "keys-reloaded", log_str("file", keys->file), log_u64("keys", set->count));
    return true;
}
