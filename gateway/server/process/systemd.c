/* systemd.c - tells the service manager how the gateway is: sd_notify(3) */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/systemd.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/server/process/watchdog.h"

#define MESSAGE_MAX 512
/* Beyond what the drain may take: streams that are cut, connections that close, NATS. */
#define STOP_MARGIN_MS 15000
/* The manager expects to hear of it at least once per period. */
#define FEEDS_PER_PERIOD 4

_Static_assert(FEEDS_PER_PERIOD >= 2, "one late feed is no reason to be killed");

struct systemd {
    int fd; /* -1: no service manager */
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t watchdog_ns; /* 0: it wants no WATCHDOG=1 */
    uint64_t *seen;      /* turns of each loop at the last feed */
};

/* Of the environment, once: children must not talk to the manager in our name. */
static char *take_variable(const char *name)
{
    const char *value = getenv(name);
    char *copy = value != NULL ? check_strdup(value) : NULL;
    unsetenv(name);
    return copy;
}

static bool read_address(struct systemd *systemd, const char *name)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(systemd->address.sun_path))
        return false;
    systemd->address.sun_family = AF_UNIX;
    memcpy(systemd->address.sun_path, name, len + 1);
    if (name[0] == '@') /* an abstract name begins with a NUL */
        systemd->address.sun_path[0] = '\0';
    /* unix(7): a path counts its NUL, an abstract name has no end but its length. */
    systemd->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

static int64_t read_period(const char *usec, const char *pid)
{
    char *end;
    /* sd_watchdog_enabled(3): the variables may be those of a parent. */
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    long long value = strtoll(usec, &end, 10);
    return *usec != '\0' && *end == '\0' && value > 0 && value < INT64_MAX / 1000 ? value * 1000 : 0;
}

struct systemd *systemd_open(void)
{
    struct systemd *systemd = check_calloc(1, sizeof(*systemd));
    char *socket_name = take_variable("NOTIFY_SOCKET");
    char *usec = take_variable("WATCHDOG_USEC"), *pid = take_variable("WATCHDOG_PID");
    systemd->fd = -1;
    if (socket_name != NULL && read_address(systemd, socket_name))
        systemd->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    else if (socket_name != NULL)
        log_write(LOG_WARN, "notify-failed", log_str("socket", socket_name),
                  log_str("reason", "neither a path nor @name"));
    if (systemd->fd != -1)
        systemd->watchdog_ns = read_period(usec, pid);
    free(socket_name);
    free(usec);
    free(pid);
    return systemd;
}

void systemd_close(struct systemd *systemd)
{
    if (systemd == NULL)
        return;
    if (systemd->fd != -1)
        close(systemd->fd);
    free(systemd->seen);
    free(systemd);
}

/* Never waits: a manager that doesn't read must not hold up the gateway. */
static void tell_manager(struct systemd *systemd, const char *message)
{
    const struct sockaddr *address = (const struct sockaddr *)&systemd->address;
    if (systemd->fd == -1)
        return;
    if (sendto(systemd->fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT, address, systemd->address_len) < 0)
        log_write_limited(LOG_WARN, "notify-failed", log_str("reason", "the manager's socket does not take it"));
}

void systemd_ready(struct systemd *systemd)
{
    tell_manager(systemd, "READY=1");
}

void systemd_reloading(struct systemd *systemd)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_mono_ns() / 1000));
    tell_manager(systemd, message);
}

void systemd_stopping(struct systemd *systemd, int64_t timeout_ms)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof(message), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
             (long long)(timeout_ms + STOP_MARGIN_MS) * 1000);
    tell_manager(systemd, message);
}

void systemd_status(struct systemd *systemd, const char *format, ...)
{
    char message[MESSAGE_MAX] = "STATUS=";
    va_list args;
    va_start(args, format);
    vsnprintf(message + strlen(message), sizeof(message) - strlen(message), format, args);
    va_end(args);
    tell_manager(systemd, message);
}

void systemd_feed(struct systemd *systemd, struct watchdog_pulse *const *pulses, size_t count)
{
    bool all = true;
    CHECK(count != 0);
    if (systemd->watchdog_ns == 0)
        return;
    if (systemd->seen == NULL)
        systemd->seen = check_calloc(count, sizeof(*systemd->seen));
    for (size_t i = 0; i != count; ++i) {
        uint64_t turns = atomic_load_explicit(&pulses[i]->turns, memory_order_relaxed);
        all &= turns != systemd->seen[i] || atomic_load_explicit(&pulses[i]->thread, memory_order_acquire) == 0;
    }
    if (!all) /* no feed: the manager restarts a gateway with a stuck loop */
        return;
    for (size_t i = 0; i != count; ++i)
        systemd->seen[i] = atomic_load_explicit(&pulses[i]->turns, memory_order_relaxed);
    tell_manager(systemd, "WATCHDOG=1");
}

int64_t systemd_turn_ns(const struct systemd *systemd, int64_t default_ns)
{
    int64_t ns = systemd->watchdog_ns / FEEDS_PER_PERIOD;
    return ns != 0 && ns < default_ns ? ns : default_ns;
}
