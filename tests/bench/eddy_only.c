/* eddy_only.c: operations of eddy that are only counted, by instructions.sh: what the peers do not
 * have, or what is no matter of comparison. */
#include "peers.h"

#include "http_head.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUND = 64 };

/* --- Posted calls --- */

static void on_post(eddy_post *post) {
    (void)post;
}

void peers_post_run(const struct bench_case *it, struct bench_sample *sample) {
    static eddy_post posts[ROUND];
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    while (err >= 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (int i = 0; i < ROUND; i++) eddy_loop_post(loop, &posts[i], on_post);
        err = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
        peers_end(sample, ROUND);
    }
    if (err < 0) bench_cannot(sample, "post", err);
}

/* --- Writes without a request --- */

void peers_try_write_run(const struct bench_case *it, struct bench_sample *sample) {
    static char message[PEERS_MESSAGE_BYTES], taken[ROUND * PEERS_MESSAGE_BYTES];
    eddy_stream stream;
    eddy_loop *loop;
    int ends[2];
    int err = eddy_loop_open(&loop, NULL);
    if (err == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) err = -errno;
    if (err == 0) {
        eddy_stream_init(&stream, loop);
        err = eddy_stream_attach(&stream, ends[0]);
    }
    struct iovec vector = {message, sizeof message};
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (int i = 0; i < ROUND && err == 0; i++)
            if (eddy_stream_try_write(&stream, &vector, 1) != sizeof message) err = -EIO;
        peers_end(sample, ROUND);
        if (read(ends[1], taken, sizeof taken) != sizeof taken) err = -EIO;
    }
    if (err < 0) bench_cannot(sample, "try-write", err);
}

/* --- Records of a trace, each with a look at the clock --- */

void peers_mark_run(const struct bench_case *it, struct bench_sample *sample) {
    static _Alignas(EDDY_TRACE_ALIGN) char memory[1 << 16];
    eddy_trace *trace = NULL;
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    if (err == 0) err = eddy_trace_open(&trace, memory, sizeof memory);
    if (err == 0) err = eddy_trace_start(trace, loop);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (int i = 0; i < ROUND; i++) eddy_trace_mark(loop, NULL, i);
        peers_end(sample, ROUND);
    }
    if (err < 0) bench_cannot(sample, "mark", err);
}

/* --- Requests of HTTP --- */

void peers_request_run(const struct bench_case *it, struct bench_sample *sample) {
    static const char text[] =
        "GET /a/page.html?of=some HTTP/1.1\r\n"
        "Host: example.org\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: en-GB,en;q=0.5\r\n"
        "Accept-Encoding: gzip, deflate, br\r\n"
        "Referer: http://example.org/a/\r\n"
        "Connection: keep-alive\r\n"
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "\r\n";
    static const struct http_head_limits limits = {8192, 8192, 32768, 100};
    int err = 0;
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (int i = 0; i < ROUND; i++) {
            struct http_head head;
            eddy__http_head_init(&head);
            if (eddy__http_head_parse(&head, text, sizeof text - 1, &limits) != HTTP_COMPLETE)
                err = -EPROTO;
        }
        peers_end(sample, ROUND);
    }
    if (err < 0) bench_cannot(sample, "request", err);
}
