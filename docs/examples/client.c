/* client.c: a client that does not give up at once, and not never either:
 *
 *     client ADDRESS PORT [TRY_MS [TOTAL_MS]]
 *
 * It sends a line and wants a line back. Each try has TRY_MS (1,000) to connect and as much again
 * for the answer; all of them together have TOTAL_MS (10,000). Between two tries it waits, each
 * time twice as long, and at random up to half less: clients that have lost the same server
 * would else come back together, again and again.
 *
 * Only what may be done twice may be tried again: a request whose answer did not come may have been
 * carried out all the same. Read beside it: docs/07-streams.md. */
#include <eddy.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

#define BACK_OFF_NS     (100 * EDDY_NS_PER_MS)
#define BACK_OFF_MAX_NS (2 * EDDY_NS_PER_S)

struct client {
    eddy_stream stream;
    eddy_write write;
    eddy_timer again;
    struct sockaddr_storage address;
    socklen_t length;
    int64_t try_ns, back_off_ns;
    int64_t end_ns; /* of it all */
    uint64_t random;
    int tries, error;
    bool is_done;
    size_t used;
    char answer[256];
};

static void client_try(struct client *it);
static void on_closed(eddy_stream *stream);

/* What is left of the whole, for a step that may take as long as a step may. */
static int64_t step_ns(const struct client *it) {
    int64_t left_ns = it->end_ns - eddy_loop_now_ns(eddy_handle_loop(&it->again.handle));
    if (left_ns < EDDY_NS_PER_MS) left_ns = EDDY_NS_PER_MS; /* 0 would be no limit */
    return left_ns < it->try_ns ? left_ns : it->try_ns;
}

/* This try is over: with the answer, or with an error. The rest is decided when all of it is over
 * and the stream may be used again. */
static void end_try(struct client *it, int error) {
    if (eddy_stream_close(&it->stream, on_closed) < 0) return; /* it is over already */
    it->error = error;
}

/* --- One try --- */

static void on_written(eddy_write *write, int status) {
    struct client *it = eddy_container_of(write, struct client, write);
    if (status < 0) end_try(it, status); /* after a close this is -ECANCELED, and too late */
}

/* The answer may come in pieces. Its deadline is that of all of them: they do not push it away. */
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    if (size <= 0) {
        end_try(it, size == 0 ? -ECONNRESET : (int)size);
        return;
    }
    if ((size_t)size > sizeof it->answer - it->used) {
        end_try(it, -EMSGSIZE);
        return;
    }
    memcpy(it->answer + it->used, data, (size_t)size);
    it->used += (size_t)size;
    char *end = memchr(it->answer, '\n', it->used);
    if (end == NULL) return;
    *end = '\0';
    it->is_done = true;
    end_try(it, 0);
}

static void on_connected(eddy_stream *stream, int status) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    it->used = 0;
    if (status == 0) status = eddy_stream_read_start(stream, on_read);
    if (status == 0) status = eddy_stream_set_read_deadline(stream, step_ns(it));
    if (status == 0) status = eddy_stream_write(stream, &it->write, "hello\n", 6, on_written);
    if (status < 0) end_try(it, status);
}

static void client_try(struct client *it) {
    it->tries++;
    int err = eddy_tcp_connect(&it->stream, (struct sockaddr *)&it->address, it->length,
                               step_ns(it), on_connected);
    if (err < 0) end_try(it, err);
}

/* --- One after the other --- */

static void on_again(eddy_timer *timer) {
    client_try(eddy_container_of(timer, struct client, again));
}

/* xorshift64: nobody gains by guessing it. */
static int64_t random_below(struct client *it, int64_t limit) {
    it->random ^= it->random << 13;
    it->random ^= it->random >> 7;
    it->random ^= it->random << 17;
    return (int64_t)(it->random >> 1) % limit;
}

static void on_closed(eddy_stream *stream) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    eddy_loop *loop = eddy_handle_loop(&it->again.handle);
    char text[80];
    if (it->is_done) {
        printf("try %d: \"%s\"\n", it->tries, it->answer);
        return; /* with nothing left to wait for, the loop ends */
    }
    printf("try %d: %s", it->tries, eddy_strerror(it->error, text, sizeof text));
    int64_t delay_ns = it->back_off_ns - random_below(it, it->back_off_ns / 2);
    it->back_off_ns *= 2;
    if (it->back_off_ns > BACK_OFF_MAX_NS) it->back_off_ns = BACK_OFF_MAX_NS;
    if (eddy_loop_now_ns(loop) + delay_ns >= it->end_ns) {
        puts(". No time is left");
        return;
    }
    printf(". Again in %d ms\n", (int)(delay_ns / EDDY_NS_PER_MS));
    eddy_stream_init(&it->stream, loop);
    int err = eddy_timer_start(&it->again, on_again, delay_ns, 0);
    if (err < 0) printf("no timer: %s\n", eddy_strerror(err, text, sizeof text));
}

static int usage(void) {
    fprintf(stderr, "usage: client ADDRESS PORT [TRY_MS [TOTAL_MS]]\n");
    return 2;
}

int main(int argc, char **argv) {
    static struct client it = {.back_off_ns = BACK_OFF_NS};
    const long ms_max = 24 * 3600 * 1000;
    long port, try_ms = 1000, total_ms = 10000;
    if (argc < 3 || argc > 5 || !number_parse(argv[2], 1, 65535, &port)) return usage();
    if (argc > 3 && !number_parse(argv[3], 1, ms_max, &try_ms)) return usage();
    if (argc > 4 && !number_parse(argv[4], 1, ms_max, &total_ms)) return usage();
    int length = eddy_address_parse(&it.address, argv[1], (unsigned)port);
    if (length < 0) return usage();
    setvbuf(stdout, NULL, _IOLBF, 0);

    eddy_loop *loop;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    it.length = (socklen_t)length;
    it.try_ns = try_ms * EDDY_NS_PER_MS;
    it.end_ns = eddy_loop_now_ns(loop) + total_ms * EDDY_NS_PER_MS;
    it.random = (uint64_t)it.end_ns << 16 | ((uint64_t)getpid() & 0xffff) | 1; /* not 0 */
    eddy_timer_init(&it.again, loop);
    eddy_stream_init(&it.stream, loop);
    client_try(&it);
    int left = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return eddy_loop_close(loop) < 0 || left != 0 || !it.is_done;
}
