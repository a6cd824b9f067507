/* log.h - structured log lines on stderr */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_LOG_H
#define GATEWAY_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The single owner of stderr. One line per event, written with one write(2),
 * so lines of several threads never mix. Any thread; never blocks on anything
 * but stderr itself.
 *
 * text: "2026-11-22T13:41:26.123Z info  nats-connected url=nats://127.0.0.1:4222 attempt=3"
 * json: {"time":"…","level":"info","event":"nats-connected","url":"…","attempt":3}
 *
 * An event is a short, fixed, dashed name that an operator can grep for;
 * everything variable is in fields. Values with blanks, quotes or control bytes
 * are quoted and escaped in both formats; bytes that aren't UTF-8 become \xNN.
 */
enum log_level { LOG_ERROR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT = 0, LOG_JSON };

struct log_field {
    const char *key; /* NULL ends a list */
    enum { LOG_FIELD_STRING, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_BOOL, LOG_FIELD_F64 } kind;
    union {
        struct {
            const char *base; /* NULL is shown as an empty string */
            size_t len;
        } string;
        int64_t i64;
        uint64_t u64;
        bool boolean;
        double f64; /* shown with three decimals */
    } value;
};

struct log_field log_str(const char *key, const char *value);
struct log_field log_bytes(const char *key, const char *value, size_t len);
struct log_field log_i64(const char *key, int64_t value);
struct log_field log_u64(const char *key, uint64_t value);
struct log_field log_bool(const char *key, bool value);
struct log_field log_f64(const char *key, double value);

void log_configure(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
bool log_parse_level(const char *s, enum log_level *level);
bool log_parse_format(const char *s, enum log_format *format);

/* log_write(LOG_INFO, "event-name", log_str("key", value), …) */
#define log_write(level, event, ...)                                                                                   \
    do {                                                                                                               \
        if (log_enabled(level))                                                                                        \
            log_write_fields(level, event, (struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}});             \
    } while (0)
void log_write_fields(enum log_level level, const char *event, const struct log_field *fields);

/*
 * For lines that a peer can cause: at most `burst` per second and call site.
 * The next line after a pause reports the missing ones as suppressed=N. Static
 * storage, zero-initialised except for burst; any thread.
 */
struct log_limit {
    uint32_t burst;
    _Atomic int64_t second; /* monotonic second the count is for */
    _Atomic uint32_t count;
    _Atomic uint64_t suppressed;
};
#define log_write_limited(level, event, ...)                                                                           \
    do {                                                                                                               \
        static struct log_limit limit_ = {.burst = 10};                                                                \
        uint64_t suppressed_;                                                                                          \
        if (log_enabled(level) && log_limit_admit(&limit_, &suppressed_)) {                                            \
            if (suppressed_ != 0)                                                                                      \
                log_write(level, event, __VA_ARGS__ __VA_OPT__(, ) log_u64("suppressed", suppressed_));                \
            else                                                                                                       \
                log_write(level, event, __VA_ARGS__);                                                                  \
        }                                                                                                              \
    } while (0)
bool log_limit_admit(struct log_limit *limit, uint64_t *suppressed);

/*
 * From now on, whatever libraries print to the FILE stderr appears as `library`
 * lines of the log, with `text`, written immediately by the printing thread, so
 * that the message of a failed assertion is out before the process aborts. At
 * most ten a second, except for such messages. The descriptor is unchanged:
 * sanitizers, glibc's own aborts and child processes write to it directly.
 */
void log_take_stderr(void);

#endif
