/* auth_keys.c - JWKS files: which keys are taken, which are refused, and which count after a change */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/auth_rig.h"

/* Of 32 bytes, and something to be found where it must not be. */
#define SECRET "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"
#define GOOD_OCT "\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" SECRET "\""
/* RFC 7515, A.3 */
#define GOOD_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define GOOD_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define GOOD_EC "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" GOOD_X "\",\"y\":\"" GOOD_Y "\""

/* The error a file with that text leads to; NULL: it is taken. The caller frees. */
static char *error_of(const char *text)
{
    char *file = sandbox_path("keys.jwks");
    char error[ERROR_MAX] = "";
    sandbox_write(file, text);
    struct keys *keys = keys_load(file, error, sizeof(error));
    cr_assert((keys == NULL) == (*error != '\0'));
    if (keys == NULL)
        cr_assert(strncmp(error, file, strlen(file)) == 0, "the file is named first: %s", error);
    keys_destroy(keys);
    free(file);
    return *error != '\0' ? text_format("%s", error) : NULL;
}

static void expect_error(const char *text, const char *word)
{
    char *error = error_of(text);
    cr_expect(error != NULL && strstr(error, word) != NULL, "%s: %s", text, error != NULL ? error : "is taken");
    cr_expect(error == NULL || strstr(error, "c2Vj") == NULL, "key material: %s", error);
    free(error);
}

static void expect_taken(const char *text)
{
    char *error = error_of(text);
    cr_expect(error == NULL, "%s: %s", text, error);
    free(error);
}

Test(auth_keys, takes_what_the_rfc_has)
{
    expect_taken("{\"keys\":[{" GOOD_OCT "}]}");
    expect_taken("{\"keys\":[{" GOOD_EC "}]}"); /* the curve says what it is for */
    expect_taken("{\"keys\":[{" GOOD_EC ",\"alg\":\"ES256\",\"use\":\"sig\",\"key_ops\":[\"verify\"],\"kid\":\"a\","
                 "\"x5t\":\"whatever\"},{" GOOD_OCT "}],\"more\":1}");
}

Test(auth_keys, what_is_for_something_else_is_left_out)
{
    static const char *const others[] = {
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"RSA\",\"alg\":\"RS512\",\"n\":\"AAAA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AAAA\",\"e\":\"AQAB\"}",
        "{" GOOD_EC ",\"key_ops\":[\"sign\"]}",
        "{\"kty\":\"oct\",\"alg\":\"A128KW\",\"k\":\"AAAA\"}",
    };
    for (size_t i = 0; i != sizeof(others) / sizeof(*others); ++i) {
        char *alone = text_format("{\"keys\":[%s]}", others[i]);
        expect_error(alone, "no key");
        free(alone);
        char *beside = text_format("{\"keys\":[%s,{" GOOD_EC "},%s]}", others[i], others[i]);
        expect_taken(beside);
        free(beside);
    }
}

Test(auth_keys, says_what_is_wrong_with_a_file)
{
    expect_error("", ":1: is not JSON");
    expect_error("{\"keys\":[{\"k\":\"" SECRET "\" \"c2Vj\"}]}", ":1: is not JSON");
    expect_error("{\"keys\":[{" GOOD_OCT "}]} {}", "is not JSON");
    expect_error("{\"keys\":\n[{" GOOD_OCT ",\n\"k\":\"" SECRET "\"}]}", "appears twice");
    expect_error("{\"keys\":[],\"keys\":[{" GOOD_OCT "}]}", "appears twice");
    expect_error("[{" GOOD_OCT "}]", "must be a list");
    expect_error("{" GOOD_OCT "}", "must be a list");
    expect_error("{\"keys\":{\"a\":{" GOOD_OCT "}}}", "must be a list");
    expect_error("{\"keys\":[]}", "no key");
    expect_error("{\"keys\":[{" GOOD_OCT "},\"" SECRET "\"]}", "keys[1]: it is not an object");
}

Test(auth_keys, says_what_is_wrong_with_a_key)
{
    expect_error("{\"keys\":[{" GOOD_OCT ",\"kid\":7}]}", "keys[0]: \"kid\"");
    expect_error("{\"keys\":[{" GOOD_OCT ",\"kid\":\"\"}]}", "\"kid\"");
    expect_error("{\"keys\":[{\"alg\":\"HS256\",\"k\":\"" SECRET "\"}]}", "\"kty\"");
    expect_error("{\"keys\":[{\"kty\":\"oct\",\"k\":\"" SECRET "\"}]}", "\"alg\" is missing");
    expect_error("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"" SECRET "\"}]}", "for its \"kty\"");
    expect_error("{\"keys\":[{" GOOD_EC ",\"alg\":\"ES384\"}]}", "\"crv\"");
    expect_error("{\"keys\":[{" GOOD_EC ",\"alg\":\"HS256\"}]}", "\"crv\"");
    expect_error("{\"keys\":[{" GOOD_EC ",\"alg\":null}]}", "must be strings");
    expect_error("{\"keys\":[{" GOOD_EC ",\"d\":\"" SECRET "\"}]}", "private");
    expect_error("{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AAAA\",\"e\":\"AQAB\",\"q\":\"" SECRET "\"}]}",
                 "private");
    expect_error("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}]}", "\"alg\" is missing");
    expect_error("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" GOOD_Y "\",\"y\":\"" GOOD_X "\"}]}", "curve");
    expect_error("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" GOOD_X "\"}]}", "\"x\" and \"y\"");
    expect_error("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" GOOD_X "\",\"y\":\"" GOOD_Y "\"}]}",
                 "\"x\" and \"y\"");
    /* 31 bytes; padded; the last character's bits that no byte uses */
    expect_error(
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw\"}]}",
        "32 to 4096");
    expect_error("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" SECRET "=\"}]}", "32 to 4096");
    expect_error(
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3J\"}]}",
        "32 to 4096");
    expect_error("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\"}]}", "32 to 4096");
}

static void expect_rsa_error(const unsigned char *n, size_t n_len, const char *e, const char *word)
{
    char *n_text = tokens_base64url(n, n_len);
    char *text = text_format("{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"%s\",\"e\":\"%s\"}]}", n_text, e);
    if (word != NULL)
        expect_error(text, word);
    else
        expect_taken(text);
    free(text);
    free(n_text);
}

Test(auth_keys, rsa_keys_are_long_enough_and_no_trap)
{
    unsigned char n[1200];
    memset(n, 0xff, sizeof(n));
    expect_rsa_error(n, 256, "AQAB", NULL);
    expect_rsa_error(n, 255, "AQAB", "2048 to 8192");
    n[0] = 0x7f; /* 2047 bits */
    expect_rsa_error(n, 256, "AQAB", "2048 to 8192");
    n[0] = 0; /* leading zeros are no bits */
    expect_rsa_error(n, 256, "AQAB", "2048 to 8192");
    expect_rsa_error(n, 257, "AQAB", NULL);
    n[0] = 0xff;
    expect_rsa_error(n, 1024, "AQAB", NULL);
    expect_rsa_error(n, 1025, "AQAB", "2048 to 8192");
    expect_rsa_error(n, 1200, "AQAB", "2048 to 8192");
    expect_rsa_error(n, 256, "Aw", NULL);
    /* with 1 everything is its own signature; 0, 2 and 65536 are no exponents; 9 bytes cost too much */
    expect_rsa_error(n, 256, "AQ", "\"e\"");
    expect_rsa_error(n, 256, "AA", "\"e\"");
    expect_rsa_error(n, 256, "Ag", "\"e\"");
    expect_rsa_error(n, 256, "AQAA", "\"e\"");
    expect_rsa_error(n, 256, "AQAAAAAAAAAB", "\"e\"");
    expect_rsa_error(n, 256, "", "\"e\"");
    n[255] = 0xfe;
    expect_rsa_error(n, 256, "AQAB", "odd");
}

Test(auth_keys, no_token_could_mean_two_keys)
{
    expect_error("{\"keys\":[{" GOOD_OCT ",\"kid\":\"a\"},{" GOOD_EC ",\"kid\":\"a\"}]}", "keys[1]: another key");
    expect_error("{\"keys\":[{" GOOD_OCT "},{" GOOD_OCT "}]}", "no \"kid\" either");
    expect_taken("{\"keys\":[{" GOOD_OCT "},{" GOOD_EC "}]}");
    expect_taken("{\"keys\":[{" GOOD_OCT "},{" GOOD_OCT ",\"kid\":\"a\"},{" GOOD_OCT ",\"kid\":\"A\"}]}");
}

static char *many_keys(unsigned count)
{
    char *text = malloc(count * 100 + 100);
    size_t at = (size_t)snprintf(text, 100, "{\"keys\":[");
    for (unsigned i = 0; i != count; ++i)
        at += (size_t)snprintf(text + at, 100, "%s{" GOOD_OCT ",\"kid\":\"%u\"}", i != 0 ? "," : "", i);
    snprintf(text + at, 100, "]}");
    return text;
}

Test(auth_keys, number_and_size_are_bounded)
{
    char *most = many_keys(100), *too_many = many_keys(101);
    expect_taken(most);
    expect_error(too_many, "at most 100");
    free(most);
    free(too_many);

    size_t mib = 1 << 20;
    char *big = malloc(mib + 2);
    memset(big, ' ', mib + 2);
    memcpy(big, "{\"keys\":[{" GOOD_OCT "}]}", sizeof("{\"keys\":[{" GOOD_OCT "}]}") - 1);
    big[mib] = '\0';
    expect_taken(big);
    big[mib] = ' ';
    big[mib + 1] = '\0';
    expect_error(big, "1 MiB");
    free(big);
}

static void expect_unreadable(const char *file, const char *word)
{
    char error[ERROR_MAX] = "";
    cr_expect(keys_load(file, error, sizeof(error)) == NULL);
    cr_expect(strstr(error, file) != NULL && strstr(error, word) != NULL, "%s", error);
}

Test(auth_keys, what_is_no_file_is_refused_at_once)
{
    char *missing = sandbox_path("missing.jwks"), *pipe = sandbox_path("pipe.jwks");
    expect_unreadable(missing, "No such file");
    expect_unreadable(sandbox_dir(), "is not a regular file");
    cr_assert_eq(mkfifo(pipe, 0600), 0);
    expect_unreadable(pipe, "is not a regular file");
    free(missing);
    free(pipe);
}

Test(auth_keys, a_rotation_lets_both_in_then_only_the_new_one)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "old");
    struct tokens_key *new = tokens_key("ES256", "new");
    cr_expect(!keys_refresh(rig.keys), "nothing has changed");
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, new, NULL, "{}"), TOKEN_INVALID);

    tokens_write_jwks(rig.file, rig.key, new, NULL);
    cr_expect(keys_refresh(rig.keys));
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_OK);
    cr_expect_eq(verdict_signed(&rig, new, NULL, "{}"), TOKEN_OK);
    cr_expect(!keys_refresh(rig.keys), "nothing has changed since");

    tokens_write_jwks(rig.file, new, NULL);
    cr_expect(keys_refresh(rig.keys));
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_INVALID);
    cr_expect_eq(verdict_signed(&rig, new, NULL, "{}"), TOKEN_OK);
    tokens_key_free(new);
    end_rig(&rig);
}

Test(auth_keys, a_token_that_was_good_is_not_with_another_key_of_that_kid)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "a");
    struct tokens_key *other = tokens_key("ES256", "a");
    char *text = tokens_sign(rig.key, NULL, "{}");
    cr_expect_eq(verdict_of(&rig, text), TOKEN_OK);
    cr_expect_eq(verdict_of(&rig, text), TOKEN_OK, "remembered");
    tokens_write_jwks(rig.file, other, NULL);
    cr_expect(keys_refresh(rig.keys));
    cr_expect_eq(verdict_of(&rig, text), TOKEN_INVALID, "what was remembered went with the key");
    free(text);
    tokens_key_free(other);
    end_rig(&rig);
}

static unsigned count_of(const char *text, const char *word)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        ++count;
    return count;
}

Test(auth_keys, a_broken_file_keeps_the_keys_and_is_reported_once)
{
    struct auth_rig rig;
    start_rig(&rig, "ES256", "a");
    char *log_file = sandbox_path("stderr.txt");
    int saved = dup(STDERR_FILENO), fd = open(log_file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(saved >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);

    sandbox_write(rig.file, "{\"keys\":[{" GOOD_OCT);
    for (int i = 0; i != 3; ++i)
        cr_expect(!keys_refresh(rig.keys));
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_OK);
    cr_assert_eq(unlink(rig.file), 0);
    for (int i = 0; i != 3; ++i)
        cr_expect(!keys_refresh(rig.keys));
    cr_expect_eq(verdict_signed(&rig, rig.key, NULL, "{}"), TOKEN_OK);

    struct tokens_key *new = tokens_key("ES256", "a");
    tokens_write_jwks(rig.file, new, NULL);
    cr_expect(keys_refresh(rig.keys), "a good one counts again");
    cr_expect_eq(verdict_signed(&rig, new, NULL, "{}"), TOKEN_OK);

    dup2(saved, STDERR_FILENO);
    char *log = sandbox_read(log_file);
    cr_expect_eq(count_of(log, "keys-not-reloaded"), 2, "%s", log);
    cr_expect_eq(count_of(log, "is not JSON"), 1, "%s", log);
    cr_expect_eq(count_of(log, "No such file"), 1, "%s", log);
    cr_expect_eq(count_of(log, "keys-reloaded"), 1, "%s", log);
    cr_expect_eq(count_of(log, "c2Vj"), 0, "key material: %s", log);
    close(saved);
    close(fd);
    free(log);
    free(log_file);
    tokens_key_free(new);
    end_rig(&rig);
}

/* Within one tick of the file system's clock, in the same file, with as many bytes: only the content differs. */
Test(auth_keys, a_file_written_twice_at_once_is_read_twice)
{
    struct tokens_key *keys[2] = {tokens_key_secret("a", "0123456789abcdef0123456789abcdef", 32),
                                  tokens_key_secret("a", "0123456789ABCDEF0123456789ABCDEF", 32)};
    struct auth_rig rig = {.file = sandbox_path("keys.jwks")};
    char *texts[2], *jwk;
    for (int i = 0; i != 2; ++i) {
        jwk = tokens_jwk(keys[i]);
        texts[i] = text_format("{\"keys\":[%s]}", jwk);
        free(jwk);
    }
    sandbox_write(rig.file, texts[0]);
    rig.keys = load_keys(rig.file);
    rig.rules.keys = rig.keys;
    for (int i = 1; i != 50; ++i) {
        sandbox_write(rig.file, texts[i % 2]);
        cr_assert(keys_refresh(rig.keys), "write %d", i);
        cr_assert_eq(verdict_signed(&rig, keys[i % 2], NULL, "{}"), TOKEN_OK, "write %d", i);
        cr_assert_eq(verdict_signed(&rig, keys[(i + 1) % 2], NULL, "{}"), TOKEN_INVALID, "write %d", i);
    }
    for (int i = 0; i != 2; ++i) {
        tokens_key_free(keys[i]);
        free(texts[i]);
    }
    end_rig(&rig);
}
