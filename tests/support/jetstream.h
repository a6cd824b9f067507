/* jetstream.h - creates JetStream streams and publishes to them, whatever outages come */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_JETSTREAM_H
#define TESTS_SUPPORT_JETSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One thread at a time. Each call is repeated until it succeeds (an outage only
 * makes it wait, for a minute at most), so that messages missing or repeated in
 * a test are the gateway's doing; a call that can't succeed ends the process by
 * fixture_fail.
 */
struct jetstream;

/* 0 or NULL is the broker's default: one replica, no limit. */
struct jetstream_stream {
    const char *name;
    const char *subjects[4];
    unsigned replicas;
    bool in_memory, work_queue, allow_rollup;
    int64_t max_messages, max_messages_per_subject, max_age_ms;
    const char *republish_from, *republish_to;
};

struct jetstream_state {
    uint64_t first, last, count; /* sequences, and how many are stored between */
    unsigned consumers;
    char leader[64]; /* the server's name; "" outside a cluster */
};

struct jetstream *jetstream_connect(const char *url);
void jetstream_destroy(struct jetstream *js);

void jetstream_create(struct jetstream *js, const struct jetstream_stream *stream);
void jetstream_update(struct jetstream *js, const struct jetstream_stream *stream);
void jetstream_delete(struct jetstream *js, const char *stream);
/* subject: only that one's messages, or NULL */
void jetstream_purge(struct jetstream *js, const char *stream, const char *subject);
/* The same, but keeps that many of the newest messages. */
void jetstream_purge_keep(struct jetstream *js, const char *stream, const char *subject, uint64_t keep);
void jetstream_delete_message(struct jetstream *js, const char *stream, uint64_t sequence);
struct jetstream_state jetstream_state(struct jetstream *js, const char *stream);
/* Asks once: false when there is no answer (no leader, no such stream). */
bool jetstream_ask_state(struct jetstream *js, const char *stream, struct jetstream_state *state);

/* Returns the message's sequence once it is stored, exactly once. */
uint64_t jetstream_publish(struct jetstream *js, const char *subject, const char *text);
uint64_t jetstream_publish_format(struct jetstream *js, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fast, without waiting: jetstream_flush waits for all acknowledgements, and fails if a message was not stored. */
void jetstream_publish_later(struct jetstream *js, const char *subject, const char *text);
/* The same, and what the stream (it has allow_rollup) held of that subject before is purged. */
void jetstream_publish_rollup_later(struct jetstream *js, const char *subject, const char *text);
void jetstream_flush(struct jetstream *js);

/* Calls on_message with each stored message, in order. */
typedef void jetstream_on_message(void *arg, uint64_t sequence, const char *subject, const char *data, size_t len);
void jetstream_read(struct jetstream *js, const char *stream, jetstream_on_message *on_message, void *arg);

#endif
