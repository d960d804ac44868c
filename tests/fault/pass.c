/* pass.c: faults while descriptors are passed over a pair: none is left open, none comes twice, and
 * what the kernel refuses fails alone. */
#include "fault.h"
#include "system.h"

enum { PASSES = 3, FDS_MAX = EDDY_PASS_FEW + 1, SIZE = 5 };

struct sender {
    eddy_stream stream;
    eddy_pass passes[PASSES];
    eddy_write shutdown;
    struct promise writing[PASSES], shutting, closing;
    unsigned refused; /* writes that failed alone */
    bool has_failed;
};

struct taker {
    eddy_stream stream;
    struct promise closing;
    unsigned fds, bytes;
    bool has_end;
};

static eddy_loop *loop;
static struct sender sender;
static struct taker taker;
static bool is_over;
static unsigned asked; /* descriptors of all writes that were begun */

static void look(void) {
    is_over = sender.closing.kept && taker.closing.kept;
}

static void on_sender_closed(eddy_stream *stream) {
    (void)stream;
    promise_keep(&sender.closing);
    for (int i = 0; i < PASSES; i++) fault_assert(!promise_is_open(&sender.writing[i]));
    look();
}

static void on_taker_closed(eddy_stream *stream) {
    (void)stream;
    promise_keep(&taker.closing);
    look();
}

static void close_sender(void) {
    if (sender.closing.given) return;
    promise_give(&sender.closing, eddy_stream_close(&sender.stream, on_sender_closed));
}

static void close_taker(void) {
    if (taker.closing.given) return;
    promise_give(&taker.closing, eddy_stream_close(&taker.stream, on_taker_closed));
}

static bool is_refusal(int status) {
    return status == -ETOOMANYREFS || status == -EOPNOTSUPP;
}

static void on_written(eddy_write *write, int status) {
    fault_assert(status == 0 || !fault_is_unhurt() || sender.closing.given);
    for (int i = 0; i < PASSES; i++)
        if (write == &sender.passes[i].write) promise_keep(&sender.writing[i]);
    if (write == &sender.shutdown) promise_keep(&sender.shutting);
    sender.refused += is_refusal(status);
    if (status < 0 && !is_refusal(status)) sender.has_failed = true;
    if (write == &sender.shutdown || (status < 0 && !is_refusal(status))) close_sender();
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    int fd;
    (void)data;
    while ((fd = eddy_pass_take(stream)) >= 0) {
        fault_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        fault_assert(size > 0);
        taker.fds++;
        close(fd);
    }
    fault_assert(size >= 0 || !fault_is_unhurt());
    if (size > 0) taker.bytes += (unsigned)size;
    taker.has_end = size == 0;
    if (size <= 0) close_taker();
}

static int send_all(int fd) {
    int fds[FDS_MAX], err = 0;
    for (int i = 0; i < FDS_MAX; i++) fds[i] = fd;
    for (unsigned i = 0; err == 0 && i < PASSES; i++) {
        unsigned count = i == 1 ? FDS_MAX : 1;
        err = eddy_pass_write(&sender.stream, &sender.passes[i], "hello", SIZE, fds, count,
                              on_written);
        if (promise_give(&sender.writing[i], err) == 0) asked += count;
    }
    if (err < 0) return err;
    err = eddy_stream_shutdown(&sender.stream, &sender.shutdown, on_written);
    return promise_give(&sender.shutting, err);
}

/* What was refused is wholly missing; what was not came wholly. */
static void check_all_came(void) {
    fault_assert(taker.has_end && taker.fds <= asked);
    if (sender.refused == 0) fault_assert(taker.fds == FDS_MAX + 2 && taker.bytes == PASSES * SIZE);
    if (sender.refused == PASSES) fault_assert(taker.fds == 0 && taker.bytes == 0);
    fault_assert(taker.bytes == (PASSES - sender.refused) * SIZE);
}

static void begin(void) {
    memset(&sender, 0, sizeof sender);
    memset(&taker, 0, sizeof taker);
    is_over = false;
    asked = 0;
    eddy_stream_init(&sender.stream, loop);
    eddy_stream_init(&taker.stream, loop);
}

static void pass_some(unsigned options) {
    int ends[2];
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    test_pipe(ends);
    int err = eddy_local_pair(&sender.stream, &taker.stream, options);
    if (err == 0) err = eddy_pass_receive(&taker.stream, true);
    if (err == 0) err = eddy_stream_read_start(&taker.stream, on_read);
    if (err == 0) err = send_all(ends[0]);
    close(ends[0]);
    fault_assert(err == 0 || !fault_is_unhurt());
    bool is_done = err == 0 && fault_turn_until(loop, &is_over) == 0;
    bool may_lose = !fault_is_unhurt() && !fault_is_of(OS_CALL_send_descriptors);
    if (is_done && !may_lose && !sender.has_failed) check_all_came();
    close_sender();
    close_taker();
    fault_loop_close(loop);
    fault_assert(is_over);
    struct pollfd polled = {.fd = ends[1]}; /* a ring that cannot be entered lets go of it late */
    fault_assert(poll(&polled, 1, 10000) == 1 &&
                 (polled.revents & POLLERR)); /* nobody has the other */
    close(ends[1]);
}

static void pass_with_bytes(void) {
    pass_some(0);
}

static void pass_with_records(void) {
    pass_some(EDDY_SEQPACKET);
}

START_TEST(descriptors_arrive_or_are_closed) {
    fault_loop("pass bytes", pass_with_bytes);
    fault_loop("pass records", pass_with_records);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault pass");
    ck_add(suite, "pass", descriptors_arrive_or_are_closed);
    return suite;
}
