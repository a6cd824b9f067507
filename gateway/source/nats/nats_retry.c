/* nats_retry.c - when to try a connection again, and what to say about why it failed */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_retry.h"

#include <string.h>

#include "gateway/base/random.h"

int64_t nats_retry_ms(int64_t base, int64_t max, unsigned n)
{
    int64_t ms = n < 16 && base << n < max ? base << n : max; /* 2^16: far beyond any max / base */
    return ms / 2 + (int64_t)(random_seed() % (uint64_t)ms);
}

bool nats_retry_logs(unsigned failed)
{
    return failed != 0 && (failed & (failed - 1)) == 0;
}

/*
 * The client library has a text for some errors only, some with a place in its
 * source in front, and it calls a refused connection a timeout.
 */
const char *nats_retry_reason(natsStatus status, const char *text)
{
    if (text != NULL && text[0] == '(') {
        const char *end = strstr(text, "): ");
        text = end != NULL ? end + 3 : text;
    }
    if (text != NULL && text[0] != '\0' && status != NATS_NO_SERVER)
        return text;
    return status == NATS_TIMEOUT || status == NATS_NO_SERVER ? "connection refused or no answer"
                                                              : natsStatus_GetText(status);
}
