/* tls_alerts.c - a client whose handshake fails is told why */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls_alerts.h"

#include <h2o.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

/* An encrypted alert is a record of 24 bytes (RFC 8446 section 5.2: header, two bytes, type, tag). */
#define RECORD_MAX 64

/* Stands before libh2o's own while a handshake lasts, and remembers the last record. */
struct keeper {
    BIO *socket; /* referenced */
    int len;     /* 0: the last one was too long for an alert */
    char record[RECORD_MAX];
};

_Static_assert(RECORD_MAX >= 5 + 2 + 1 + 16, "an encrypted alert fits");

static BIO_METHOD *method;

static int keeper_write(BIO *bio, const char *bytes, int len)
{
    struct keeper *keeper = BIO_get_data(bio);

    keeper->len = len > 0 && len <= RECORD_MAX ? len : 0;
    memcpy(keeper->record, bytes, (size_t)keeper->len);
    return BIO_write(keeper->socket, bytes, len);
}

static long keeper_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct keeper *keeper = BIO_get_data(bio);

    return BIO_ctrl(keeper->socket, command, number, pointer);
}

static int keeper_destroy(BIO *bio)
{
    struct keeper *keeper = BIO_get_data(bio);

    if (keeper != NULL)
        BIO_free(keeper->socket);
    free(keeper);
    return 1;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "freshet_alerts");
    CHECK(method != NULL && BIO_meth_set_write(method, keeper_write) == 1 &&
          BIO_meth_set_ctrl(method, keeper_ctrl) == 1 && BIO_meth_set_destroy(method, keeper_destroy) == 1);
}

struct st_h2o_socket_t *tls_alerts_socket(const SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);

    return bio != NULL && strcmp(BIO_method_name(bio), "h2o_socket") == 0 ? BIO_get_data(bio) : NULL;
}

/* Of this handshake; NULL: none. */
static struct keeper *keeper_of(const SSL *ssl)
{
    BIO *bio = SSL_get_wbio(ssl);

    return bio != NULL && strcmp(BIO_method_name(bio), "freshet_alerts") == 0 ? BIO_get_data(bio) : NULL;
}

void tls_alerts_keep(SSL *ssl)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct keeper *keeper;
    BIO *bio;

    if (tls_alerts_socket(ssl) == NULL || keeper_of(ssl) != NULL)
        return;
    pthread_once(&once, make_method);
    bio = BIO_new(method);
    CHECK(bio != NULL);
    keeper = check_calloc(1, sizeof(*keeper));
    keeper->socket = SSL_get_rbio(ssl);
    BIO_up_ref(keeper->socket);
    BIO_set_data(bio, keeper);
    BIO_set_init(bio, 1);
    SSL_set0_wbio(ssl, bio);
}

void tls_alerts_end(SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);

    if (keeper_of(ssl) == NULL)
        return;
    /* Events go out without the detour. */
    BIO_up_ref(bio);
    SSL_set0_wbio(ssl, bio);
}

/*
 * Written by us, past libh2o: a handshake that waits for its client has
 * nothing else in flight, and an alert is shorter than any send buffer. If the
 * peer is gone already, the alert does not matter.
 */
void tls_alerts_send(const SSL *ssl, int value)
{
    h2o_socket_t *sock = tls_alerts_socket(ssl);
    const struct keeper *keeper = keeper_of(ssl);
    const unsigned char plain[] = {
        SSL3_RT_ALERT, TLS1_2_VERSION_MAJOR, TLS1_2_VERSION_MINOR, 0, 2, SSL3_AL_FATAL, (unsigned char)(value & 0xff),
    };

    if (sock == NULL || (value >> 8) != SSL3_AL_FATAL) /* close_notify leaves the usual way */
        return;
    if (keeper != NULL && keeper->len != 0)
        (void)!send(h2o_socket_get_fd(sock), keeper->record, (size_t)keeper->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if (SSL_get_state(ssl) == TLS_ST_SR_CLNT_HELLO) /* before the ServerHello it is a plain record */
        (void)!send(h2o_socket_get_fd(sock), plain, sizeof(plain), MSG_NOSIGNAL | MSG_DONTWAIT);
}
