/* recorder.c - stands in for the core's channels, and records what a source reports */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/recorder.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/core/ingress.h"
#include "gateway/core/message.h"

struct recorder recorder = {.lock = PTHREAD_MUTEX_INITIALIZER};

void recorder_add(enum record_kind kind, struct channel *channel, uint64_t number, const struct message *message)
{
    if (recorder.count == recorder.capacity) {
        recorder.capacity = recorder.capacity * 2 + 1024;
        recorder.records = realloc(recorder.records, recorder.capacity * sizeof(*recorder.records));
    }
    struct record *record = &recorder.records[recorder.count++];
    *record = (struct record){.kind = kind, .channel = channel, .number = number};
    if (channel != NULL)
        ++channel->counts[kind];
    if (message != NULL) {
        record->received_ns = message->received_ns;
        snprintf(record->subject, sizeof(record->subject), "%.*s", (int)message->subject_len, message->subject);
        snprintf(record->data, sizeof(record->data), "%.*s", (int)message->data_len, message->data);
    }
}

void recorder_write(enum record_kind kind, struct channel *channel, uint64_t number, const struct message *message)
{
    pthread_mutex_lock(&recorder.lock);
    recorder_add(kind, channel, number, message);
    pthread_mutex_unlock(&recorder.lock);
}

unsigned recorder_count(struct channel *channel, enum record_kind kind)
{
    pthread_mutex_lock(&recorder.lock);
    unsigned count = channel->counts[kind];
    pthread_mutex_unlock(&recorder.lock);
    return count;
}

void recorder_forget(void)
{
    free(recorder.records);
    recorder.records = NULL;
    recorder.count = recorder.capacity = 0;
    recorder.on_message = NULL;
}

struct channel *recorder_make_channel(const char *pattern)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    snprintf(channel->pattern, sizeof(channel->pattern), "%s", pattern);
    return channel;
}

/* ---- what every source calls ---- */

void ingress_closed(struct channel *channel)
{
    recorder_write(CLOSED, channel, 0, NULL);
}

const char *ingress_pattern(const struct channel *channel)
{
    return channel->pattern;
}

void ingress_set_source_data(struct channel *channel, void *data)
{
    channel->source_data = data;
}

void *ingress_source_data(const struct channel *channel)
{
    return channel->source_data;
}
