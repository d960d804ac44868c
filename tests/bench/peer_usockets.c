/* peer_usockets.c: uSockets, the loop below uWebSockets, compiled from its sources when they are
 * there (meson.build), without TLS. It has sockets and a timer of milliseconds, no bare watchers;
 * connections that exist already are adopted. Its loop ends by itself when it has nothing left, and
 * has no call that stops it or turns it once: here that is done by its count of what is left, in
 * its internal header. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <internal/internal.h>
#include <libusockets.h>
#pragma GCC diagnostic pop

static struct us_loop_t *loop;
static int kept; /* the count, while the loop is made to end; 0: it is not */

static void stop(unsigned side) {
    (void)side;
    if (kept > 0) return;
    kept = loop->num_polls;
    loop->num_polls = 0;
}

static void do_nothing(struct us_loop_t *it) {
    (void)it;
}

static void on_wakeup(struct us_loop_t *it) {
    (void)it;
    stop(0);
}

static int open_loop(bool has_threads) {
    (void)has_threads;
    loop = us_create_loop(NULL, on_wakeup, do_nothing, do_nothing, 0);
    return loop == NULL ? -ENOMEM : 0;
}

static int run(unsigned side) {
    (void)side;
    us_loop_run(loop);
    loop->num_polls = kept;
    kept = 0;
    return 0;
}

static int turn(void) {
    us_wakeup_loop(loop);
    return run(0);
}

static struct us_socket_t *on_open(struct us_socket_t *it, int is_client, char *ip, int size) {
    (void)is_client, (void)ip, (void)size;
    return it;
}

static struct us_socket_t *on_data(struct us_socket_t *it, char *data, int size) {
    if (us_socket_write(0, it, data, size, 0) != size)
        peers_fail(-EPIPE);
    else
        peers_echoed((size_t)size);
    return it;
}

static struct us_socket_t *on_writable(struct us_socket_t *it) {
    return it;
}

static struct us_socket_t *on_end(struct us_socket_t *it) {
    peers_fail(-EPIPE);
    return it;
}

static struct us_socket_t *on_close(struct us_socket_t *it, int code, void *reason) {
    (void)code, (void)reason;
    return it;
}

static int serve(const int *fds, unsigned count, unsigned active) {
    struct us_socket_context_options_t options = {0};
    struct us_socket_context_t *context = us_create_socket_context(0, loop, 0, options);
    (void)active;
    if (context == NULL) return -ENOMEM;
    us_socket_context_on_open(0, context, on_open);
    us_socket_context_on_data(0, context, on_data);
    us_socket_context_on_writable(0, context, on_writable);
    us_socket_context_on_end(0, context, on_end);
    us_socket_context_on_close(0, context, on_close);
    for (unsigned i = 0; i < count; i++)
        if (us_adopt_accepted_socket(0, context, fds[i], 0, NULL, 0) == NULL) return -ENOMEM;
    return 0;
}

static const char *library(void) {
    return "uSockets";
}

const struct peer peer_usockets = {
    .name = "usockets",
    .library = library,
    .open = open_loop,
    .run = run,
    .stop = stop,
    .turn = turn,
    .serve = serve,
};
