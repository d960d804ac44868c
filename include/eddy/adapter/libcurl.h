/* libcurl.h: transfers of libcurl on an eddy loop, by its multi_socket interface: any number at a
 * time, on the loop's thread. Needs <curl/curl.h>, 7.59 or later, where it is included.
 *
 *     eddy_curl_open(&curl, loop);
 *     curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 10L);
 *     curl_easy_setopt(easy, CURLOPT_URL, "https://example.org/");
 *     eddy_curl_start(&curl, &transfer, easy, on_done);
 *
 * docs/examples/fetch.c is a whole program. What libcurl computes it does on the loop's thread:
 * TLS, decompression, your callbacks (docs/14-adapters.md). Names are looked up by a thread or by
 * c-ares; a libcurl without both blocks meanwhile (curl_version_info: CURL_VERSION_ASYNCHDNS). Set
 * CURLOPT_NOSIGNAL. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_ADAPTER_LIBCURL_H
#define EDDY_ADAPTER_LIBCURL_H

#include <curl/curl.h>
#include <eddy/defer.h>
#include <eddy/io.h>
#include <eddy/loop.h>
#include <eddy/timer.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_curl_transfer eddy_curl_transfer;

/* A transfer has ended. Its easy handle is out of the multi handle, and both are yours again: ask
 * it with curl_easy_getinfo, clean it up, or start it anew. Called by the loop, outside of libcurl:
 * everything may be called here, eddy_curl_close too. */
typedef void eddy_curl_done_fn(eddy_curl_transfer *transfer, CURLcode result);

/* Transfers that share connections, a cache of names and limits. Not to be moved while it is open.
 * All fields are private, but for `multi`: set its options (not the functions of sockets, of the
 * timer and of pushes, nor their data), and add and remove easy handles by the calls below. */
typedef struct eddy_curl {
    CURLM *multi;
    eddy_loop *loop;
    eddy_timer timer; /* of the next time-out, or of never */
    eddy_defer defer; /* tells of what ended outside of libcurl */
    struct eddy_curl_socket *sockets;
    eddy_curl_transfer *transfers;     /* in flight */
    eddy_curl_transfer *ended, **last; /* to be told, in order */
} eddy_curl;

/* All fields are private. */
struct eddy_curl_transfer {
    eddy_curl *curl;
    CURL *easy;
    eddy_curl_done_fn *done;
    eddy_curl_transfer *next, **at; /* of `transfers`; then `next` of `ended` */
    CURLcode result;
    bool has_ended; /* and is to be told */
    bool is_added;  /* to the multi handle */
};

/* A socket that libcurl wants watched: from its first interest until CURL_POLL_REMOVE. */
typedef struct eddy_curl_socket {
    eddy_io io;
    curl_socket_t fd;
    unsigned events;
    CURL *easy; /* that it was wanted for last */
    eddy_curl *curl;
    struct eddy_curl_socket *next, **at;
} eddy_curl_socket;

/* --- Inside --- */
static inline void eddy_curl_on_io_(eddy_io *io, unsigned events);
static inline void eddy_curl_on_defer_(eddy_defer *defer);

static inline eddy_curl_transfer *eddy_curl_of_(CURL *easy) {
    char *transfer = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return (eddy_curl_transfer *)(void *)transfer;
}

/* What libcurl may still say of the transfer is of no effect. */
static inline void eddy_curl_end_(eddy_curl_transfer *transfer, CURLcode result) {
    eddy_curl *curl = transfer->curl;
    if (transfer->has_ended) return;
    *transfer->at = transfer->next;
    if (transfer->next != NULL) transfer->next->at = transfer->at;
    transfer->next = NULL;
    transfer->has_ended = true;
    transfer->result = result;
    *curl->last = transfer;
    curl->last = &transfer->next;
}

static inline bool eddy_curl_is_inside_(const eddy_curl *curl) {
    long timeout_ms;
    return curl_multi_timeout(curl->multi, &timeout_ms) == CURLM_RECURSIVE_API_CALL;
}

/* Of a socket that is connecting, libcurl (7.88) says CURL_POLL_REMOVE only after it has closed it:
 * watchers are stopped before. One whose socket stays, as others use it, goes on. */
static inline void eddy_curl_remove_(eddy_curl_transfer *transfer) {
    eddy_curl_socket *it;
    if (!transfer->is_added) return;
    for (it = transfer->curl->sockets; it != NULL; it = it->next)
        if (it->easy == transfer->easy) eddy_io_stop(&it->io);
    (void)curl_multi_remove_handle(transfer->curl->multi, transfer->easy);
    transfer->is_added = false;
    for (it = transfer->curl->sockets; it != NULL; it = it->next)
        if (!eddy_is_active(&it->io.handle))
            (void)eddy_io_start(&it->io, eddy_curl_on_io_, it->fd, it->events);
}

/* Outside of libcurl: takes what it says to be done, and tells of one transfer that has ended,
 * after which all may be closed. Others are told in the next phase or turn. */
static inline void eddy_curl_tell_(eddy_curl *curl) {
    eddy_curl_transfer *it;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(curl->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        it = eddy_curl_of_(message->easy_handle);
        if (it == NULL) continue; /* not started here */
        eddy_curl_end_(it, message->data.result);
        (void)curl_multi_remove_handle(curl->multi, it->easy);
        it->is_added = false;
    }
    if ((it = curl->ended) == NULL) return;
    eddy_curl_remove_(it);
    curl->ended = it->next;
    if (curl->ended != NULL) (void)eddy_defer_start(&curl->defer, eddy_curl_on_defer_);
    if (curl->ended == NULL) curl->last = &curl->ended;
    if (curl->ended == NULL && curl->transfers == NULL) eddy_unref(&curl->timer.handle);
    it->done(it, it->result);
}

static inline void eddy_curl_on_defer_(eddy_defer *defer) {
    eddy_curl_tell_(eddy_container_of(defer, eddy_curl, defer));
}

static inline void eddy_curl_on_timer_(eddy_timer *timer) {
    eddy_curl *curl = eddy_container_of(timer, eddy_curl, timer);
    int running;
    (void)curl_multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    eddy_curl_tell_(curl);
}

/* libcurl may close the socket, and use its number again, before it returns. */
static inline void eddy_curl_on_io_(eddy_io *io, unsigned events) {
    eddy_curl_socket *socket = eddy_container_of(io, eddy_curl_socket, io);
    eddy_curl *curl = socket->curl;
    int what = events & EDDY_ERROR ? CURL_CSELECT_ERR : 0, running;
    if (events & EDDY_READ) what |= CURL_CSELECT_IN;
    if (events & EDDY_WRITE) what |= CURL_CSELECT_OUT;
    (void)curl_multi_socket_action(curl->multi, socket->fd, what, &running);
    eddy_curl_tell_(curl);
}

static inline void eddy_curl_socket_free_(eddy_curl_socket *it) {
    const eddy_allocator *from = eddy_loop_allocator(it->curl->loop);
    eddy_io_stop(&it->io);
    *it->at = it->next;
    if (it->next != NULL) it->next->at = it->at;
    from->resize(from->context, it, sizeof *it, 0);
}

static inline eddy_curl_socket *eddy_curl_socket_new_(eddy_curl *curl, curl_socket_t fd) {
    const eddy_allocator *from = eddy_loop_allocator(curl->loop);
    void *memory = from->resize(from->context, NULL, 0, sizeof(eddy_curl_socket));
    eddy_curl_socket *it = (eddy_curl_socket *)memory;
    if (it == NULL) return NULL;
    eddy_io_init(&it->io, curl->loop);
    eddy_unref(&it->io.handle); /* a transfer keeps the loop alive */
    it->curl = curl;
    it->fd = fd;
    it->next = curl->sockets;
    it->at = &curl->sockets;
    if (it->next != NULL) it->next->at = &it->next;
    curl->sockets = it;
    (void)curl_multi_assign(curl->multi, fd, it);
    return it;
}

/* The socket cannot be watched: its transfer ends. -1 is for a handle of libcurl's own, and ends
 * all transfers of the multi handle, with CURLE_ABORTED_BY_CALLBACK. */
static inline int eddy_curl_refuse_(eddy_curl *curl, CURL *easy) {
    if (eddy_curl_of_(easy) == NULL) return -1;
    eddy_curl_end_(eddy_curl_of_(easy), CURLE_OUT_OF_MEMORY);
    (void)eddy_defer_start(&curl->defer, eddy_curl_on_defer_);
    return 0;
}

static inline int eddy_curl_on_interest_(CURL *easy, curl_socket_t fd, int what, void *context,
                                         void *assigned) {
    eddy_curl *curl = (eddy_curl *)context;
    eddy_curl_socket *socket = (eddy_curl_socket *)assigned;
    if (what == CURL_POLL_REMOVE && socket != NULL) eddy_curl_socket_free_(socket);
    if (what == CURL_POLL_REMOVE) return 0; /* libcurl forgets what was assigned */
    if (socket == NULL) socket = eddy_curl_socket_new_(curl, fd);
    if (socket == NULL) return eddy_curl_refuse_(curl, easy);
    socket->easy = easy;
    socket->events = 0;
    if (what & CURL_POLL_IN) socket->events |= EDDY_READ;
    if (what & CURL_POLL_OUT) socket->events |= EDDY_WRITE;
    if (eddy_io_change(&socket->io, socket->events) == 0) return 0;
    eddy_io_stop(&socket->io); /* not started yet, mostly */
    if (eddy_io_start(&socket->io, eddy_curl_on_io_, fd, socket->events) == 0) return 0;
    return eddy_curl_refuse_(curl, easy);
}

/* CURLMOPT_TIMERFUNCTION. A time-out of 0 fires in the next timers phase, not in this call. The
 * timer never stops, but waits for never: so it is restarted without a chance to fail. */
static inline int eddy_curl_on_timeout_(CURLM *multi, long timeout_ms, void *context) {
    eddy_timer *timer = &((eddy_curl *)context)->timer;
    int64_t delay_ns = timeout_ms < 0 ? INT64_MAX : (int64_t)timeout_ms * EDDY_NS_PER_MS;
    (void)multi;
    return eddy_timer_start(timer, eddy_curl_on_timer_, delay_ns, INT64_MAX) < 0 ? -1 : 0;
}

/* --- Calls --- */

/* Opens a multi handle on `loop`; curl_global_init comes before. Only transfers keep the loop
 * alive, until they are told: connections that wait to be used again do not. The memory for each
 * socket's watcher is from the loop's allocator. Errors: -ENOMEM. */
static inline int eddy_curl_open(eddy_curl *curl, eddy_loop *loop) {
    int err;
    memset(curl, 0, sizeof *curl);
    if ((curl->multi = curl_multi_init()) == NULL) return -ENOMEM;
    curl->loop = loop;
    curl->last = &curl->ended;
    eddy_defer_init(&curl->defer, loop);
    eddy_timer_init(&curl->timer, loop);
    eddy_unref(&curl->timer.handle);
    err = eddy_timer_start(&curl->timer, eddy_curl_on_timer_, INT64_MAX, INT64_MAX);
    if (err < 0) return curl_multi_cleanup(curl->multi), err;
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, eddy_curl_on_interest_);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, eddy_curl_on_timeout_);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    return 0;
}

/* Starts what `easy` is set up for. `done` is called once, in a later phase or turn; until then
 * easy handle and transfer must stay where they are, and CURLOPT_PRIVATE is the adapter's: what is
 * yours is the struct that `transfer` is in. curl_easy_pause may be called. Errors, after which
 * `done` never runs: CURLM_ADDED_ALREADY, CURLM_OUT_OF_MEMORY, CURLM_RECURSIVE_API_CALL (inside a
 * callback of libcurl). */
static inline CURLMcode eddy_curl_start(eddy_curl *curl, eddy_curl_transfer *transfer, CURL *easy,
                                        eddy_curl_done_fn *done) {
    CURLMcode code = curl_multi_add_handle(curl->multi, easy);
    if (code != CURLM_OK) return code;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    memset(transfer, 0, sizeof *transfer);
    transfer->curl = curl;
    transfer->easy = easy;
    transfer->done = done;
    transfer->is_added = true;
    transfer->next = curl->transfers;
    transfer->at = &curl->transfers;
    if (transfer->next != NULL) transfer->next->at = &transfer->next;
    curl->transfers = transfer;
    eddy_ref(&curl->timer.handle);
    return CURLM_OK;
}

/* Ends a transfer that has been started: `done` comes with CURLE_ABORTED_BY_CALLBACK, from the
 * loop, or with the result that it was about to come with. Also inside a callback of libcurl, where
 * the transfer goes on until that has returned. While its name is being looked up libcurl waits for
 * the thread that does so, as long as that takes: CURLOPT_QUICK_EXIT (7.87) leaves it behind. */
static inline void eddy_curl_cancel(eddy_curl_transfer *transfer) {
    eddy_curl *curl = transfer->curl;
    if (transfer->has_ended) return;
    eddy_curl_end_(transfer, CURLE_ABORTED_BY_CALLBACK);
    if (!eddy_curl_is_inside_(curl)) eddy_curl_remove_(transfer);
    (void)eddy_defer_start(&curl->defer, eddy_curl_on_defer_);
}

/* Closes the multi handle and its connections. Easy handles, transfers and `curl` are yours again;
 * `done` does not come for what has not been told: cancel it before, and close in the last one's.
 * Errors, and nothing has happened: CURLM_RECURSIVE_API_CALL (inside a callback of libcurl). */
static inline CURLMcode eddy_curl_close(eddy_curl *curl) {
    eddy_curl_socket *it;
    if (eddy_curl_is_inside_(curl)) return CURLM_RECURSIVE_API_CALL;
    for (it = curl->sockets; it != NULL; it = it->next) eddy_io_stop(&it->io);
    for (; curl->transfers != NULL; curl->transfers = curl->transfers->next)
        (void)curl_multi_remove_handle(curl->multi, curl->transfers->easy);
    for (; curl->ended != NULL; curl->ended = curl->ended->next)
        (void)curl_multi_remove_handle(curl->multi, curl->ended->easy);
    (void)curl_multi_cleanup(curl->multi);
    while (curl->sockets != NULL) eddy_curl_socket_free_(curl->sockets);
    eddy_timer_stop(&curl->timer); /* libcurl may have set it */
    eddy_defer_stop(&curl->defer);
    return CURLM_OK;
}

#ifdef __cplusplus
}
#endif
#endif
