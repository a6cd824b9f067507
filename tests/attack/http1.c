/* http1.c - requests that two parsers might not end at the same byte */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/attack/attack.h"
#include "tests/support/sandbox.h"

#define ANSWER_MS 3000

/*
 * Bytes that a proxy in front might take for one request and the gateway for
 * two, or the other way round. Each smuggles a request for a path whose answer
 * would show up; none may be answered, and the connection has to end.
 */
#define SMUGGLED "GET /smuggled-path HTTP/1.1\r\nhost: x\r\n\r\n"
#define HEAD "GET /nowhere HTTP/1.1\r\nhost: x\r\n"
#define POST "POST /nowhere HTTP/1.1\r\nhost: x\r\n"
static const char *const smuggling[] = {
    HEAD "content-length: 39\r\ncontent-length: 0\r\n\r\n" SMUGGLED,
    HEAD "content-length: 0\r\ncontent-length: 39\r\n\r\n" SMUGGLED,
    HEAD "content-length: 0, 39\r\n\r\n" SMUGGLED,
    HEAD "content-length: +0\r\n\r\n" SMUGGLED,
    HEAD "content-length: 0x0\r\n\r\n" SMUGGLED,
    HEAD "content-length: -1\r\n\r\n" SMUGGLED,
    HEAD "content-length: 18446744073709551616\r\n\r\n" SMUGGLED,
    HEAD "content-length : 39\r\n\r\n" SMUGGLED,
    HEAD "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    HEAD "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "transfer-encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "transfer-encoding: xchunked\r\n\r\n" SMUGGLED,
    POST "transfer-encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "transfer-encoding:\vchunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "transfer-encoding: chunked\r\n\r\n0\n\n" SMUGGLED,
    POST "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n" SMUGGLED,
    POST "transfer-encoding: chunked\r\n\r\n-1\r\n\r\n" SMUGGLED,
    POST "content-length: 0\r\n\r\n" SMUGGLED,
    "GET /nowhere HTTP/1.1\nhost: x\ncontent-length: 0\n\n" SMUGGLED,
    HEAD "x: 1\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    "GET /nowhere HTTP/1.1\r\n host: x\r\ncontent-length: 0\r\n\r\n" SMUGGLED,
    "GET /nowhere HTTP/1.1\r\nhost: x\rcontent-length: 39\r\n\r\n" SMUGGLED,
    "GET /nowhere HTTP/1.0\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n0\r\n\r\n" SMUGGLED,
    HEAD "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk\r\ncontent-length: "
         "0\r\n\r\n" SMUGGLED,
    "CONNECT /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n" SMUGGLED,
    HEAD "expect: 100-continue\r\ncontent-length: 39\r\n\r\n" SMUGGLED,
};

/* Everything the gateway says until it closes or falls silent, NUL terminated. */
static size_t read_answers(struct attack_peer *peer, char *dst, size_t size, int ms)
{
    int64_t deadline = now_ms() + ms;
    size_t len = 0, n = 1;

    while (len < size - 1 && !peer->closed && now_ms() < deadline) {
        n = attack_read(peer, dst + len, size - 1 - len, (int)(deadline - now_ms()));
        len += n;
    }
    dst[len] = '\0';
    return len;
}

static void smuggle(struct attack_run *run)
{
    struct attack_target target = target_of(run, "http/1.1");
    static char answers[65536];

    for (size_t i = 0; i < sizeof(smuggling) / sizeof(smuggling[0]); i++) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        attack_put(peer, smuggling[i], strlen(smuggling[i]));
        attack_flush(peer, 500);
        read_answers(peer, answers, sizeof(answers), ANSWER_MS);
        if (strstr(answers, "smuggled-path") != NULL)
            failed(run, "form %zu: the smuggled request is answered", i);
        else if (!peer->closed)
            failed(run, "form %zu: the connection stays open", i);
        finish(run, peer, 0);
    }
}

/* Unless told otherwise, libh2o's parser takes it for an upgrade, and then nothing handles its frames. */
static void preface_on_http1(struct attack_run *run)
{
    struct attack_target target = target_of(run, "http/1.1");

    for (int i = 0; i < 10; i++) {
        struct attack_peer *peer = begin(run, &target);
        struct h2_frame frame;
        if (peer == NULL)
            continue;
        h2_put_hello(peer, 65535);
        h2_put_get(peer, 1, QUIET_PATH);
        attack_flush(peer, 500);
        while (h2_next_frame(peer, &frame, 200))
            if (frame.type == H2_HEADERS)
                failed(run, "HTTP/2 is spoken where HTTP/1.1 was agreed on");
        finish(run, peer, ANSWER_MS);
    }
}

/* The other way round. */
static void http1_on_h2(struct attack_run *run)
{
    struct attack_target target = target_of(run, "h2");

    for (int i = 0; i < 10; i++) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        attack_put(peer, "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", 35);
        attack_flush(peer, 500);
        finish(run, peer, ANSWER_MS);
    }
}

/* Requests without waiting for answers, as many as fit. */
static void pipelining(struct attack_run *run)
{
    struct attack_target target = target_of(run, "http/1.1");

    while (more(run) && run->tally->connections < (run->full ? 200 : 10)) {
        struct attack_peer *peer = begin(run, &target);
        for (int i = 0; peer != NULL && i < 50 && !peer->closed && more(run); i++) {
            for (int n = 0; n < 100; n++)
                attack_put(peer, "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", 35);
            if (!attack_flush(peer, 500))
                break;
            attack_drain(peer);
        }
        finish(run, peer, 500);
    }
}

/* 100 KB of small header fields, then of one value; and a request line without end. */
static void huge_headers(struct attack_run *run)
{
    static char value[100000];
    struct attack_target target = target_of(run, "http/1.1");

    memset(value, 'v', sizeof(value));
    for (int i = 0; i < 6; i++) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        attack_put(peer, i % 3 == 2 ? "GET /" : "GET /quiet/q HTTP/1.1\r\nhost: x\r\n", i % 3 == 2 ? 5 : 33);
        for (int n = 0; i % 3 == 0 && n < 10000; n++)
            attack_put(peer, "a: bcdef\r\n", 10);
        if (i % 3 != 0) {
            attack_put(peer, i % 3 == 1 ? "x: " : "", i % 3 == 1 ? 3 : 0);
            attack_put(peer, value, sizeof(value));
            attack_put(peer, i % 3 == 1 ? "\r\n" : " HTTP/1.1\r\nhost: x\r\n", i % 3 == 1 ? 2 : 20);
        }
        attack_put(peer, "\r\n", 2);
        attack_flush(peer, 500);
        finish(run, peer, ANSWER_MS);
    }
}

const struct attack http1_attacks[] = {
    {"http1-smuggling", "http1", ATTACK_BOTH, smuggle, ATTACK_KILLED, 8000, 60000, false, ATTACK_ALWAYS},
    {"http1-h2-preface", "http1", ATTACK_TLS, preface_on_http1, ATTACK_KILLED, 4000, 3000, false, ATTACK_ALWAYS},
    {"h2-http1-request", "http1", ATTACK_TLS, http1_on_h2, ATTACK_KILLED, 4000, 3000, false, ATTACK_ALWAYS},
    {"http1-pipelining", "http1", ATTACK_BOTH, pipelining, ATTACK_EITHER, 1000, 3000, false, ATTACK_ALWAYS},
    {"http1-huge-headers", "http1", ATTACK_BOTH, huge_headers, ATTACK_KILLED, 2000, 3000, false, ATTACK_ALWAYS},
    {.name = NULL},
};
