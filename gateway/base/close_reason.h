/* close_reason.h - why a stream ended */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BASE_CLOSE_REASON_H
#define GATEWAY_BASE_CLOSE_REASON_H

enum close_reason {
#define X(symbol, label, help) CLOSE_##symbol,
#include "gateway/base/close_reason.def"
#undef X
    CLOSE_REASON_COUNT,
    CLOSE_NONE = CLOSE_REASON_COUNT /* it has not ended */
};

const char *close_reason_label(enum close_reason reason);

#endif
