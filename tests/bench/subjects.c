/* subjects.c: who is compared. A peer is a line here, a declaration in peers.h and a struct of
 * functions in its file. */
#include "peers.h"

const struct peer *const peers_all[] = {
    &peer_epoll,
    &peer_epoll_large,
    &peer_pipe,
    &peer_pread,
    &peer_calls,
    &peer_wheel,
#ifdef PEERS_URING
    &peer_uring_poll,
    &peer_uring_streams,
#endif
    &peer_eddy,
    &peer_eddy_large,
    &peer_eddy_stream,
    &peer_eddy_try,
    &peer_eddy_pool,
    &peer_eddy_eventfd,
    &peer_eddy_stats,
    &peer_eddy_stream_stats,
#ifdef PEERS_AE
    &peer_ae,
#endif
#ifdef PEERS_LIBEV
    &peer_libev,
#endif
#ifdef PEERS_LIBUV
    &peer_libuv_poll,
    &peer_libuv_try,
    &peer_libuv,
    &peer_libuv_uring,
#endif
#ifdef PEERS_LIBEVENT
    &peer_libevent,
    &peer_libevent_changelist,
    &peer_bufferevent,
#endif
#ifdef PEERS_USOCKETS
    &peer_usockets,
#endif
#ifdef PEERS_LIBXEV
    &peer_libxev,
#endif
    NULL,
};
