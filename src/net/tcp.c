/* tcp.c: connecting, socket options, the addresses of both ends. Threading: loop thread only. */
#include "net.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

/* Of keepalive, as libuv has them: a dead peer is told ten seconds after the first probe, where the
 * system's own numbers would take eleven minutes. */
enum { TCP_PROBE_INTERVAL_S = 1, TCP_PROBES = 10 };

int eddy_tcp_connect(eddy_stream *stream, const struct sockaddr *address, socklen_t length,
                     int64_t timeout_ns, eddy_connect_fn *fn) {
    return eddy__connect_start(stream, false, SOCK_STREAM, address, length, timeout_ns, fn);
}

/* --- Options and addresses --- */

int eddy_tcp_set_nodelay(eddy_stream *stream, bool on) {
    int fd = eddy_stream_fd(stream);
    return fd < 0 ? -ENOTCONN : eddy_os_set_option(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int eddy_tcp_set_keepalive(eddy_stream *stream, unsigned idle_s, unsigned interval_s,
                           unsigned count) {
    int fd = eddy_stream_fd(stream);
    if (fd < 0) return -ENOTCONN;
    if (interval_s == 0) interval_s = TCP_PROBE_INTERVAL_S;
    if (count == 0) count = TCP_PROBES;
    return eddy_os_set_keepalive(fd, idle_s, interval_s, count);
}

int eddy_tcp_local_address(const eddy_stream *stream, struct sockaddr *address, socklen_t *length) {
    return eddy__address_of_stream(stream, false, false, address, length);
}

int eddy_tcp_peer_address(const eddy_stream *stream, struct sockaddr *address, socklen_t *length) {
    return eddy__address_of_stream(stream, true, false, address, length);
}
