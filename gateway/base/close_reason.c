/* close_reason.c - why a stream ended */
/* SPDX-License-Identifier: MIT */
#include "gateway/base/close_reason.h"

#include "gateway/base/check.h"

const char *close_reason_label(enum close_reason reason)
{
    static const char *const labels[] = {
#define X(symbol, label, help) [CLOSE_##symbol] = label,
#include "gateway/base/close_reason.def"
#undef X
    };

    CHECK((unsigned)reason < CLOSE_REASON_COUNT);
    return labels[reason];
}
