/* js_control.h - the control thread of a JetStream source: all calls that may block, one after the other */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_CONTROL_H
#define GATEWAY_SOURCE_JETSTREAM_JS_CONTROL_H

/* The thread, from the source's start to its stop; arg: the struct js_source. */
void *js_control_main(void *arg);

#endif
