/* own.c: the simulation itself, under all of its weathers: what it may hide, make up and mix up,
 * and what it may not; and that it finds what it is there to find. What it has in common with a
 * real kernel is in kernel.c. */
#include "os_calls.h"
#include "sim.h"
#include "suite.h"
#include "world.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 100, BOTH = EDDY_READ | EDDY_WRITE };

/* --- Bytes --- */

/* The bytes of a connection are numbered; what has come must be the next ones. */
struct flow {
    uint64_t sent, received;
};

static unsigned char byte_at(uint64_t place) {
    return (unsigned char)(place * 31 + (place >> 8));
}

static void send_some(struct flow *flow, int fd) {
    unsigned char data[300];
    size_t size = 1 + sim_below(sizeof data);
    for (size_t i = 0; i < size; i++) data[i] = byte_at(flow->sent + i);
    ssize_t sent = sim_below(2) == 0
                       ? sim_write(fd, data, size)
                       : eddy_os_send(fd, &(struct iovec){.iov_base = data, .iov_len = size}, 1);
    if (sent > 0) flow->sent += (uint64_t)sent;
    ck_assert(sent > 0 || sent == -EAGAIN);
}

static void receive_some(struct flow *flow, int fd) {
    unsigned char data[300];
    size_t size = 1 + sim_below(sizeof data);
    ssize_t got = sim_below(2) == 0 ? sim_read(fd, data, size) : eddy_os_receive(fd, data, size);
    ck_assert(got > 0 || got == -EAGAIN);
    bool matches = true;
    for (ssize_t i = 0; i < got; i++)
        matches = matches && data[i] == byte_at(flow->received + (uint64_t)i);
    ck_assert(matches);
    if (got > 0) flow->received += (uint64_t)got;
}

static struct sim_weather without_faults(void) {
    struct sim_weather weather = *sim_weather();
    weather.faults = weather.no_memory = 0;
    return weather;
}

/* Begins the world of a seed, but for faults. */
static void begin(uint64_t seed) {
    sim_begin(seed, NULL);
    struct sim_weather weather = without_faults();
    sim_end();
    sim_begin(seed, &weather);
}

START_TEST(bytes_arrive_whole_and_in_order) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        int ends[2];
        struct flow flows[2] = {{0, 0}, {0, 0}};
        if (seed % 2 == 0)
            sim_tcp_pair(ends);
        else
            sim_local_pair(ends);
        for (int i = 0; i < 500; i++) {
            unsigned way = sim_below(2);
            if (sim_below(2) == 0)
                send_some(&flows[way], ends[way]);
            else
                receive_some(&flows[way], ends[1 - way]);
            if (sim_below(4) == 0) sim_sleep(sim_below(100000));
        }
        for (unsigned way = 0; way < 2; way++) {
            sim_shut_down(ends[way]);
            while (flows[way].received < flows[way].sent) {
                receive_some(&flows[way], ends[1 - way]);
                sim_sleep(100000);
            }
        }
        sim_sleep(100000000);
        char byte;
        ck_assert_int_eq(sim_read(ends[0], &byte, 1), 0);
        ck_assert_int_eq(sim_read(ends[1], &byte, 1), 0);
        sim_close(ends[0]);
        sim_close(ends[1]);
        sim_end();
    }
}
END_TEST

/* --- From outside --- */

struct caller {
    sim_peer *peer;
    unsigned told;
    ssize_t result;
};

static void on_change(void *context) {
    struct caller *caller = context;
    char data[16];
    caller->told++;
    caller->result = sim_peer_receive(caller->peer, data, sizeof data);
}

static int listen_at(struct sockaddr_in *address, int backlog) {
    int fd = eddy_os_socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(80)};
    ck_assert_int_eq(eddy_os_bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    ck_assert_int_eq(eddy_os_listen(fd, backlog), 0);
    return fd;
}

static sim_peer *knock(const struct sockaddr_in *address) {
    return sim_peer_connect((const struct sockaddr *)address, sizeof *address);
}

START_TEST(peers_hear_of_all_that_changes) {
    sim_begin(1, &sim_calm);
    struct sockaddr_in address;
    int listener = listen_at(&address, 8);
    struct caller caller = {.peer = knock(&address)};
    sim_peer_on_change(caller.peer, on_change, &caller);
    ck_assert(!sim_peer_is_connected(caller.peer));
    sim_sleep(1);
    ck_assert(sim_peer_is_connected(caller.peer));
    ck_assert_uint_eq(caller.told, 1);
    ck_assert_int_eq(caller.result, -EAGAIN);
    int fd = eddy_os_accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(sim_write(fd, "abc", 3), 3);
    sim_sleep(1);
    ck_assert_int_eq(caller.result, 3);
    unsigned before = caller.told;
    char data[4];
    ck_assert_int_eq(sim_peer_send(caller.peer, "x", 1), 1);
    ck_assert_int_eq(sim_read(fd, data, sizeof data), 1);
    sim_sleep(1);
    ck_assert_uint_gt(caller.told, before);
    sim_shut_down(fd);
    sim_sleep(1);
    ck_assert_int_eq(caller.result, 0);
    sim_peer_reset(caller.peer);
    sim_sleep(1);
    ck_assert_int_eq(sim_read(fd, data, sizeof data), -ECONNRESET);
    sim_close(fd);
    sim_close(listener);
    sim_end();
}
END_TEST

START_TEST(nobody_listens_so_the_peer_is_refused) {
    sim_begin(1, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct caller caller = {.peer = knock(&address)};
    sim_peer_on_change(caller.peer, on_change, &caller);
    sim_sleep(EDDY_NS_PER_S);
    ck_assert_uint_eq(caller.told, 1);
    ck_assert_int_eq(caller.result, -ECONNREFUSED);
    sim_peer_close(caller.peer);
    sim_end();
}
END_TEST

/* A full queue loses the knock, and it is tried again. */
START_TEST(full_queue_makes_peers_wait) {
    sim_begin(1, &sim_calm);
    struct sockaddr_in address;
    int listener = listen_at(&address, 1);
    sim_peer *peers[4];
    for (int i = 0; i < 4; i++) peers[i] = knock(&address);
    sim_sleep(EDDY_NS_PER_MS);
    unsigned connected = 0;
    for (int i = 0; i < 4; i++) connected += sim_peer_is_connected(peers[i]);
    ck_assert_uint_eq(connected, 2);
    for (int i = 0; i < 2; i++) sim_close(eddy_os_accept(listener, NULL, NULL));
    ck_assert_int_eq(eddy_os_accept(listener, NULL, NULL), -EAGAIN);
    sim_sleep(2 * EDDY_NS_PER_S);
    for (int i = 0; i < 2; i++) sim_close(eddy_os_accept(listener, NULL, NULL));
    for (int i = 0; i < 4; i++) sim_peer_close(peers[i]);
    sim_close(listener);
    sim_end();
}
END_TEST

/* --- Waits --- */

static const struct eddy_backend *backend;
static void *state;
static struct eddy_record records[256];

static void *resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    (void)context;
    (void)old_bytes;
    if (new_bytes > 0) return realloc(memory, new_bytes);
    free(memory);
    return NULL;
}

static void open_backend(unsigned which) {
    static const eddy_allocator memory = {resize, NULL};
    backend = eddy_backend_table[which];
    state = calloc(1, backend->state_bytes);
    ck_assert_int_eq(backend->open(state, &memory, 256), 0);
}

static void close_backend(void) {
    backend->close(state);
    free(state);
}

static bool is_told(int fd, int count, unsigned events) {
    for (int i = 0; i < count; i++)
        if (records[i].token == (eddy_token)fd && (records[i].events & events)) return true;
    return false;
}

/* However foul the weather: what is ready is told before four waits have passed, and a wait without
 * end ends. */
START_TEST(what_is_ready_is_not_hidden_for_long) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        open_backend(seed % 2);
        int ends[2];
        sim_pipe(ends);
        ck_assert_int_eq(backend->add(state, ends[0], EDDY_READ, (eddy_token)ends[0]), 0);
        ck_assert_int_eq(sim_write(ends[1], "x", 1), 1);
        for (int round = 0; round < 5; round++) {
            bool told = false;
            for (int i = 0; i < 4 && !told; i++)
                told = is_told(ends[0], backend->wait(state, records, 8, 0), EDDY_READ);
            ck_assert(told);
            int count;
            do count = backend->wait(state, records, 8, -1);
            while (count == 0); /* interrupted */
            ck_assert(is_told(ends[0], count, EDDY_READ));
        }
        backend->remove(state, ends[0], EDDY_READ);
        sim_close(ends[0]);
        sim_close(ends[1]);
        close_backend();
        sim_end();
    }
}
END_TEST

/* An edge whose call was cut short, or failed for the moment, comes again: nothing that waits for
 * it waits for ever. */
START_TEST(edges_are_enough_to_move_all_bytes) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        open_backend(seed % 2);
        int ends[2];
        sim_tcp_pair(ends);
        struct flow flow = {0, 0};
        unsigned edge = BOTH | EDDY_EDGE;
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(backend->add(state, ends[i], edge, (eddy_token)ends[i]), 0);
        while (flow.received < 2000) {
            int count = backend->wait(state, records, 8, -1);
            uint64_t before;
            if (is_told(ends[0], count, EDDY_WRITE)) do {
                    before = flow.sent;
                    send_some(&flow, ends[0]);
                } while (flow.sent > before && flow.sent < 4000);
            if (is_told(ends[1], count, EDDY_READ)) do {
                    before = flow.received;
                    receive_some(&flow, ends[1]);
                } while (flow.received > before);
        }
        for (int i = 0; i < 2; i++) {
            backend->remove(state, ends[i], edge);
            sim_close(ends[i]);
        }
        close_backend();
        sim_end();
    }
}
END_TEST

/* --- Forks --- */

static void talk(void) {
    for (int i = 0; i < 20; i++) {
        sim_sleep(1 + sim_below(1000));
        sim_note("%u", sim_below(1000));
    }
}

static void *wait_and_end(void *argument) {
    sim_sleep(5000);
    *(bool *)argument = true;
    return NULL;
}

/* The child has the world as it was, and no thread of it; the parent has what it would have had
 * without a child. */
static uint64_t run_with_fork(uint64_t seed, bool forks) {
    eddy_os_thread thread;
    bool has_ended = false;
    begin(seed);
    ck_assert_int_eq(eddy_os_thread_start(&thread, wait_and_end, &has_ended, 0), 0);
    sim_raise(SIGCHLD);
    if (!forks) sim_note("fork");
    if (forks && sim_fork()) {
        talk();
        sim_check(sim_is_child() && !has_ended && !sim_signals_wait(), "not what a child is");
        sim_end();
    }
    talk();
    eddy_os_thread_join(thread);
    ck_assert(has_ended && !sim_is_child());
    sim_end();
    return sim_trace_sum();
}

START_TEST(a_fork_changes_nothing_for_the_parent) {
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++)
        ck_assert(run_with_fork(seed, true) == run_with_fork(seed, false));
}
END_TEST

/* --- What it is there to find --- */

static void open_watched(eddy_loop **loop, eddy_io *io, int ends[2], eddy_io_fn *fn) {
    sim_begin(1, &sim_calm);
    ck_assert_int_eq(eddy_loop_open(loop, NULL), 0);
    sim_watch_loop(*loop);
    sim_pipe(ends);
    eddy_io_init(io, *loop);
    ck_assert_int_eq(eddy_io_start(io, fn, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(sim_write(ends[1], "x", 1), 1);
}

static void close_watched(eddy_loop *loop, eddy_io *io, const int ends[2]) {
    eddy_io_stop(io);
    sim_close(ends[0]);
    sim_close(ends[1]);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    sim_end();
}

static void look_away(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
}

static void take(eddy_io *io, unsigned events) {
    char byte;
    (void)events;
    ck_assert_int_eq(sim_read(eddy_io_fd(io), &byte, 1), 1);
    eddy_loop_stop(io->handle.loop);
}

START_TEST(loop_that_gets_on_can_be_watched_and_closed) {
    eddy_loop *loop;
    eddy_io io;
    int ends[2];
    open_watched(&loop, &io, ends, take);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    close_watched(loop, &io, ends);
}
END_TEST

/* The following abort. */
START_TEST(spin_is_found) {
    eddy_loop *loop;
    eddy_io io;
    int ends[2];
    open_watched(&loop, &io, ends, look_away);
    eddy_loop_run(loop, EDDY_RUN_DEFAULT);
}
END_TEST

START_TEST(interest_behind_the_back_of_the_loop_is_found) {
    eddy_loop *loop;
    eddy_io io;
    int ends[2];
    open_watched(&loop, &io, ends, take);
    io.events |= EDDY_WRITE;
    eddy_loop_run(loop, EDDY_RUN_ONCE);
}
END_TEST

START_TEST(descriptor_left_open_is_found) {
    int ends[2];
    sim_begin(1, &sim_calm);
    sim_pipe(ends);
    sim_close(ends[0]);
    sim_end();
}
END_TEST

START_TEST(close_of_what_is_closed_is_found) {
    int ends[2];
    sim_begin(1, &sim_calm);
    sim_pipe(ends);
    eddy_os_close(ends[0]);
    eddy_os_close(ends[0]);
}
END_TEST

/* A child that goes on with the loop as if it were its own. */
START_TEST(childs_use_of_its_parents_backend_is_found) {
    eddy_loop *loop;
    eddy_io io;
    int ends[2];
    open_watched(&loop, &io, ends, take);
    if (sim_fork()) (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
}
END_TEST

START_TEST(backend_left_open_is_found) {
    sim_begin(1, &sim_calm);
    open_backend(1);
    sim_end();
}
END_TEST

/* --- The trace --- */

/* A system that numbers its errors otherwise writes the same: whatever may fail has a name. */
START_TEST(errors_stand_in_the_trace_by_name) {
    ck_assert_str_eq(sim_result(17), "17");
    ck_assert_str_eq(sim_result(0), "0");
    ck_assert_str_eq(sim_result(-ENOBUFS), "-ENOBUFS");
    for (unsigned call = 0; call < OS_CALL_COUNT; call++)
        for (const int *error = os_call_infos[call].errors; *error != 0; error++)
            ck_assert_msg(strncmp(sim_result(-*error), "-E", 2) == 0, "%s may fail with %d",
                          os_call_infos[call].name, *error);
}
END_TEST

static void add_aborts(Suite *suite) {
    const TTest *const found[] = {spin_is_found,
                                  interest_behind_the_back_of_the_loop_is_found,
                                  descriptor_left_open_is_found,
                                  close_of_what_is_closed_is_found,
                                  childs_use_of_its_parents_backend_is_found,
                                  backend_left_open_is_found};
    TCase *aborts = tcase_create("found");
    tcase_set_timeout(aborts, 60); /* as ck_add does */
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        tcase_add_test_raise_signal(aborts, found[i], SIGABRT);
    suite_add_tcase(suite, aborts);
}

int main(void) {
    Suite *suite = suite_create("sim/own");
    ck_add(suite, "bytes", bytes_arrive_whole_and_in_order);
    ck_add(suite, "from outside", peers_hear_of_all_that_changes,
           nobody_listens_so_the_peer_is_refused, full_queue_makes_peers_wait);
    ck_add(suite, "waits", what_is_ready_is_not_hidden_for_long, edges_are_enough_to_move_all_bytes,
           loop_that_gets_on_can_be_watched_and_closed);
    ck_add(suite, "trace", errors_stand_in_the_trace_by_name);
    ck_add(suite, "forks", a_fork_changes_nothing_for_the_parent);
    SRunner *runner = srunner_create(suite);
    if (srunner_fork_status(runner) == CK_FORK) add_aborts(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
