/* gateway_name.c - what this gateway is called among others */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/gateway_name.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/random.h"

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
    /* The name is one token of a subject: a host may have dots. */
    for (char *p = host; *p != '\0'; ++p) {
        if (!isalnum((unsigned char)*p) && *p != '-')
            *p = '-';
    }
    /* Several gateways may run on one host. */
    random_fill(&end, sizeof(end));
    snprintf(dst, GATEWAY_NAME_MAX, "%s-%06x", host, end & 0xffffff);
}
