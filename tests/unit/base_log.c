/* base_log.c - what a log line looks like, whatever goes into it */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/log.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "tests/support/text_case.h"

#define TIME_LEN (sizeof("2026-11-22T13:41:26.123Z") - 1)

static int captured = -1;
static int saved_stderr = -1;

static void capture_start(void)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    saved_stderr = dup(STDERR_FILENO);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
    close(ends[1]);
    captured = ends[0];
}

/* Restores stderr; returns what was written to it since capture_start. */
static const char *capture_stop(void)
{
    static char text[1 << 16];
    ssize_t n = read(captured, text, sizeof(text) - 1);

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(captured);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

#define CAPTURE(...)                                                                                                   \
    (capture_start(), log_write_fields(LOG_INFO, "test-event", (struct log_field[]){__VA_ARGS__, {.key = NULL}}),      \
     capture_stop())

static void assert_fields(const char *line, const char *expected)
{
    const char *head = " info  test-event ";

    cr_assert_gt(strlen(line), TIME_LEN + strlen(head), "too short: %s", line);
    cr_assert(strncmp(line + TIME_LEN, head, strlen(head)) == 0, "head of: %s", line);
    cr_expect_str_eq(line + TIME_LEN + strlen(head), expected);
}

static json_t *parse_line(const char *line)
{
    json_error_t error;
    json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, &error);

    cr_assert_not_null(parsed, "not JSON (%s): %s", error.text, line);
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1, "not one line: %s", line);
    return parsed;
}

Test(base_log, text_line)
{
    assert_fields(CAPTURE(log_str("url", "nats://127.0.0.1:4222"), log_i64("delta", -3), log_u64("attempt", UINT64_MAX),
                          log_bool("up", true), log_f64("seconds", 1.25)),
                  "url=nats://127.0.0.1:4222 delta=-3 attempt=18446744073709551615 up=true seconds=1.250\n");
}

Test(base_log, text_time_is_utc_with_milliseconds)
{
    const char *line = CAPTURE(log_str("a", "b"));
    struct tm tm = {0};
    const char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);

    cr_assert_not_null(rest, "%s", line);
    cr_expect(rest[0] == '.' && rest[4] == 'Z', "%s", line);
    cr_expect_leq(labs((long)(timegm(&tm) - time(NULL))), 5);
}

Test(base_log, text_values_that_need_quotes)
{
    static const struct text_case cases[] = {
        {"plain-value_1.2/3:4", "plain-value_1.2/3:4"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak\r\ttab", "\"line\\nbreak\\r\\ttab\""},
        {"\x01\x1b[31m", "\"\\u0001\\u001b[31m\""},
        {"del\x7f", "\"del\\u007f\""},
        {"csi\xc2\x9b", "\"csi\\u009b\""},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a\""},
        {"bad\xff\xc3", "\"bad\\xFF\\xC3\""},
        {"\xc0\xaf", "\"\\xC0\\xAF\""},
    };

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char expected[128];

        snprintf(expected, sizeof(expected), "v=%s next=1\n", cases[i].wanted);
        assert_fields(CAPTURE(log_str("v", cases[i].given), log_i64("next", 1)), expected);
    }
    assert_fields(CAPTURE(log_str("v", NULL)), "v=\"\"\n");
    assert_fields(CAPTURE(log_bytes("v", "a\0b", 3)), "v=\"a\\u0000b\"\n");
}

Test(base_log, json_line)
{
    json_t *line;

    log_configure(LOG_INFO, LOG_JSON);
    line = parse_line(CAPTURE(log_str("s", "a \"b\"\n\\\x01\x7f\xc3\xbc"), log_str("bad", "x\xffy"), log_i64("i", -3),
                              log_u64("u", 7), log_bool("b", false), log_f64("f", 0.5), log_f64("nan", (double)NAN),
                              log_str("null", NULL)));
    cr_expect_str_eq(json_string_value(json_object_get(line, "level")), "info");
    cr_expect_str_eq(json_string_value(json_object_get(line, "event")), "test-event");
    cr_expect_eq(strlen(json_string_value(json_object_get(line, "time"))), TIME_LEN);
    cr_expect_str_eq(json_string_value(json_object_get(line, "s")), "a \"b\"\n\\\x01\x7f\xc3\xbc");
    cr_expect_str_eq(json_string_value(json_object_get(line, "bad")), "x\\xFFy");
    cr_expect_eq(json_integer_value(json_object_get(line, "i")), -3);
    cr_expect_eq(json_integer_value(json_object_get(line, "u")), 7);
    cr_expect(json_is_false(json_object_get(line, "b")));
    cr_expect_eq(json_real_value(json_object_get(line, "f")), 0.5);
    cr_expect(json_is_null(json_object_get(line, "nan")));
    cr_expect_str_eq(json_string_value(json_object_get(line, "null")), "");
    json_decref(line);
}

Test(base_log, a_long_value_is_cut_and_the_rest_stays)
{
    char value[5000];
    json_t *line;
    const char *shown;

    /* Every byte grows to five (\xE2 and so on): the worst case for the buffer. */
    memset(value, 0xe2, sizeof(value));
    log_configure(LOG_INFO, LOG_JSON);
    line = parse_line(CAPTURE(log_bytes("value", value, sizeof(value)), log_str("after", "still here")));
    shown = json_string_value(json_object_get(line, "value"));
    cr_expect_geq(strlen(shown), 500);
    cr_expect_leq(strlen(shown), 1100);
    cr_expect_str_eq(shown + strlen(shown) - 3, "\xe2\x80\xa6");
    cr_expect_str_eq(json_string_value(json_object_get(line, "after")), "still here");
    json_decref(line);
}

Test(base_log, a_full_line_says_so)
{
    char value[1000];
    json_t *line;
    const char *text;

    memset(value, 'x', sizeof(value));
    log_configure(LOG_INFO, LOG_JSON);
    line = parse_line(CAPTURE(log_bytes("a", value, sizeof(value)), log_bytes("b", value, sizeof(value)),
                              log_bytes("c", value, sizeof(value)), log_bytes("d", value, sizeof(value)),
                              log_bytes("e", value, sizeof(value))));
    cr_expect_eq(json_string_length(json_object_get(line, "c")), sizeof(value));
    cr_expect_null(json_object_get(line, "e"));
    cr_expect(json_is_true(json_object_get(line, "truncated")));
    json_decref(line);

    log_configure(LOG_INFO, LOG_TEXT);
    text = CAPTURE(log_bytes("a", value, sizeof(value)), log_bytes("b", value, sizeof(value)),
                   log_bytes("c", value, sizeof(value)), log_bytes("d", value, sizeof(value)),
                   log_bytes("e", value, sizeof(value)));
    cr_expect_leq(strlen(text), 4096);
    cr_expect_not_null(strstr(text, " truncated=true\n"));
}

Test(base_log, levels_are_filtered_and_padded)
{
    const char *text;

    log_configure(LOG_WARN, LOG_TEXT);
    capture_start();
    log_write(LOG_DEBUG, "hidden-debug");
    log_write(LOG_INFO, "hidden-info", log_i64("a", 1));
    log_write(LOG_WARN, "shown-warn");
    log_write(LOG_ERROR, "shown-error", log_i64("a", 1));
    text = capture_stop();
    cr_expect_null(strstr(text, "hidden"));
    cr_expect_not_null(strstr(text, "Z warn  shown-warn\n"));
    cr_expect_not_null(strstr(text, "Z error shown-error a=1\n"));
    cr_expect(!log_enabled(LOG_INFO));
    cr_expect(log_enabled(LOG_WARN));
}

Test(base_log, names_of_levels_and_formats)
{
    enum log_level level = LOG_DEBUG;
    enum log_format format = LOG_TEXT;

    cr_expect(log_parse_level("error", &level) && level == LOG_ERROR);
    cr_expect(log_parse_level("warn", &level) && level == LOG_WARN);
    cr_expect(log_parse_level("info", &level) && level == LOG_INFO);
    cr_expect(log_parse_level("debug", &level) && level == LOG_DEBUG);
    cr_expect(!log_parse_level("INFO", &level) && level == LOG_DEBUG);
    cr_expect(!log_parse_level("", &level));
    cr_expect(log_parse_format("json", &format) && format == LOG_JSON);
    cr_expect(log_parse_format("text", &format) && format == LOG_TEXT);
    cr_expect(!log_parse_format("xml", &format) && format == LOG_TEXT);
}

Test(base_log, limit_lets_a_burst_through_and_reports_the_rest)
{
    struct log_limit limit = {.burst = 3};
    uint64_t suppressed = 99;
    unsigned admitted = 0, refused = 0;

    /* Until the second turns: then the first line says how many were held back before it. */
    while (admitted < 3 || suppressed == 0) {
        if (log_limit_admit(&limit, &suppressed)) {
            ++admitted;
            cr_assert(suppressed == 0 || suppressed == refused, "%u, not %u", (unsigned)suppressed, refused);
            if (suppressed != 0)
                break;
        } else {
            ++refused;
        }
    }
    cr_assert_eq(suppressed, refused);
    /* At most two seconds can have begun while the first burst was taken. */
    cr_assert_geq(admitted, 4);
    cr_assert_leq(admitted, 7);
}

static void storm(int lines)
{
    for (int i = 0; i != lines; ++i)
        log_write_limited(LOG_WARN, "peer-noise", log_i64("i", i));
}

Test(base_log, limited_call_site_writes_ten_lines_a_second)
{
    const char *text;
    unsigned lines = 0;

    capture_start();
    storm(10000);
    text = capture_stop();
    for (const char *p = text; (p = strstr(p, "peer-noise")) != NULL; ++p)
        ++lines;
    /* 10,000 calls take well under 2 s: no more than three seconds of the clock are touched. */
    cr_expect_geq(lines, 10);
    cr_expect_leq(lines, 30);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i != 100; ++i)
        log_write(LOG_INFO, "thread-line", log_i64("thread", (int64_t)(intptr_t)arg), log_str("end", "of the line"));
    return NULL;
}

Test(base_log, lines_of_threads_never_mix)
{
    pthread_t threads[4];
    const char *line, *end;
    unsigned lines = 0;

    capture_start();
    for (int i = 0; i != 4; ++i)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, (void *)(intptr_t)i), 0);
    for (int i = 0; i != 4; ++i)
        pthread_join(threads[i], NULL);
    for (line = capture_stop(); (end = strchr(line, '\n')) != NULL; line = end + 1) {
        int thread, used = 0;

        cr_assert_gt(end - line, (ptrdiff_t)TIME_LEN);
        sscanf(line + TIME_LEN, " info thread-line thread=%d end=\"of the line\"%n", &thread, &used);
        cr_assert_eq(line + TIME_LEN + used, end, "%s", line);
        ++lines;
    }
    cr_expect_eq(lines, 400);
}

Test(base_log, a_failed_check_is_logged_and_aborts)
{
    const char *text;
    int status = 0;
    pid_t child;

    capture_start();
    child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* not the one of the test runner */
        CHECK(child != 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    text = capture_stop();
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cr_expect_not_null(strstr(text, "Z error check-failed condition=\"child != 0\" file="), "%s", text);
}

/* The number of lines that what a child does with its stderr comes to; text: all of them. */
static unsigned lines_of(void (*act)(void), int *status, char *text, size_t size)
{
    int ends[2];
    unsigned lines = 0;
    size_t len = 0;
    ssize_t n;

    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        log_take_stderr();
        act();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(ends[0]);
    waitpid(pid, status, 0);
    for (const char *at = text; (at = strstr(at, " library text=")) != NULL; ++at)
        ++lines;
    return lines;
}

static void print_pieces(void)
{
    fprintf(stderr, "one %d", 1);
    fputs(" line\n\ntwo\nno end", stderr);
}

static void print_many(void)
{
    for (int i = 0; i < 100000; ++i)
        fprintf(stderr, "[ERROR] again %d\n", i);
    fprintf(stderr, "x.c:1: f: Assertion `0' failed.\n");
}

static void fail(void)
{
    signal(SIGABRT, SIG_DFL);
    for (int i = 0; i < 100; ++i)
        perror("noise");
    __assert_fail("1 == 2", "there.c", 7, "somewhere");
}

Test(base_log, what_libraries_print_comes_out_as_lines)
{
    static char text[1 << 18];
    int status;

    cr_assert_eq(lines_of(print_pieces, &status, text, sizeof(text)), 2);
    cr_assert_neq(strstr(text, " warn  library text=\"one 1 line\"\n"), NULL, "%s", text);
    cr_assert_neq(strstr(text, " warn  library text=two\n"), NULL, "%s", text);
    cr_assert(lines_of(print_many, &status, text, sizeof(text)) <= 31, "%s", text);
    cr_assert_neq(strstr(text, "Assertion `0' failed."), NULL, "%s", text);
}

Test(base_log, an_assertions_last_words_are_not_lost)
{
    static char text[1 << 16];
    int status;

    lines_of(fail, &status, text, sizeof(text));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cr_assert_neq(strstr(text, " error library text=\""), NULL, "%s", text);
    cr_assert_neq(strstr(text, "there.c:7: somewhere: Assertion `1 == 2' failed."), NULL, "%s", text);
}
