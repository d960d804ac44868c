/* verify.c: each invariant of a loop, of its streams and of its pool, broken (broken.h). */
#include "src/core/label.h"
#include "src/core/observe.h"
#include "src/core/trace.h"
#include "src/net/net.h"
#include "src/work/pool.h"

#include "broken.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_io(eddy_io *io, unsigned events) {
    (void)io, (void)events;
}
static void on_timer(eddy_timer *timer) {
    (void)timer;
}
static void on_hook(eddy_hook *hook) {
    (void)hook;
}
static void on_defer(eddy_defer *defer) {
    (void)defer;
}
static void on_post(eddy_post *post) {
    (void)post;
}
static void on_work(eddy_work *work) {
    (void)work;
}
static void on_done(eddy_work *work, int status) {
    (void)work, (void)status;
}

static const unsigned active = HANDLE_ACTIVE;

/* Two watchers of one descriptor, with the backend told of them. */
START_TEST(a_watcher_is_its_descriptors) {
    int ends[2];
    eddy_io io, second;
    test_pipe(ends);
    eddy_io_init(&io, loop);
    eddy_io_init(&second, loop);
    ck_assert_int_eq(eddy_io_start(&second, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    struct io_slot *slot = &loop->io.slots[ends[0]];
    eddy_io *first = slot->first;
    BREAKS(io.handle.loop, NULL, "io->handle.loop == loop");
    BREAKS(io.handle.flags, io.handle.flags & (uint16_t)~active, "handle_is_active(&io->handle)");
    BREAKS(io.handle.place, io.handle.place + 1, "io->handle.place == fd");
    BREAKS(io.fn, NULL, "io->fn != NULL");
    BREAKS(io.born, loop->turn + 1, "io->born <= loop->turn");
    BREAKS(first->events, first->events | EDDY_ONESHOT, "io->next == NULL");
    BREAKS(first->next->events, first->next->events | EDDY_ONESHOT, "slot->first == io");
    BREAKS(slot->interest, EDDY_WRITE, "slot->interest == interest");
    BREAKS(slot->merged, EDDY_READ, "slot->merged == 0");
    BREAKS(slot->registered, EDDY_WRITE, "IO_SLOT_CHANGED | IO_SLOT_DISARMED");
    BREAKS(slot[1].registered, EDDY_READ, "slot->registered == 0");
    eddy_io_stop(&io);
    BREAKS(loop->io.next, &io, "handle_is_active(&loop->io.next->handle)");
    eddy_io_stop(&second);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(what_is_to_be_flushed_is_noted) {
    int ends[2];
    eddy_io io;
    test_pipe(ends);
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_change(&io, 0), 0); /* one change, not flushed */
    ck_assert_uint_eq(loop->io.changes_count, 1);
    struct io_slot *slot = &loop->io.slots[ends[0]];
    BREAKS(loop->io.lost_count, 2, "loop->io.lost_count <= loop->io.changes_count");
    BREAKS(loop->io.changes_count, loop->io.slots_count + 1,
           "loop->io.changes_count <= loop->io.slots_count");
    BREAKS(slot[1].flags, IO_SLOT_CHANGED, "changed == loop->io.changes_count");
    BREAKS(loop->io.changes[0], (int)loop->io.slots_count, "< loop->io.slots_count");
    BREAKS(loop->io.changes[0], ends[1], "loop->io.slots[loop->io.changes[i]].flags");
    eddy_io_stop(&io);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* The first of the three is the nearest, and in no list. */
START_TEST(timers_are_in_the_list_of_their_deadline) {
    eddy_timer timers[3];
    int64_t near_ns = eddy_loop_now_ns(loop) + EDDY_NS_PER_S, due_ns = INT64_MAX / 2;
    for (int i = 0; i < 3; i++) {
        eddy_timer_init(&timers[i], loop);
        int err = eddy_timer_start_at(&timers[i], on_timer, i == 0 ? near_ns : due_ns, 0);
        ck_assert_int_eq(err, 0);
    }
    struct timer_queue *wheel = &loop->timers;
    uint32_t place = timers[1].handle.place, link = place + WHEEL_FIRST;
    uint32_t level = wheel_level_of(wheel, due_ns), slot = wheel_slot_of(level, due_ns);
    BREAKS(wheel->touched, wheel->capacity + 1, "wheel->touched <= wheel->capacity");
    BREAKS(wheel->count, 2, "found == wheel->count");
    BREAKS(wheel->touched, 4, "found + given_back == wheel->touched");
    for (int i = 0; i < 2; i++) {
        eddy_handle *handle = &timers[i].handle;
        BREAKS(handle->loop, NULL, "timer->handle.loop == loop");
        BREAKS(handle->flags, handle->flags & (uint16_t)~active,
               "handle_is_active(&timer->handle)");
        BREAKS(handle->place, 2, "timer->handle.place == link - WHEEL_FIRST");
    }
    BREAKS(wheel->links[link].prev, link, "links[links[link].prev].next == link");
    BREAKS(wheel->nearest, place, "link - WHEEL_FIRST != wheel->nearest");
    BREAKS(wheel->base_ns, due_ns + 1, "entry->due_ns >= wheel->base_ns");
    BREAKS(wheel->entries[place].due_ns, near_ns + 1, "wheel_level_of(wheel, entry->due_ns)");
    BREAKS(wheel->entries[place].due_ns, due_ns + ((int64_t)1 << level * WHEEL_BITS),
           "wheel_slot_of(list / WHEEL_SLOTS, entry->due_ns) == list % WHEEL_SLOTS");
    BREAKS(wheel->next_ns, due_ns + 1, "entry->due_ns >= wheel->next_ns");
    BREAKS(wheel->next_ns, near_ns - 1, "wheel->entries[wheel->nearest].due_ns == wheel->next_ns");
    BREAKS(wheel->used[level], 0, "wheel->used[list / WHEEL_SLOTS]");
    BREAKS(wheel->levels, 0, "(wheel->levels >> level & 1)");
    for (int i = 0; i < 3; i++) eddy_timer_stop(&timers[i]);
    BREAKS(wheel->used[level], UINT64_C(1) << slot, "!(wheel->used[list / WHEEL_SLOTS]");
}
END_TEST

START_TEST(hooks_are_in_the_list_of_their_kind) {
    eddy_hook hooks[2];
    for (int i = 0; i < 2; i++) {
        eddy_hook_init(&hooks[i], loop);
        ck_assert_int_eq(eddy_hook_start(&hooks[i], EDDY_HOOK_CHECK, on_hook), 0);
    }
    eddy_handle *handle = &hooks[0].handle;
    BREAKS(hooks[1].link.prev, &hooks[1].link, "link->next->prev == link");
    BREAKS(hooks[0].link.prev, &hooks[1].link, "link->prev->next == link");
    BREAKS(handle->loop, NULL, "hook->handle.loop == loop");
    BREAKS(handle->flags, handle->flags & (uint16_t)~active, "handle_is_active(&hook->handle)");
    BREAKS(handle->flags, (uint16_t)(handle->flags ^ HANDLE_KIND), "HANDLE_KIND_SHIFT == kind");
    BREAKS(hooks[0].born, loop->hooks.runs + 1, "hook->born <= loop->hooks.runs");
    for (int i = 0; i < 2; i++) eddy_hook_stop(&hooks[i]);
}
END_TEST

START_TEST(what_is_deferred_is_linked_both_ways) {
    eddy_defer defers[2];
    for (int i = 0; i < 2; i++) {
        eddy_defer_init(&defers[i], loop);
        ck_assert_int_eq(eddy_defer_start(&defers[i], on_defer), 0);
    }
    eddy_handle *handle = &defers[0].handle;
    BREAKS(defers[1].link.prev, &defers[1].link, "link->next->prev == link");
    BREAKS(defers[0].link.prev, &defers[1].link, "link->prev->next == link");
    BREAKS(handle->loop, NULL, "defer->handle.loop == loop");
    BREAKS(handle->flags, handle->flags & (uint16_t)~active, "handle_is_active(&defer->handle)");
    for (int i = 0; i < 2; i++) eddy_defer_stop(&defers[i]);
}
END_TEST

static void on_wake(eddy_wake *wake) {
    (void)wake;
}
static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher, (void)number;
}

START_TEST(wakes_and_signals_are_in_their_lists) {
    eddy_wake wakes[2];
    eddy_signal signals[2];
    for (int i = 0; i < 2; i++) {
        eddy_wake_init(&wakes[i], loop);
        eddy_signal_init(&signals[i], loop);
        ck_assert_int_eq(eddy_wake_start(&wakes[i], on_wake), 0);
        ck_assert_int_eq(eddy_signal_start(&signals[i], on_signal, SIGUSR1), 0);
    }
    eddy_handle *wake = &wakes[0].handle, *signal = &signals[0].handle;
    BREAKS(wakes[1].link.prev, &wakes[1].link, "link->next->prev == link");
    BREAKS(wake->loop, NULL, "wake->handle.loop == loop");
    BREAKS(wake->flags, wake->flags & (uint16_t)~active, "handle_is_active(&wake->handle)");
    BREAKS(wakes[0].fn, NULL, "wake->fn != NULL");
    BREAKS(signals[1].link.prev, &signals[1].link, "link->next->prev == link");
    BREAKS(signal->loop, NULL, "watcher->handle.loop == loop");
    BREAKS(signal->flags, signal->flags & (uint16_t)~active, "handle_is_active(&watcher->handle)");
    BREAKS(signals[0].fn, NULL, "watcher->fn != NULL");
    for (int i = 0; i < 2; i++) {
        eddy_wake_stop(&wakes[i]);
        eddy_signal_stop(&signals[i]);
    }
}
END_TEST

/* Each of the lists of phases 7 and 8 is looked at. */
START_TEST(every_list_of_deferred_calls_is_looked_at) {
    eddy_link *lists[] = {&loop->deferred.queued, &loop->deferred.now, &loop->closing.queued,
                          &loop->closing.now};
    eddy_defer stray;
    for (size_t i = 0; i < 4; i++) {
        eddy_defer_init(&stray, loop);
        link_add_last(lists[i], &stray.link);
        expect_broken("handle_is_active(&defer->handle)");
        link_remove(&stray.link);
        expect_whole();
    }
}
END_TEST

/* Both queues of phase 6: what has come, and signals. */
START_TEST(queues_know_their_ends) {
    struct inbox_queue *queues[] = {&loop->inbox.posts, &loop->inbox.signals};
    for (size_t i = 0; i < 2; i++) {
        struct inbox_queue *queue = queues[i], empty = *queues[i];
        eddy_post second = {.fn = on_post}, first = {.next = &second, .fn = on_post};
        *queue = (struct inbox_queue){&first, &second.next, &queue->first};
        loop->due |= DUE_INBOX;
        expect_whole();
        BREAKS(second.fn, NULL, "post->fn != NULL");
        BREAKS(queue->last, &first.next, "queue->last == last");
        BREAKS(queue->end, NULL, "end_found");
        queue->end = &first.next;
        expect_whole();
        queue->end = &second.next;
        expect_whole();
        *queue = empty;
        loop->due &= ~(unsigned)DUE_INBOX;
    }
}
END_TEST

/* A bit of `due` that is missing is work that is never done; one too many is a loop that never
 * sleeps. */
START_TEST(each_bit_of_due_stands_for_something) {
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {{DUE_PREPARE, "DUE_PREPARE"},   {DUE_FLUSH, "DUE_FLUSH"},
                {DUE_IDLE, "DUE_IDLE"},         {DUE_CHECK, "DUE_CHECK"},
                {DUE_LOST, "DUE_LOST"},         {DUE_INBOX, "DUE_INBOX"},
                {DUE_DEFERRED, "DUE_DEFERRED"}, {DUE_CLOSING, "DUE_CLOSING"}};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        BREAKS(loop->due, loop->due | bits[i].bit, bits[i].name);
    eddy_hook hook;
    eddy_defer defer;
    eddy_hook_init(&hook, loop);
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_hook_start(&hook, EDDY_HOOK_IDLE, on_hook), 0);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    BREAKS(loop->due, loop->due & ~(unsigned)DUE_IDLE, "DUE_IDLE");
    BREAKS(loop->due, loop->due & ~(unsigned)DUE_DEFERRED, "DUE_DEFERRED");
    eddy_hook_stop(&hook);
    eddy_defer_stop(&defer);
    expect_whole();
    ck_assert_uint_eq(loop->due, 0);
}
END_TEST

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream, (void)data, (void)size;
}
static void on_written(eddy_write *write, int status) {
    (void)write, (void)status;
}

/* A stream that reads and has a write under way. */
START_TEST(a_stream_is_what_its_state_says) {
    int ends[2];
    eddy_stream stream;
    eddy_write write;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    eddy_stream_init(&stream, loop);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, on_read), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&stream, EDDY_NS_PER_S), 0);
    expect_whole();
    BREAKS(stream.queued, 999, "stream->queued == bytes");
    ck_assert_int_eq(eddy_stream_write(&stream, &write, "ab", 2, on_written), 0);
    expect_whole();
    BREAKS(stream.queued, 1, "stream->queued == bytes");
    BREAKS(write.stream, NULL, "write->stream == stream");
    BREAKS(write.fn, NULL, "write->fn != NULL");
    BREAKS(stream.state, 0, "STREAM_CONNECTING");
    BREAKS(stream.state, (uint16_t)(stream.state | STREAM_CLOSING), "STREAM_CLOSING");
    BREAKS(stream.state, (uint16_t)(stream.state & ~STREAM_READING), "reads ==");
    BREAKS(stream.state, (uint16_t)(stream.state | STREAM_BLOCKED), "writes ==");
    BREAKS(stream.state, (uint16_t)(stream.state | STREAM_RECORDS), "stream->io.fn ==");
    BREAKS(stream.state, (uint16_t)(stream.state | STREAM_CONNECT_AGAIN),
           "state & STREAM_CONNECTING");
    BREAKS(stream.read_fn, NULL, "stream->read_fn != NULL");
    BREAKS(stream.read_due_ns, eddy_loop_now_ns(loop) + EDDY_NS_PER_MS, "armed_ns <= due_ns");
    BREAKS(stream.low, stream.high + 1, "stream->low <= stream->high");
    BREAKS(stream.flush.next, &stream.flush, "link->prev->next == link");
    eddy_stream_close(&stream, NULL);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    close(ends[1]);
}
END_TEST

/* A loop that is looked at says so; its trace is its own. */
START_TEST(who_looks_is_noted) {
    static _Alignas(EDDY_TRACE_ALIGN) char memory[EDDY_TRACE_BYTES_MIN];
    struct observer observer = {0};
    eddy_trace *trace;
    BREAKS(loop->due, loop->due | DUE_OBSERVED, "DUE_OBSERVED) != 0) ==");
    eddy__observe_begin(loop, &observer);
    BREAKS(loop->observers, NULL, "DUE_OBSERVED) != 0) ==");
    BREAKS(loop->is_quick, true, "loop->is_quick ==");
    eddy__observe_end(loop, &observer);
    expect_whole();
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    BREAKS(loop->due, loop->due & ~(unsigned)DUE_OBSERVED, "DUE_OBSERVED) != 0) ==");
    BREAKS(trace->loop, NULL, "trace->loop == loop");
    BREAKS(loop->call_depth, LOOP_CALLS_MAX + 1, "loop->call_depth <= LOOP_CALLS_MAX");
    eddy_trace_stop(trace);
    expect_whole();
}
END_TEST

START_TEST(what_is_active_is_counted) {
    eddy_timer timers[2];
    for (int i = 0; i < 2; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S, 0), 0);
    }
    eddy_unref(&timers[1].handle);
    BREAKS(loop->handles, 1, "count->handles == loop->handles");
    BREAKS(loop->handles, 4, "count->handles == loop->handles");
    BREAKS(loop->active, 0, "count->referenced <= loop->active");
    for (int i = 0; i < 2; i++) eddy_timer_stop(&timers[i]);
}
END_TEST

START_TEST(what_was_submitted_is_the_loops) {
    eddy_work work = {0};
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, on_work, on_done), 0);
    BREAKS(work.loop, NULL, "a submitted job is the loop's own");
    BREAKS(work.state, WORK_QUEUED, "a submitted job is the loop's own");
    BREAKS(work.handed_over, 1, "a submitted job is the loop's own");
    BREAKS(((struct work_part *)loop->parts)->queued, 0, "submitted jobs are as they are counted");
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    BREAKS(((struct work_part *)loop->parts)->is_expected, true,
           "a hand-over is expected where there are jobs");
}
END_TEST

/* A pool that has not started a thread yet, so that nobody else touches it. */
START_TEST(a_pool_counts_its_jobs_and_threads) {
    eddy_pool *pool = eddy_loop_pool(loop);
    ck_assert_ptr_nonnull(pool);
    struct lane *lane = &pool->lanes[EDDY_LANE_CPU];
    BREAKS(lane->counts.queued, 1, "a lane's queue is as it is counted");
    BREAKS(lane->counts.running, lane->counts.quota + 1, "a lane keeps to its quota");
    BREAKS(lane->counts.running, 1, "each running job has a worker");
    BREAKS(pool->threads_idle, 1, "idle workers are as they are counted");
    BREAKS(pool->threads, 1, "each place has a state");
    BREAKS(pool->coming, 1, "only threads can come or idle");
    /* A job, and no thread on its way; which is right if none could be started. */
    eddy_work work = {0};
    eddy_flow flow;
    link_init(&flow.jobs);
    link_add_last(&lane->flows, &flow.link);
    expect_broken("a loop or queue whose turn may come has a job");
    link_add_last(&flow.jobs, &work.link);
    lane->counts.queued = 1;
    expect_broken("work has a worker on its way");
    pool->start_failed = true;
    expect_whole();
    pool->start_failed = false;
    lane->counts.running = lane->counts.quota; /* full, so that it has to wait */
    expect_broken("each running job has a worker");
    lane->counts.running = lane->counts.queued = 0;
    link_remove(&flow.link);
    expect_whole();
    /* A job of a queue that runs, and one that waits for its end. */
    eddy_queue queue = {.lane = EDDY_LANE_CPU, .is_running = true};
    eddy_work running = {.lane = LANE_OF_QUEUE, .queue = &queue};
    link_init(&queue.flow.link);
    link_init(&queue.flow.jobs);
    link_add_last(&queue.flow.jobs, &work.link);
    pool->workers[0].work = &running;
    lane->counts.running = lane->counts.queued = 1;
    expect_whole();
    BREAKS(lane->counts.queued, 0, "a lane's queue is as it is counted");
    BREAKS(queue.is_running, false, "a queue of which a job runs has to wait");
    link_add_last(&lane->flows, &queue.flow.link);
    lane->counts.queued = 2; /* it is found by both ways */
    expect_broken("a queue of which a job runs has to wait");
    link_remove(&queue.flow.link);
    lane->counts.running = lane->counts.queued = 0;
    pool->workers[0].work = NULL;
    expect_whole();
}
END_TEST

START_TEST(labels_are_in_the_bucket_of_their_address) {
    eddy_label labels[20];
    for (int i = 0; i < 20; i++) {
        eddy_label_init(&labels[i], loop);
        ck_assert_int_eq(eddy_label_set(&labels[i], &labels[i], "label"), 0);
    }
    struct label_part *it = (struct label_part *)loop->parts;
    ck_assert_uint_gt(it->count, 1);
    BREAKS(it->labels, 19, "++*found <= it->labels");
    BREAKS(it->labels, 21, "found == it->labels");
    BREAKS(it->count, 1, "it->count == 1");
    BREAKS(it->count, it->count - 1, "it->count - 1");
    BREAKS(labels[0].next, &labels[0], "++*found <= it->labels");
    BREAKS(labels[0].mark, 0, "label_is_initialised(label)");
    BREAKS(labels[0].loop, NULL, "label->loop == it->part.loop");
    BREAKS(labels[0].what, NULL, "label->what != NULL");
    BREAKS(labels[0].text, NULL, "label->text != NULL");
    /* The last bucket's labels in the first one. */
    eddy_label *kept = it->buckets[0];
    size_t last = it->count - 1;
    while (it->buckets[last] == NULL) last--;
    it->buckets[0] = it->buckets[last];
    expect_broken("label_bucket(");
    it->buckets[0] = kept;
    expect_whole();
    for (int i = 0; i < 20; i++) eddy_label_clear(&labels[i]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("verify");
    TCase *broken = tcase_create("broken");
    tcase_set_timeout(broken, 60); /* as ck_add does */
    tcase_add_checked_fixture(broken, setup, teardown);
    const TTest *const tests[] = {a_watcher_is_its_descriptors,
                                  what_is_to_be_flushed_is_noted,
                                  timers_are_in_the_list_of_their_deadline,
                                  hooks_are_in_the_list_of_their_kind,
                                  what_is_deferred_is_linked_both_ways,
                                  wakes_and_signals_are_in_their_lists,
                                  every_list_of_deferred_calls_is_looked_at,
                                  queues_know_their_ends,
                                  each_bit_of_due_stands_for_something,
                                  a_stream_is_what_its_state_says,
                                  who_looks_is_noted,
                                  what_is_active_is_counted,
                                  what_was_submitted_is_the_loops,
                                  a_pool_counts_its_jobs_and_threads,
                                  labels_are_in_the_bucket_of_their_address};
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(broken, tests[i]);
    suite_add_tcase(suite, broken);
    return suite;
}
