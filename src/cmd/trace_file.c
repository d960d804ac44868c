/* trace_file.c: see trace_file.h.
 * Invariant: what the thread writes is the file's own (writer, readers, `result`) until `is_over`;
 * the traces are read by it, and written by their loops. */
#include "trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TRACE_BYTES = 8 << 20, /* of each loop: some 100,000 records of its own */
    BATCH = 256,           /* records */
    BUFFER_BYTES = 64 * 1024,
    PAUSE_MS = 5,
    PATIENCE_MS = 2000,
    NUMBER_MAX = 1000,
};

struct traced_loop {
    eddy_trace *trace;
    void *memory;
    eddy_trace_reader reader;
    eddy_trace_source source;
    eddy_trace_record records[BATCH];
    int count, at; /* of the records that have been read, and how many of them are written */
};

struct trace_file {
    struct trace_file_config config;
    struct trace_file_result result;
    int fd;
    bool is_text, has_thread;
    pthread_t thread;
    EDDY_ATOMIC(bool) is_ready, is_finishing, is_over, gives_up;
    EDDY_ATOMIC(uint64_t) progress; /* bytes */
    eddy_trace_writer writer;
    size_t used;
    char buffer[BUFFER_BYTES];
    struct traced_loop loops[];
};

/* --- Writing --- */

static int wait_for_room(struct trace_file *file) {
    struct pollfd room = {file->fd, POLLOUT, 0};
    if (atomic_load(&file->gives_up)) return -EAGAIN;
    return poll(&room, 1, 100) < 0 && errno != EINTR ? -errno : 0;
}

static int write_all(struct trace_file *file, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t done = write(file->fd, bytes, size);
        int err = done < 0 ? -errno : 0;
        if (err == -EAGAIN) err = wait_for_room(file);
        if (err == -EINTR) err = 0;
        if (err < 0) return err;
        if (done <= 0) continue;
        bytes += done;
        size -= (size_t)done;
        atomic_fetch_add(&file->progress, (uint64_t)done);
    }
    return 0;
}

static int flush_buffer(struct trace_file *file) {
    int err = write_all(file, file->buffer, file->used);
    file->used = 0;
    return err;
}

static int take_bytes(void *context, const void *data, size_t size) {
    struct trace_file *file = context;
    int err = size > BUFFER_BYTES - file->used ? flush_buffer(file) : 0;
    if (err < 0) return err;
    memcpy(file->buffer + file->used, data, size);
    file->used += size;
    return 0;
}

/* --- From the traces --- */

static bool refill(struct traced_loop *loop) {
    if (loop->at < loop->count) return true;
    loop->at = 0;
    loop->count = eddy_trace_read(&loop->reader, loop->records, BATCH);
    loop->source.lost = loop->reader.lost;
    return loop->count > 0;
}

/* The one with the earliest record, and up to when it is the earliest. */
static struct traced_loop *find_earliest(struct trace_file *file, int64_t *until_ns) {
    struct traced_loop *earliest = NULL;
    *until_ns = INT64_MAX;
    for (unsigned i = 0; i < file->config.loops; i++) {
        struct traced_loop *it = &file->loops[i];
        if (!refill(it)) continue;
        int64_t time_ns = it->records[it->at].time_ns;
        if (earliest != NULL && time_ns >= earliest->records[earliest->at].time_ns) {
            if (time_ns < *until_ns) *until_ns = time_ns;
            continue;
        }
        if (earliest != NULL) *until_ns = earliest->records[earliest->at].time_ns;
        earliest = it;
    }
    return earliest;
}

/* What is there by now, in the order of time. */
static int write_records(struct trace_file *file, bool *any) {
    struct traced_loop *it;
    int64_t until_ns;
    int err = 0;
    *any = false;
    while (err == 0 && (it = find_earliest(file, &until_ns)) != NULL) {
        const eddy_trace_record *first = &it->records[it->at];
        int count = 0;
        while (it->at < it->count && (count == 0 || it->records[it->at].time_ns <= until_ns)) {
            it->at++;
            count++;
        }
        err = file->is_text ? eddy_trace_write_text(&it->source, first, count)
                            : eddy_trace_write_perfetto(&it->source, first, count);
        file->result.records += (uint64_t)count;
        *any = true;
    }
    return err;
}

static int write_end(struct trace_file *file) {
    int err = 0;
    for (unsigned i = 0; i < file->config.loops; i++) {
        struct traced_loop *it = &file->loops[i];
        file->result.lost += it->reader.lost;
        if (err == 0 && !file->is_text) err = eddy_trace_end_perfetto(&it->source);
    }
    return err == 0 ? flush_buffer(file) : err;
}

/* --- The file --- */

static void put_path(struct trace_file *file, unsigned number) {
    char suffix[16];
    snprintf(suffix, sizeof suffix, "%u", number);
    trace_path_with(file->result.path, file->config.request, number > 1 ? suffix : NULL);
}

/* Non-blocking, for pipes that nobody reads. */
static int open_path(struct trace_file *file) {
    enum { FLAGS = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };
    char *path = file->result.path;
    unsigned number = file->config.number;
    bool replaces = number == 1;
    do {
        put_path(file, number++);
        file->fd = open(path, FLAGS | (replaces ? O_TRUNC : O_EXCL), 0644);
    } while (file->fd < 0 && errno == EEXIST && number < NUMBER_MAX);
    file->is_text = trace_path_is_text(path);
    return file->fd < 0 ? -errno : 0;
}

/* --- What it is made of --- */

static size_t label_of(const void *trace, uint64_t object, char *text, size_t size) {
    return eddy_trace_label(trace, object, text, size);
}

static int open_loop(struct trace_file *file, unsigned number) {
    struct traced_loop *it = &file->loops[number];
    char name[32] = "loop";
    if (file->config.loops > 1) snprintf(name, sizeof name, "loop %u", number + 1);
    eddy_trace_source_init(&it->source, &file->writer, name);
    it->source.label = label_of;
    if (number > 0) it->source.pool = &file->loops[0].source;
    it->memory = aligned_alloc(EDDY_TRACE_ALIGN, TRACE_BYTES);
    if (it->memory == NULL) return -ENOMEM;
    int err = eddy_trace_open(&it->trace, it->memory, TRACE_BYTES);
    if (err < 0) return err;
    it->source.label_context = it->trace;
    eddy_trace_reader_init(&it->reader, it->trace);
    return 0;
}

/* The traces' memory is written to, so that all pages are there: it takes milliseconds. */
static int prepare(struct trace_file *file) {
    int err = 0;
    for (unsigned i = 0; err == 0 && i < file->config.loops; i++) err = open_loop(file, i);
    if (err == 0) err = open_path(file);
    atomic_store(&file->is_ready, err == 0);
    return err;
}

bool trace_file_is_ready(struct trace_file *file) {
    return atomic_load(&file->is_ready);
}

bool trace_file_is_over(struct trace_file *file) {
    return atomic_load(&file->is_over);
}

/* --- Its thread --- */

static int run(struct trace_file *file) {
    bool is_finishing = false;
    int err = 0;
    if (!trace_file_is_ready(file)) {
        err = prepare(file);
        if (err == 0 && file->config.news != NULL) eddy_wake_send(file->config.news);
    }
    while (err == 0 && !is_finishing) {
        bool any;
        is_finishing = atomic_load(&file->is_finishing); /* before what is the last look then */
        err = write_records(file, &any);
        if (err == 0 && !any && !is_finishing) err = flush_buffer(file);
        if (err == 0 && !any && !is_finishing) poll(NULL, 0, PAUSE_MS);
    }
    return err == 0 ? write_end(file) : err;
}

static void *thread_main(void *argument) {
    struct trace_file *file = argument;
    eddy_wake *news = file->config.news;
    int err = run(file);
    if (file->fd >= 0 && close(file->fd) < 0 && err == 0) err = -errno;
    file->result.error = err;
    atomic_store(&file->is_over, true);
    if (news != NULL) eddy_wake_send(news); /* whose owner joins this thread first */
    return NULL;
}

/* --- Its beginning and end --- */

static void free_all(struct trace_file *file) {
    for (unsigned i = 0; i < file->config.loops; i++) free(file->loops[i].memory);
    free(file);
}

int trace_file_open(struct trace_file **opened, const struct trace_file_config *config) {
    struct trace_file *file = calloc(1, sizeof *file + config->loops * sizeof file->loops[0]);
    if (file == NULL) return -ENOMEM;
    file->config = *config;
    file->fd = -1;
    eddy_trace_writer_init(&file->writer, config->process, take_bytes, file);
    put_path(file, config->number);
    int err = config->opens_later ? 0 : prepare(file);
    if (err == 0)
        *opened = file;
    else
        free_all(file);
    return err;
}

eddy_trace *trace_file_trace(struct trace_file *file, unsigned loop) {
    return file->loops[loop].trace;
}

/* Signals are for the loops' threads. */
int trace_file_start(struct trace_file *file) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&file->thread, NULL, thread_main, file);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    file->has_thread = err == 0;
    return -err;
}

void trace_file_finish(struct trace_file *file) {
    atomic_store(&file->is_finishing, true);
}

static bool wait_until_over(struct trace_file *file) {
    uint64_t before = atomic_load(&file->progress);
    for (int waited_ms = 0; !trace_file_is_over(file); waited_ms += PAUSE_MS) {
        uint64_t now = atomic_load(&file->progress);
        if (now != before) waited_ms = 0;
        before = now;
        if (waited_ms > PATIENCE_MS / 2) atomic_store(&file->gives_up, true);
        if (waited_ms > PATIENCE_MS) return false;
        poll(NULL, 0, PAUSE_MS);
    }
    return true;
}

int trace_file_close(struct trace_file *file, struct trace_file_result *result) {
    if (file->has_thread) {
        if (!wait_until_over(file)) return -EBUSY;
        pthread_join(file->thread, NULL);
    } else if (file->fd >= 0) {
        close(file->fd);
    }
    *result = file->result;
    free_all(file);
    return 0;
}
