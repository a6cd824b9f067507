/* systemd.h - tells the service manager how the gateway is: sd_notify(3) */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_PROCESS_SYSTEMD_H
#define GATEWAY_SERVER_PROCESS_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

struct systemd;
struct watchdog_pulse;

/*
 * Datagrams of KEY=VALUE lines to the socket that NOTIFY_SOCKET names, a path
 * or (with '@' in front) an abstract one. Without that variable, and where the
 * socket takes nothing, all of this does nothing. The protocol is a promise of
 * systemd's; these few lines of it are no reason to link its library.
 * Main thread.
 */
struct systemd *systemd_open(void);
/* NULL is ignored. */
void systemd_close(struct systemd *systemd);

/* READY=1: it serves; also after a reload. */
void systemd_ready(struct systemd *systemd);
/* RELOADING=1, until systemd_ready. */
void systemd_reloading(struct systemd *systemd);
/* STOPPING=1, and more time for it than the unit's TimeoutStopSec may give. */
void systemd_stopping(struct systemd *systemd, int64_t timeout_ms);
/* STATUS=, what `systemctl status` shows. */
void systemd_status(struct systemd *systemd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * WATCHDOG=1 if every one of the loops has turned since the last one, or
 * rests. Called every systemd_turn_ns, which is default_ns or less where the
 * manager (WATCHDOG_USEC) wants it more often. The pulses are always
 * the same.
 */
void systemd_feed(struct systemd *systemd, struct watchdog_pulse *const *pulses, size_t count);
int64_t systemd_turn_ns(const struct systemd *systemd, int64_t default_ns);

#endif
