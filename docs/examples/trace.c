/* trace.c: a program that records what its loop does, and prints the way of one request: from the
 * descriptor that was ready, through callbacks and a thread of the pool, to the answer. `trace`
 * prints it as text; `trace FILE` writes all that was recorded to FILE, which ui.perfetto.dev
 * draws. Read beside it: docs/19-seeing.md, include/eddy/trace.h and include/eddy/trace_writer.h.
 */
#include <eddy.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORDS_MAX = 4096 };

/* --- A server of one client: its answer is computed by the pool --- */

struct server {
    eddy_loop *loop;
    eddy_stream client;
    eddy_work work;
    eddy_write answer;
    eddy_label labels[3];
    char text[32];
};

static void on_closed(eddy_stream *stream) {
    (void)stream;
}

static void on_answered(eddy_write *write, int status) {
    (void)status;
    eddy_stream_close(write->stream, on_closed);
}

static void compute(eddy_work *work) {
    struct server *server = eddy_container_of(work, struct server, work);
    unsigned sum = 0;
    for (unsigned i = 1; i <= 1000000; i++) sum += i % 7;
    snprintf(server->text, sizeof server->text, "%u\n", sum);
}

static void on_computed(eddy_work *work, int status) {
    struct server *server = eddy_container_of(work, struct server, work);
    int err = status;
    if (err == 0)
        err = eddy_stream_write(&server->client, &server->answer, server->text,
                                strlen(server->text), on_answered);
    if (err < 0) eddy_stream_close(&server->client, on_closed);
}

static void on_request(eddy_stream *stream, void *data, ssize_t size) {
    struct server *server = eddy_container_of(stream, struct server, client);
    (void)data;
    eddy_stream_read_stop(stream);
    int err = size > 0 ? 0 : -EPIPE;
    if (err == 0)
        err = eddy_work_submit(server->loop, &server->work, EDDY_LANE_CPU, compute, on_computed);
    if (err < 0) eddy_stream_close(stream, on_closed);
}

/* The labels are in each line; without them there are numbers alone. */
static int serve(struct server *server, int fd) {
    const void *const named[] = {&server->client, &server->work, &server->answer};
    static const char *const texts[] = {"client", "sum", "answer"};
    for (int i = 0; i < 3; i++) {
        eddy_label_init(&server->labels[i], server->loop);
        (void)eddy_label_set(&server->labels[i], named[i], texts[i]);
    }
    eddy_stream_init(&server->client, server->loop);
    int err = eddy_stream_attach(&server->client, fd);
    return err < 0 ? err : eddy_stream_read_start(&server->client, on_request);
}

/* --- What was recorded --- */

static int put_bytes(void *context, const void *data, size_t size) {
    return fwrite(data, 1, size, context) == size ? 0 : -EIO;
}

static size_t label_of(const void *trace, uint64_t object, char *text, size_t size) {
    return eddy_trace_label(trace, object, text, size);
}

static bool is_among(const uint64_t *numbers, int count, uint64_t number) {
    for (int i = 0; i < count; i++)
        if (numbers[i] == number) return true;
    return false;
}

/* From the answer's callback back along the causes; and what happened in the calls that are met. */
static int keep_way(eddy_trace_record *records, int count, uint64_t answer) {
    uint64_t way[64], next = 0;
    int length = 0, kept = 0;
    for (int i = 0; i < count; i++)
        if (records[i].kind == EDDY_TRACE_CALL && records[i].object == answer)
            next = records[i].number;
    while (next != 0 && length < 64) {
        way[length++] = next;
        int i = 0;
        while (i < count && records[i].number != next) i++;
        next = i < count ? records[i].cause : 0;
    }
    for (int i = 0; i < count; i++) {
        const eddy_trace_record *it = &records[i];
        bool is_of_it = is_among(way, length, it->number) || is_among(way, length, it->cause);
        if (is_of_it) records[kept++] = *it;
    }
    return kept;
}

static int tell(const eddy_trace *trace, uint64_t answer, const char *path) {
    static eddy_trace_reader reader;
    static eddy_trace_record records[RECORDS_MAX];
    static eddy_trace_writer writer;
    static eddy_trace_source source;
    FILE *file = path != NULL ? fopen(path, "wb") : stdout;
    if (file == NULL) return -errno;
    eddy_trace_writer_init(&writer, "trace", put_bytes, file);
    eddy_trace_source_init(&source, &writer, "loop");
    source.label = label_of;
    source.label_context = trace;
    eddy_trace_reader_init(&reader, trace);
    int count = eddy_trace_read(&reader, records, RECORDS_MAX), err;
    if (path != NULL) {
        err = eddy_trace_write_perfetto(&source, records, count);
        if (err == 0) err = eddy_trace_end_perfetto(&source);
    } else {
        err = eddy_trace_write_text(&source, records, keep_way(records, count, answer));
    }
    int failure = path != NULL ? fclose(file) : fflush(file);
    return err == 0 && failure != 0 ? -errno : err;
}

int main(int argc, char **argv) {
    static _Alignas(EDDY_TRACE_ALIGN) char memory[1 << 18];
    static struct server server;
    eddy_trace *trace;
    int ends[2];
    char text[64];
    if (argc > 2) {
        fputs("usage: trace [FILE]\n", stderr);
        return 2;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || write(ends[1], "sum", 3) != 3) return 1;
    int err = eddy_loop_open(&server.loop, NULL);
    if (err == 0) err = eddy_trace_open(&trace, memory, sizeof memory);
    if (err == 0) err = eddy_trace_start(trace, server.loop);
    if (err == 0) err = serve(&server, ends[0]);
    if (err == 0) err = eddy_loop_run(server.loop, EDDY_RUN_DEFAULT);
    if (err == 0 && read(ends[1], text, sizeof text) <= 0) err = -EIO;
    if (err == 0) eddy_trace_stop(trace);
    if (err == 0) err = tell(trace, (uint64_t)(uintptr_t)&server.answer, argc > 1 ? argv[1] : NULL);
    if (err == 0) err = eddy_loop_close(server.loop);
    if (err < 0) fprintf(stderr, "trace: %s\n", eddy_strerror(err, text, sizeof text));
    close(ends[1]);
    return err < 0;
}
