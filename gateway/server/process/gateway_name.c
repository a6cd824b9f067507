/* gateway_name.c - what this gateway is called among others */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/gateway_name.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "gateway/base/clock.h"

void gateway_name_make(const char *configured, char dst[static GATEWAY_NAME_MAX])
{
    char host[65] = "";
    uint32_t end;
    if (configured != NULL) {
        snprintf(dst, GATEWAY_NAME_MAX, "%s", configured);
        return;
    }
    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof(host), "freshet");
    for (char *p = host; *p != '\0'; ++p) {
        if (!isalnum((unsigned char)*p) && *p != '-')
            *p = '-';
    }
    if (getrandom(&end, sizeof(end), GRND_NONBLOCK) != sizeof(end))
        end = (uint32_t)clock_wall_ns();
    snprintf(dst, GATEWAY_NAME_MAX, "%s-%06x", host, end & 0xffffff);
}
