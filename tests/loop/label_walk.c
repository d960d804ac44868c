/* label_walk.c: a walk tells the label of everything that may have one. */
#include "watchers.h"

static void do_nothing(eddy_work *work) {
    (void)work;
}
static void on_work(eddy_work *work, int status) {
    (void)work, (void)status;
}

/* One of each kind, the second stream being one that connects. */
static struct {
    struct watchers watchers;
    eddy_stream stream, connecting;
    eddy_listener listener;
    eddy_write write;
    eddy_post post;
    eddy_work work;
    eddy_file reading, syncing;
    char byte;
    int pair[2], fd;
} it;

static void start_streams(eddy_loop *loop) {
    struct sockaddr_storage place;
    struct sockaddr *address = (struct sockaddr *)&place;
    socklen_t length = loopback(&place, AF_INET);
    test_socket_pair(it.pair);
    eddy_stream_init(&it.stream, loop);
    eddy_stream_init(&it.connecting, loop);
    eddy_listener_init(&it.listener, loop);
    ck_assert_int_eq(eddy_stream_attach(&it.stream, it.pair[0]), 0);
    ck_assert_int_eq(eddy_stream_write(&it.stream, &it.write, "x", 1, end_on_written), 0);
    ck_assert_int_eq(eddy_tcp_listen(&it.listener, address, length, 1, 0, on_accept), 0);
    length = sizeof place;
    ck_assert_int_eq(eddy_listener_address(&it.listener, address, &length), 0);
    ck_assert_int_eq(eddy_tcp_connect(&it.connecting, address, length, 0, on_connected), 0);
}

static void stop_streams(void) {
    eddy_stream_close(&it.stream, NULL);
    eddy_stream_close(&it.connecting, NULL);
    eddy_listener_close(&it.listener, NULL);
}

static void start_requests(eddy_loop *loop) {
    it.fd = open("/dev/null", O_RDONLY);
    ck_assert_int_ge(it.fd, 0);
    eddy_loop_post(loop, &it.post, on_post);
    ck_assert_int_eq(eddy_work_submit(loop, &it.work, EDDY_LANE_CPU, do_nothing, on_work), 0);
    ck_assert_int_eq(eddy_file_read(loop, &it.reading, it.fd, &it.byte, 1, 0, on_file), 0);
    ck_assert_int_eq(eddy_file_fsync(loop, &it.syncing, it.fd, on_file), 0);
}

/* What is to be told of which kind, and how often it was. */
static struct {
    eddy_kind kind;
    const void *what;
    const char *text;
    eddy_label label;
    unsigned told;
} rows[] = {
    {.kind = EDDY_KIND_IO, .what = &it.watchers.io, .text = "input"},
    {.kind = EDDY_KIND_TIMER, .what = &it.watchers.timer, .text = "silence"},
    {.kind = EDDY_KIND_HOOK, .what = &it.watchers.hook, .text = "around"},
    {.kind = EDDY_KIND_DEFER, .what = &it.watchers.defer, .text = "later"},
    {.kind = EDDY_KIND_WAKE, .what = &it.watchers.wake, .text = "news"},
    {.kind = EDDY_KIND_SIGNAL, .what = &it.watchers.signal, .text = "reload"},
    {.kind = EDDY_KIND_STREAM, .what = &it.stream, .text = "client"},
    {.kind = EDDY_KIND_STREAM, .what = &it.connecting, .text = "upstream"},
    {.kind = EDDY_KIND_LISTENER, .what = &it.listener, .text = "port 80"},
    {.kind = EDDY_KIND_WRITE, .what = &it.write, .text = "answer"},
    {.kind = EDDY_KIND_POST, .what = &it.post, .text = "message"},
    {.kind = EDDY_KIND_WORK, .what = &it.work, .text = "sum"},
    {.kind = EDDY_KIND_FILE, .what = &it.reading, .text = "index"},
    {.kind = EDDY_KIND_FILE, .what = &it.syncing, .text = "log"},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* `context`: the loop of which all have labels, or NULL. */
static void note(const eddy_walk_item *item, void *context) {
    const char *text = NULL;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].what != item->pointer) continue;
        if (rows[i].kind == item->kind) rows[i].told++;
        if (context != NULL) text = rows[i].text;
    }
    if (item->kind == EDDY_KIND_CONNECT && context != NULL) ck_assert_str_eq(text, "upstream");
    ck_assert_ptr_eq(item->label, text);
    if (context != NULL) ck_assert_ptr_eq(eddy_label_of(context, item->pointer), text);
}

static void expect_told(void) {
    for (size_t i = 0; i < ROWS; i++) {
        ck_assert_msg(rows[i].told == 1, "\"%s\" is told %u times", rows[i].text, rows[i].told);
        rows[i].told = 0;
    }
}

START_TEST(a_walk_tells_the_labels_of_all_kinds) {
    eddy_loop *loop = test_loop_open();
    watchers_start(&it.watchers, loop);
    start_streams(loop);
    start_requests(loop);
    eddy_loop_walk(loop, note, NULL);
    expect_told();
    for (size_t i = 0; i < ROWS; i++) {
        eddy_label_init(&rows[i].label, loop);
        ck_assert_int_eq(eddy_label_set(&rows[i].label, rows[i].what, rows[i].text), 0);
    }
    eddy_loop_walk(loop, note, loop);
    expect_told();
    stop_streams(); /* closed, they are the same until their callbacks */
    eddy_loop_walk(loop, note, loop);
    expect_told();
    for (size_t i = 0; i < ROWS; i++) eddy_label_clear(&rows[i].label);
    eddy_loop_walk(loop, note, NULL);
    expect_told();
    watchers_stop(&it.watchers);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    close(it.fd);
    close(it.pair[1]);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("label_walk");
    ck_add(suite, "walk", a_walk_tells_the_labels_of_all_kinds);
    return suite;
}
