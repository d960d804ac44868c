/* program.c: a timer and a descriptor, and what else size.sh asks for by a macro. Without an
 * argument it says what the loop takes: bytes at open and at most, of a handle of what was added,
 * and of stack in its turns. It is run as it is measured; -DEMPTY is what it is compared with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef EMPTY
int main(void) {
    return 0;
}
#else

#include <eddy.h>
#ifdef HTTP
#include <eddy/http.h>
#endif

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static eddy_loop *loop;
static eddy_timer timer;
static eddy_io input;
static size_t handle_bytes = sizeof(eddy_timer) + sizeof(eddy_io);
static int ends[2];

/* --- What is added. Each is started by `add`, and has ended when its callback was called --- */

#if defined(DEFER)
static eddy_defer added;
static void on_added(eddy_defer *defer) {
    (void)defer;
}
static int add(void) {
    eddy_defer_init(&added, loop);
    return eddy_defer_start(&added, on_added);
}
#elif defined(SIGNAL)
static eddy_signal added;
static void on_added(eddy_signal *watcher, int number) {
    (void)number;
    eddy_signal_stop(watcher);
}
static int add(void) {
    eddy_signal_init(&added, loop);
    int err = eddy_signal_start(&added, on_added, SIGUSR1);
    return err < 0 ? err : raise(SIGUSR1);
}
#elif defined(WAKE)
static eddy_wake added;
static void on_added(eddy_wake *wake) {
    eddy_wake_stop(wake);
}
static int add(void) {
    eddy_wake_init(&added, loop);
    int err = eddy_wake_start(&added, on_added);
    if (err == 0) eddy_wake_send(&added);
    return err;
}
#elif defined(WORK)
static eddy_work added;
static void run(eddy_work *work) {
    (void)work;
}
static void on_added(eddy_work *work, int status) {
    (void)work, (void)status;
}
static int add(void) {
    return eddy_work_submit(loop, &added, EDDY_LANE_CPU, run, on_added);
}
#elif defined(FILES)
static eddy_file added;
static char data[16];
static void on_added(eddy_file *file) {
    (void)file;
}
static int add(void) {
    return eddy_file_read(loop, &added, ends[1], data, sizeof data, -1, on_added);
}
#elif defined(STREAM)
static eddy_stream added;
static eddy_write request;
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)data, (void)size;
    eddy_stream_close(stream, NULL);
}
static void on_written(eddy_write *write, int status) {
    (void)status;
    eddy_stream_close(write->stream, NULL);
}
static int add(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) return -errno;
    eddy_stream_init(&added, loop);
    int err = eddy_stream_attach(&added, pair[0]);
    if (err == 0) err = eddy_stream_read_start(&added, on_read);
    return err < 0 ? err : eddy_stream_write(&added, &request, "x", 1, on_written);
}
#elif defined(HTTP)
static eddy_http_listener added;
static eddy_http *http;
static void on_request(eddy_http_request *asked, void *context) {
    (void)context;
    eddy_http_respond(asked, 200, "x", 1);
}
static void on_stopped(eddy_http *stopped, void *context) {
    (void)context;
    eddy_http_close(stopped);
}
static int add(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    int err = eddy_http_open(&http, loop, NULL);
    if (err == 0) err = eddy_http_handle(http, "GET", "/", on_request, NULL);
    if (err == 0)
        err = eddy_http_listen(http, &added, (struct sockaddr *)&address, sizeof address, 0, NULL);
    return err < 0 ? err : eddy_http_stop(http, on_stopped, NULL);
}
#elif defined(TRACE)
static char added[EDDY_TRACE_BYTES_MIN];
static eddy_trace *trace;
static int add(void) {
    int err = eddy_trace_open(&trace, added, sizeof added);
    return err < 0 ? err : eddy_trace_start(trace, loop);
}
#else
#define NOTHING_ADDED
static int add(void) {
    return 0;
}
#endif

/* --- The program --- */

static size_t held, most;

static void *resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    (void)context;
    held += new_bytes - (memory != NULL ? old_bytes : 0);
    if (held > most) most = held;
    if (new_bytes > 0) return realloc(memory, new_bytes);
    free(memory);
    return NULL;
}

static void on_input(eddy_io *io, unsigned events) {
    (void)events;
    eddy_io_stop(io);
}

static void on_timer(eddy_timer *fired) {
    (void)fired;
    eddy_io_stop(&input);
}

static int start(void) {
    eddy_timer_init(&timer, loop);
    eddy_io_init(&input, loop);
    int err = eddy_timer_start(&timer, on_timer, EDDY_NS_PER_MS, 0);
    return err < 0 ? err : eddy_io_start(&input, on_input, ends[0], EDDY_READ);
}

static int finish(void) {
    int err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
#ifdef TRACE
    eddy_trace_stop(trace);
#endif
    return err;
}

/* Below this frame the stack is painted, and looked at afterwards. */
enum { STACK_PAINTED = 48 * 1024, STACK_PAINT = 0x5a };

static __attribute__((noinline)) void paint(void) {
    volatile unsigned char below[STACK_PAINTED];
    for (size_t i = 0; i < sizeof below; i++) below[i] = STACK_PAINT;
}

static __attribute__((noinline)) size_t touched(void) {
    volatile unsigned char below[STACK_PAINTED];
    size_t i = 0;
    while (i < sizeof below && below[i] == STACK_PAINT) i++;
    return sizeof below - i;
}

int main(void) {
    const eddy_allocator allocator = {resize, NULL};
    const eddy_loop_config config = {.allocator = &allocator};
    if (pipe(ends) < 0 || eddy_loop_open(&loop, &config) < 0) return 1;
    size_t opened = held;
    if (start() < 0 || add() < 0) return 1;
    paint();
    if (finish() < 0) return 1;
    size_t stack = touched();
#ifndef NOTHING_ADDED
    handle_bytes = sizeof added;
#endif
    printf("%zu %zu %zu %zu\n", opened, most, handle_bytes, stack);
    return eddy_loop_close(loop) < 0;
}
#endif
