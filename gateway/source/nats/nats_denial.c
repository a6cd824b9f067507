/* nats_denial.c - what the broker's refusals are about */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_denial.h"

#include <stdio.h>
#include <string.h>

bool nats_denial_parse(const char *text, struct nats_refused *refused)
{
    static const char subscription[] = "Permissions Violation for Subscription to \"";
    static const char publish[] = "Permissions Violation for Publish to \"";
    const char *start = strcasestr(text, subscription);
    refused->is_publish = start == NULL;
    if (refused->is_publish && (start = strcasestr(text, publish)) == NULL)
        return false;
    refused->subject = start + (refused->is_publish ? sizeof(publish) : sizeof(subscription)) - 1;
    refused->len = strcspn(refused->subject, "\"");
    refused->is_truncated = refused->subject[refused->len] == '\0';
    return true;
}

bool nats_denial_matches(const struct nats_refused *refused, const char *subject)
{
    return strncmp(refused->subject, subject, refused->len) == 0 &&
           (refused->is_truncated || subject[refused->len] == '\0');
}

bool nats_denial_noted(natsConnection *connection, char text[static NATS_ERROR_TEXT_MAX])
{
    const char *last;
    if (natsConnection_GetLastError(connection, &last) != NATS_NOT_PERMITTED)
        return false;
    /* Copied at once: the library's reader may write the next one over it. */
    snprintf(text, NATS_ERROR_TEXT_MAX, "%s", last);
    return true;
}
