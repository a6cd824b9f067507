/* gate_meter.c - how many bytes a connection may send us */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/gate/gate_meter.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/gate_internal.h"

/*
 * A client that listens to events sends a handshake, its requests and then
 * WINDOW_UPDATEs, in proportion to what it gets. What it is sent it may send
 * too; requests and bodies are counted by their own rules and refunded; so the
 * budget proper is for the rest: handshakes, pings, and records that decrypt
 * to nothing. Its size is what may come in one reading, of which nothing is
 * refunded before all of it is decrypted.
 */
#define BUDGET (512 << 10)
#define BUDGET_PER_SECOND (32 << 10)
#define PUBLISH_BUDGET (8 << 20)
#define PUBLISH_BUDGET_PER_SECOND (256 << 10)
/* A KeyUpdate is 27 bytes and several key derivations; an ordinary handshake has a dozen messages and states. */
#define HANDSHAKE_MESSAGE 4096
_Static_assert(PUBLISH_BUDGET > BUDGET && PUBLISH_BUDGET_PER_SECOND > BUDGET_PER_SECOND, "publishing takes more");
_Static_assert(BUDGET > 24 * HANDSHAKE_MESSAGE, "a handshake with its messages and states fits, twice");

static int64_t budget_max(const struct gate *gate)
{
    return gate->rules->takes_bodies ? PUBLISH_BUDGET : BUDGET;
}

static void add_budget(struct gate *gate, int64_t bytes)
{
    gate->budget = gate->budget + bytes < budget_max(gate) ? gate->budget + bytes : budget_max(gate);
}

void gate_meter_refund(struct gate *gate, size_t bytes)
{
    add_budget(gate, (int64_t)bytes);
}

uint64_t gate_meter_sent(struct gate *gate)
{
    size_t total = gate->connection->sock->bytes_written, sent = total - gate->sent_seen;

    CHECK(total >= gate->sent_seen);
    gate->sent_seen = total;
    add_budget(gate, (int64_t)sent);
    return sent;
}

static void refill_budget(struct gate *gate)
{
    int64_t now_ns = clock_mono_coarse_ns();
    int64_t rate = gate->rules->takes_bodies ? PUBLISH_BUDGET_PER_SECOND : BUDGET_PER_SECOND;
    /* Longer than this fills any bucket, and can't overflow. */
    int64_t bytes =
        now_ns - gate->budget_ns < 100 * NS_PER_S ? (now_ns - gate->budget_ns) * rate / NS_PER_S : budget_max(gate);
    if (bytes <= 0)
        return;
    gate->budget_ns = now_ns;
    add_budget(gate, bytes);
}

bool gate_meter_received(struct gate *gate, size_t bytes)
{
    gate->budget -= (int64_t)bytes;
    if (gate->budget >= 0)
        return true;
    refill_budget(gate);
    if (gate->budget < 0)
        gate_refuse(gate, METRIC_REJECTED_BYTES, "more bytes than its budget");
    return gate->budget >= 0;
}

/* Returning -1 without a wish to retry is a read error to OpenSSL, which libh2o answers by closing the connection. */
static long on_bio(BIO *bio, int oper, const char *arg, size_t len, int argi, long argl, int ret, size_t *processed)
{
    struct gate *gate = (struct gate *)BIO_get_callback_arg(bio);

    (void)arg;
    (void)len;
    (void)argi;
    (void)argl;
    if (oper != (BIO_CB_READ | BIO_CB_RETURN) || ret <= 0 || processed == NULL)
        return ret;
    /* Writes are credited only when the budget would not do: this runs for each record. */
    if (gate->budget < (int64_t)*processed)
        gate_meter_sent(gate);
    if (gate_meter_received(gate, *processed))
        return ret;
    BIO_clear_retry_flags(bio);
    return -1;
}

/* libh2o's own kind of BIO: its data is the socket. */
static struct gate *gate_of_bio(BIO *bio)
{
    if (bio == NULL || strcmp(BIO_method_name(bio), "h2o_socket") != 0)
        return NULL;
    return gate_of(BIO_get_data(bio));
}

void gate_meter_tls(SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);
    struct gate *gate = gate_of_bio(bio);

    if (gate == NULL)
        return;
    BIO_set_callback_arg(bio, (char *)gate);
    BIO_set_callback_ex(bio, on_bio);
}

void gate_meter_handshake(SSL *ssl)
{
    struct gate *gate = gate_of_bio(SSL_get_rbio(ssl));

    if (gate != NULL)
        gate_meter_received(gate, HANDSHAKE_MESSAGE);
}

void gate_meter_start(struct gate *gate)
{
    CHECK(gate->rules != NULL && gate->sent_seen == 0);
    gate->budget = budget_max(gate);
    gate->budget_ns = clock_mono_coarse_ns();
}
