/* log.c - structured log lines on stderr */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/log.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "proto/text.h"
#include "proto/units.h"

/* Pipes (a container's or systemd's log) take writes up to PIPE_BUF, 4096, as a whole. */
#define LINE_MAX_BYTES 4096
/* One long value must not push the other fields out of the line. */
#define VALUE_MAX_BYTES 1024
/* Reserved so that every line can be terminated, including the mark that fields are missing. */
#define TAIL_BYTES 32
_Static_assert(sizeof(",\"truncated\":true}\n") <= TAIL_BYTES, "the longest end of a line fits");
_Static_assert(VALUE_MAX_BYTES + TAIL_BYTES < LINE_MAX_BYTES, "one long value leaves room for other fields");

struct line {
    size_t len;
    enum log_format format;
    bool truncated; /* a field did not fit and has been left out */
    char bytes[LINE_MAX_BYTES];
};

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};
static const char *const format_names[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json"};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_DEBUG + 1, "each level has its name");
_Static_assert(sizeof(format_names) / sizeof(format_names[0]) == LOG_JSON + 1, "each format has its name");

static _Atomic int current_level = LOG_INFO;
static _Atomic int current_format = LOG_TEXT;

struct log_field log_str(const char *key, const char *value)
{
    return log_bytes(key, value, value != NULL ? strlen(value) : 0);
}

struct log_field log_bytes(const char *key, const char *value, size_t len)
{
    return (struct log_field){.key = key,
                              .kind = LOG_FIELD_STRING,
                              .value.string = {.base = value != NULL ? value : "", .len = value != NULL ? len : 0}};
}

struct log_field log_i64(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_I64, .value.i64 = value};
}

struct log_field log_u64(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_U64, .value.u64 = value};
}

struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_BOOL, .value.boolean = value};
}

struct log_field log_f64(const char *key, double value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_F64, .value.f64 = value};
}

void log_configure(enum log_level level, enum log_format format)
{
    current_level = (int)level;
    current_format = (int)format;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= current_level;
}

bool log_parse_level(const char *s, enum log_level *level)
{
    for (size_t i = 0; i != sizeof(level_names) / sizeof(level_names[0]); ++i) {
        if (strcmp(s, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_parse_format(const char *s, enum log_format *format)
{
    for (size_t i = 0; i != sizeof(format_names) / sizeof(format_names[0]); ++i) {
        if (strcmp(s, format_names[i]) == 0) {
            *format = (enum log_format)i;
            return true;
        }
    }
    return false;
}

static void append_bytes(struct line *line, const char *s, size_t len)
{
    /* After a piece that did not fit no shorter one may follow, as if nothing were missing. */
    if (line->truncated || len > sizeof(line->bytes) - TAIL_BYTES - line->len) {
        line->truncated = true;
        return;
    }
    memcpy(line->bytes + line->len, s, len);
    line->len += len;
}

static void append_string(struct line *line, const char *s)
{
    append_bytes(line, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void append_format(struct line *line, const char *format, ...)
{
    char text[512]; /* the longest double has 309 digits before its point */
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0 && (size_t)len < sizeof(text))
        append_bytes(line, text, (size_t)len);
}

/* Bytes of the UTF-8 character at s, 0 when there is none. */
static size_t utf8_len(const char *s, size_t len)
{
    unsigned char lead = (unsigned char)*s;
    size_t wanted = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    return wanted <= len && text_is_utf8(s, wanted) ? wanted : 0;
}

/* DEL and the C1 controls too: a terminal that shows the log may obey them. */
static bool is_control(const char *s, size_t len)
{
    unsigned char first = (unsigned char)s[0];

    return first < 0x20 || first == 0x7f || (len == 2 && first == 0xc2 && (unsigned char)s[1] < 0xa0);
}

static void append_escaped(struct line *line, const char *s, size_t len, bool *is_plain)
{
    size_t limit = line->len + VALUE_MAX_BYTES;

    for (size_t i = 0, step; i < len; i += step) {
        size_t utf8 = utf8_len(s + i, len - i);

        step = utf8 != 0 ? utf8 : 1;
        if (line->len > limit) {
            append_string(line, "\xe2\x80\xa6"); /* an ellipsis: the rest of the value is missing */
            return;
        }
        /* JSON has no \x: there it is a backslash of the text. */
        if (utf8 == 0)
            append_format(line, line->format == LOG_JSON ? "\\\\x%02X" : "\\x%02X", (unsigned char)s[i]);
        else if (s[i] == '"' || s[i] == '\\')
            append_format(line, "\\%c", s[i]);
        else if (s[i] == '\n' || s[i] == '\r' || s[i] == '\t')
            append_string(line, s[i] == '\n' ? "\\n" : s[i] == '\r' ? "\\r" : "\\t");
        else if (is_control(s + i, step)) /* the last byte of a C1 control is its code point */
            append_format(line, "\\u%04x", (unsigned char)s[i + step - 1]);
        else {
            append_bytes(line, s + i, step);
            /* In the text format both would end the value, or make it look like a field of its own. */
            *is_plain = *is_plain && s[i] != ' ' && s[i] != '=';
            continue;
        }
        *is_plain = false;
    }
}

static void append_text_string(struct line *line, const char *s, size_t len)
{
    size_t start = line->len;
    bool is_plain = len != 0; /* an empty value without quotes would look like a missing one */

    append_bytes(line, "\"", 1);
    append_escaped(line, s, len, &is_plain);
    if (!is_plain) {
        append_bytes(line, "\"", 1);
    } else if (!line->truncated) {
        /* Plain after all: the opening quote goes. A truncated line may not even have it, and loses the field. */
        memmove(line->bytes + start, line->bytes + start + 1, line->len - start - 1);
        --line->len;
    }
}

static void append_json_string(struct line *line, const char *s, size_t len)
{
    bool is_plain = true;

    append_bytes(line, "\"", 1);
    append_escaped(line, s, len, &is_plain);
    append_bytes(line, "\"", 1);
}

static void append_value(struct line *line, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_FIELD_STRING:
        (line->format == LOG_JSON ? append_json_string : append_text_string)(line, field->value.string.base,
                                                                             field->value.string.len);
        break;
    case LOG_FIELD_I64:
        append_format(line, "%lld", (long long)field->value.i64);
        break;
    case LOG_FIELD_U64:
        append_format(line, "%llu", (unsigned long long)field->value.u64);
        break;
    case LOG_FIELD_BOOL:
        append_string(line, field->value.boolean ? "true" : "false");
        break;
    case LOG_FIELD_F64:
        if (isfinite(field->value.f64))
            append_format(line, "%.3f", field->value.f64);
        else
            append_string(line, "null"); /* JSON has neither NaN nor infinity */
        break;
    }
}

/* A field that does not fit is left out as a whole, so that a JSON line stays JSON. */
static void append_field(struct line *line, const struct log_field *field)
{
    size_t start = line->len;

    append_format(line, line->format == LOG_JSON ? ",\"%s\":" : " %s=", field->key);
    append_value(line, field);
    if (line->truncated)
        line->len = start;
}

static void append_head(struct line *line, enum log_level level, const char *event)
{
    char when[UNITS_TIME_LEN];

    units_write_time(when, clock_wall_ns() / NS_PER_MS);
    append_string(line, line->format == LOG_JSON ? "{\"time\":\"" : "");
    append_bytes(line, when, sizeof(when));
    append_format(line, line->format == LOG_JSON ? "\",\"level\":\"%s\",\"event\":\"%s\"" : " %-5s %s",
                  level_names[level], event);
}

static void append_tail(struct line *line)
{
    const char *tail = line->format == LOG_JSON ? "}\n" : "\n";

    if (line->truncated)
        tail = line->format == LOG_JSON ? ",\"truncated\":true}\n" : " truncated=true\n";
    memcpy(line->bytes + line->len, tail, strlen(tail));
    line->len += strlen(tail);
}

static void write_line(const struct line *line)
{
    size_t written = 0;

    while (written != line->len) {
        ssize_t n = write(STDERR_FILENO, line->bytes + written, line->len - written);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* stderr is the only place where this could be reported */
        written += (size_t)n;
    }
}

void log_write_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line line;
    /* The caller may still want to say why its call failed. */
    int saved_errno = errno;

    line.len = 0;
    line.truncated = false;
    /* Read once: a reload may change it, and a line must not begin in one format and end in the other. */
    line.format = (enum log_format)current_format;
    append_head(&line, level, event);
    for (const struct log_field *field = fields; field->key != NULL && !line.truncated; ++field)
        append_field(&line, field);
    append_tail(&line);
    write_line(&line);
    errno = saved_errno;
}

bool log_limit_admit(struct log_limit *limit, uint64_t *suppressed)
{
    int64_t now = clock_mono_coarse_ns() / NS_PER_S;
    int64_t second = limit->second;

    /* The thread that wins the exchange starts the new second; one line more or less at the boundary does no harm. */
    if (second != now && atomic_compare_exchange_strong(&limit->second, &second, now))
        limit->count = 0;
    if (limit->count++ >= limit->burst) {
        ++limit->suppressed;
        return false;
    }
    *suppressed = atomic_exchange(&limit->suppressed, 0);
    return true;
}

/* ---- output of libraries ---- */

/* Protected by the FILE's lock. */
static struct {
    size_t len;
    char bytes[VALUE_MAX_BYTES];
} printed;

/* Printed by assert() and by libh2o before they abort: never suppressed, because no later line would report it. */
static bool is_last_words(const char *text, size_t len)
{
    return memmem(text, len, "Assertion `", 11) != NULL || memmem(text, len, "fatal:", 6) != NULL;
}

static void write_printed(void)
{
    size_t len = printed.len;

    printed.len = 0;
    if (len == 0)
        return;
    if (is_last_words(printed.bytes, len))
        log_write(LOG_ERROR, "library", log_bytes("text", printed.bytes, len));
    else
        log_write_limited(LOG_WARN, "library", log_bytes("text", printed.bytes, len));
}

static ssize_t on_printed(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    for (size_t i = 0; i != size; ++i) {
        if (bytes[i] != '\n')
            printed.bytes[printed.len++] = bytes[i];
        if (bytes[i] == '\n' || printed.len == sizeof(printed.bytes))
            write_printed();
    }
    return (ssize_t)size;
}

void log_take_stderr(void)
{
    FILE *file = fopencookie(NULL, "w", (cookie_io_functions_t){.write = on_printed});

    if (file == NULL)
        return; /* out of memory: libraries keep printing to the descriptor */
    /* Unbuffered: assert() prints and aborts, and a buffer would die with the process. */
    setvbuf(file, NULL, _IONBF, 0);
    stderr = file; /* glibc allows it: there stderr is a variable */
}
