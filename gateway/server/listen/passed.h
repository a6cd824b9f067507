/* passed.h - listening sockets that the starter of the process has opened: sd_listen_fds(3) */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_PASSED_H
#define GATEWAY_SERVER_LISTEN_PASSED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define PASSED_MAX 64
#define PASSED_TEXT_MAX 160

/*
 * LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES say which. A socket that outlives
 * the process still takes connections while none serves it, so that a
 * restart refuses none. Main thread.
 */
struct passed {
    size_t count;
    struct passed_socket {
        int fd;
        bool used;
        struct sockaddr_storage address; /* what it is bound to */
        char text[PASSED_TEXT_MAX];      /* for messages: `descriptor 3 ("web", 127.0.0.1:8443)` */
    } sockets[PASSED_MAX];
};

/* False: error says which is no listening TCP socket. Takes the variables out of the environment. */
bool passed_take(struct passed *passed, char *error, size_t size);
/* A copy (close-on-exec) of the one that is bound to this address, -1: there is none. passed may be NULL. */
int passed_find(struct passed *passed, const struct sockaddr *address, socklen_t len);
/* One that passed_find has not returned; NULL: none. */
const struct passed_socket *passed_unused(const struct passed *passed);
void passed_close(struct passed *passed);

#endif
