/* orders_stream.c: every order, to depth 5, in which a stream can be written to, shut down, closed,
 * kept from reading, and in which its peer can end or reset it and its deadline can pass; with and
 * without a turn of the loop behind each of them, with room in the kernel and without. Each order
 * is a run in the simulation. What must hold is a table of promises, see check_end(). */
#include "sanitized.h"
#include "sim.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum op { WRITE, SHUTDOWN, CLOSE, STOP, PEER_END, PEER_RESET, DEADLINE, OPS };

enum { DEPTH = 5, WRITES_MAX = DEPTH + 1, BYTES = 3000 };

static const int64_t deadline_ns = EDDY_NS_PER_MS;

/* The kernel takes one write and a piece of the next. */
static const struct sim_weather narrow = {.window_bytes = 4096};

struct request {
    eddy_write write;
    bool is_asked; /* the call returned 0 */
    bool is_shutdown;
    unsigned told;
    int status;
};

static struct {
    eddy_loop *loop;
    eddy_stream stream;
    sim_peer *peer;
    struct request requests[WRITES_MAX];
    unsigned count, told_in_order;
    char order[64]; /* of the run, for messages */
    unsigned data_reads, ends;
    ssize_t verdict;    /* what the last call of the reader was told */
    bool wants_to_read; /* as far as the program knows: it was neither told the end nor stopped */
    bool has_shut, has_failed, has_closed, is_closed, has_cause;
} it;

static char bytes[BYTES];

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream;
    (void)data;
    sim_progress();
    sim_check(it.wants_to_read, "%s: a reader was called that does not read", it.order);
    if (size > 0) {
        it.data_reads++;
        return;
    }
    it.verdict = size;
    it.ends++;
    it.wants_to_read = false;
}

static void on_written(eddy_write *write, int status) {
    struct request *request = eddy_container_of(write, struct request, write);
    sim_progress();
    sim_check(!it.is_closed, "%s: a request was told after the stream's close", it.order);
    sim_check(request == &it.requests[it.told_in_order++], "%s: requests out of order", it.order);
    if (it.has_closed) sim_check(status == -ECANCELED, "%s: a close tells %d", it.order, status);
    if (status < 0) it.has_failed = true;
    request->told++;
    request->status = status;
}

static void on_close(eddy_stream *stream) {
    (void)stream;
    sim_progress();
    sim_check(it.has_closed && !it.is_closed, "%s: a close callback too many", it.order);
    it.is_closed = true;
}

/* --- The operations --- */

static void ask(bool is_shutdown) {
    struct request *request = &it.requests[it.count];
    request->is_shutdown = is_shutdown;
    int err = is_shutdown
                  ? eddy_stream_shutdown(&it.stream, &request->write, on_written)
                  : eddy_stream_write(&it.stream, &request->write, bytes, BYTES, on_written);
    request->is_asked = err == 0;
    if (err == 0) it.count++;
    if (it.has_closed)
        sim_check(err == -EINVAL, "%s: a closed stream says %d", it.order, err);
    else if (it.has_shut || it.has_failed)
        sim_check(err == -EPIPE, "%s: a stream that takes no more says %d", it.order, err);
    else
        sim_check(err == 0, "%s: a stream says %d", it.order, err);
    if (is_shutdown && err == 0) it.has_shut = true;
}

static void do_close(void) {
    int err = eddy_stream_close(&it.stream, on_close);
    sim_check(err == (it.has_closed ? -EALREADY : 0), "%s: close says %d", it.order, err);
    it.has_closed = true;
    it.wants_to_read = false;
}

static void pass_deadline(void) {
    int err = eddy_stream_set_read_deadline(&it.stream, deadline_ns);
    sim_check(err == (it.has_closed ? -EINVAL : 0), "%s: a deadline says %d", it.order, err);
    sim_sleep(deadline_ns);
    it.has_cause = it.has_cause || it.wants_to_read;
}

static void do_op(enum op op) {
    switch (op) {
    case WRITE:
        ask(false);
        break;
    case SHUTDOWN:
        ask(true);
        break;
    case CLOSE:
        do_close();
        break;
    case STOP:
        eddy_stream_read_stop(&it.stream);
        it.wants_to_read = false;
        break;
    case PEER_END:
        if (it.peer == NULL) return;
        (void)sim_peer_send(it.peer, "last", 4);
        sim_peer_finish(it.peer);
        it.has_cause = true;
        break;
    case PEER_RESET:
        if (it.peer == NULL) return;
        sim_peer_reset(it.peer);
        it.peer = NULL;
        it.has_cause = true;
        break;
    case DEADLINE:
        pass_deadline();
        break;
    case OPS:
        break;
    }
}

static void turn(void) {
    int result = eddy_loop_run(it.loop, EDDY_RUN_NOWAIT);
    sim_check(result >= 0, "%s: a turn gives %d", it.order, result);
}

/* --- A run --- */

static void begin(bool is_full) {
    memset(&it, 0, sizeof it);
    sim_begin(1, &narrow);
    sim_check(eddy_loop_open(&it.loop, NULL) == 0, "no loop");
    sim_watch_loop(it.loop);
    int fd;
    it.peer = sim_peer_pair(&fd);
    /* Nothing in flight is told of this: the program's own bytes that nobody takes. */
    if (is_full)
        while (sim_write(fd, bytes, BYTES) > 0) continue;
    eddy_stream_init(&it.stream, it.loop);
    sim_check(eddy_stream_attach(&it.stream, fd) == 0, "no stream");
    sim_check(eddy_stream_read_start(&it.stream, on_read) == 0, "no reading");
    it.wants_to_read = true;
}

/* What the orders have in common at their end: who reads and has a cause to be told is told, once;
 * each request that was accepted is told, once; then the close; and the loop ends by itself. */
static void check_end(void) {
    bool reads = it.wants_to_read;
    for (int i = 0; i < 3; i++) turn();
    if (reads && it.has_cause)
        sim_check(it.ends == 1, "%s: the reader was never told the end", it.order);
    if (it.ends > 0)
        sim_check(it.verdict == 0 || it.verdict == -ECONNRESET || it.verdict == -ETIMEDOUT ||
                      it.verdict == -EPIPE,
                  "%s: the reader was told %zd", it.order, it.verdict);
    sim_check(it.ends <= 1, "%s: the reader was told the end twice", it.order);
    if (!it.has_closed) do_close();
    sim_check(eddy_loop_run(it.loop, EDDY_RUN_DEFAULT) == 0, "%s: the loop lives on", it.order);
    sim_check(it.is_closed, "%s: no close callback", it.order);
    for (unsigned i = 0; i < it.count; i++) {
        const struct request *request = &it.requests[i];
        sim_check(request->told == 1, "%s: request %u was told %u times", it.order, i,
                  request->told);
        int status = request->status;
        sim_check(status == 0 || status == -ECANCELED || status == -EPIPE ||
                      status == -ECONNRESET || status == -ENOTCONN,
                  "%s: request %u was told %d", it.order, i, status);
    }
    sim_check(it.told_in_order == it.count, "%s: callbacks of nobody", it.order);
    sim_check(eddy_loop_close(it.loop) == 0, "%s: the loop does not close", it.order);
    if (it.peer != NULL) sim_peer_close(it.peer);
    sim_end();
}

static void run_order(const enum op *ops, unsigned depth, unsigned turns, bool is_full) {
    static const char letters[OPS + 1] = "wscpera"; /* a: the deadline passes */
    begin(is_full);
    char *at = it.order;
    if (is_full) *at++ = '!';
    for (unsigned i = 0; i < depth; i++) {
        *at++ = letters[ops[i]];
        if (turns >> i & 1) *at++ = '-';
    }
    for (unsigned i = 0; i < depth; i++) {
        do_op(ops[i]);
        if (turns >> i & 1) turn();
    }
    check_end();
}

static unsigned run_all(unsigned depth, bool is_full, bool all_turns) {
    unsigned orders = 1, runs = 0;
    for (unsigned i = 0; i < depth; i++) orders *= OPS;
    for (unsigned order = 0; order < orders; order++) {
        enum op ops[DEPTH];
        unsigned rest = order;
        for (unsigned i = 0; i < depth; i++, rest /= OPS) ops[i] = (enum op)(rest % OPS);
        unsigned last = (1u << depth) - 1;
        for (unsigned turns = 0; turns <= last; turns++) {
            if (!all_turns && turns != 0 && turns != last) continue;
            run_order(ops, depth, turns, is_full);
            runs++;
        }
    }
    return runs;
}

/* Whatever the order, each request and the reader are told once, the close comes last, and the loop
 * ends. A failure tells its order: w write, s shutdown, c close, p stop reading, e the peer's end,
 * r its reset, a the deadline; - a turn; ! no room in the kernel. */
START_TEST(every_order_of_a_stream_keeps_its_promises) {
    bool is_quick = getenv("EDDY_TEST_SLOW") != NULL, is_full = getenv("EDDY_TEST_FULL") != NULL;
    unsigned depth = is_quick ? 3 : IS_SANITIZED ? DEPTH - 1 : DEPTH;
    unsigned runs = run_all(depth, _i == 1, is_full);
    ck_assert_uint_ge(runs, 343);
    if (!is_quick) runs += run_all(depth - 1, _i == 1, true);
    printf("%u orders\n", runs);
}

Suite *make_suite(void) {
    Suite *suite = suite_create("orders of a stream");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, every_order_of_a_stream_keeps_its_promises, 0, 2);
    suite_add_tcase(suite, all);
    return suite;
}
