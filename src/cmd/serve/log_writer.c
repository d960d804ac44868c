/* log_writer.c: see log_writer.h.
 * Invariant: one operation at a time: a write, opening the file again, or waiting for the next try;
 * with none of them the queue is empty. */
#include "log_writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

#define RETRY_MIN_NS (10 * EDDY_NS_PER_MS) /* doubled with each try … */
#define RETRY_MAX_NS (1 * EDDY_NS_PER_S)   /* … up to this */

static void advance(struct log_writer *writer);

/* --- From one thread to another --- */

void log_passage_push(struct log_passage *passage, struct log_block *block) {
    struct log_block *last = atomic_load_explicit(&passage->last, memory_order_relaxed);
    do {
        block->next = last;
    } while (!atomic_compare_exchange_weak_explicit(&passage->last, &last, block,
                                                    memory_order_release, memory_order_relaxed));
}

struct log_block *log_passage_take(struct log_passage *passage) {
    struct log_block *block = atomic_exchange_explicit(&passage->last, NULL, memory_order_acquire);
    struct log_block *first = NULL;
    while (block != NULL) {
        struct log_block *next = block->next;
        block->next = first;
        first = block;
        block = next;
    }
    return first;
}

/* --- What is told --- */

static const char *name(const struct log_writer *writer) {
    return writer->file.path != NULL ? writer->file.path : "stdout";
}

static void tell_failure(const struct log_writer *writer, const char *what, int err) {
    char text[64];
    system_say("%s, %s failed: %s", what, name(writer), eddy_strerror(err, text, sizeof text));
}

void log_writer_lose(struct log_writer *writer, uint64_t lines) {
    if (atomic_fetch_add(&writer->lost, lines) == 0)
        system_say("lines of the log are being lost, %s is too slow or full", name(writer));
}

static void tell_end_of_trouble(struct log_writer *writer) {
    if (log_writer_is_over(writer)) return;
    if (writer->failure == 0 && atomic_load_explicit(&writer->lost, memory_order_relaxed) == 0)
        return;
    uint64_t lost = atomic_exchange(&writer->lost, 0);
    system_say("the log goes on, %llu lines were lost", (unsigned long long)lost);
    writer->failure = 0;
}

/* --- Writing --- */

static void append(struct log_writer *writer, struct log_block *block) {
    block->next = NULL;
    *writer->last = block;
    writer->last = &block->next;
}

static void give_back_first(struct log_writer *writer) {
    struct log_block *block = writer->first;
    writer->first = block->next;
    if (writer->first == NULL) writer->last = &writer->first;
    writer->done = 0;
    block->give_back(block);
}

static void on_retry(eddy_timer *timer) {
    struct log_writer *writer = eddy_container_of(timer, struct log_writer, retry);
    writer->is_waiting = false;
    advance(writer);
}

/* A reader that has gone does not come back to this descriptor, nor does one that was never open.
 */
static bool is_final(int err) {
    return err == -EPIPE || err == -ECONNRESET || err == -EBADF;
}

static void fail(struct log_writer *writer, int err) {
    if (is_final(err)) {
        tell_failure(writer, "the log ends here", err);
        atomic_store(&writer->is_over, true);
        return;
    }
    /* A descriptor that somebody else has made non-blocking is only slow. */
    if (err != -EAGAIN && writer->failure == 0) {
        tell_failure(writer, "the log has to wait", err);
        writer->failure = err;
    }
    writer->is_waiting = true;
    if (writer->has_given_up) return;
    (void)eddy_timer_start(&writer->retry, on_retry, writer->delay_ns, 0);
    writer->delay_ns *= 2;
    if (writer->delay_ns > RETRY_MAX_NS) writer->delay_ns = RETRY_MAX_NS;
}

static void on_written(eddy_file *file) {
    struct log_writer *writer = eddy_container_of(file, struct log_writer, write);
    writer->is_busy = false;
    /* A short count is an error that came after some bytes; the next write tells which. */
    if (file->result <= 0) {
        fail(writer, file->result < 0 ? (int)file->result : -EIO);
    } else {
        writer->delay_ns = RETRY_MIN_NS;
        if (writer->file.needs_line_end)
            writer->file.needs_line_end = false;
        else
            writer->done += (size_t)file->result;
        if (writer->done == writer->first->used) give_back_first(writer);
    }
    advance(writer);
}

static void write_first(struct log_writer *writer) {
    const char *bytes = writer->first->bytes + writer->done;
    size_t size = writer->first->used - writer->done;
    if (writer->file.needs_line_end) {
        bytes = "\n";
        size = 1;
    }
    int err =
        eddy_file_write(writer->loop, &writer->write, writer->file.fd, bytes, size, -1, on_written);
    writer->is_busy = err == 0;
    if (err < 0) fail(writer, err);
}

/* --- Opening again --- */

static void open_again(eddy_work *work) {
    struct log_writer *writer = eddy_container_of(work, struct log_writer, open);
    writer->opened.fd = system_open_log(writer->opened.path, true, &writer->opened.needs_line_end);
}

static void go_on_with_opened(struct log_writer *writer) {
    system_close(writer->file.fd);
    writer->file = writer->opened;
    /* A line that was cut is whole in the new file. */
    while (writer->done > 0 && writer->first->bytes[writer->done - 1] != '\n') writer->done--;
    writer->delay_ns = RETRY_MIN_NS;
    eddy_timer_stop(&writer->retry);
    writer->is_waiting = false;
    atomic_store(&writer->is_over, false);
}

static void on_opened(eddy_work *work, int status) {
    struct log_writer *writer = eddy_container_of(work, struct log_writer, open);
    writer->is_busy = false;
    int err = status < 0 ? status : writer->opened.fd;
    if (err < 0)
        tell_failure(writer, "the log stays with its old file", err);
    else
        go_on_with_opened(writer);
    advance(writer);
}

static void start_open(struct log_writer *writer) {
    writer->wants_open = false;
    writer->opened = (struct log_file){.path = writer->file.path, .fd = -1};
    int err = eddy_work_submit(writer->loop, &writer->open, EDDY_LANE_FILE, open_again, on_opened);
    writer->is_busy = err == 0;
    if (err < 0) tell_failure(writer, "the log stays with its old file", err);
}

void log_writer_reopen(struct log_writer *writer) {
    if (writer->file.path == NULL) return;
    writer->wants_open = true;
    advance(writer);
}

/* --- The next step --- */

static void advance(struct log_writer *writer) {
    if (!writer->is_busy && writer->wants_open) start_open(writer);
    while (log_writer_is_over(writer) && writer->first != NULL && !writer->is_busy)
        give_back_first(writer);
    if (writer->is_busy || writer->is_waiting) return;
    if (writer->first != NULL)
        write_first(writer);
    else
        tell_end_of_trouble(writer);
}

/* More has come. There was no memory for the timer if it does not run: then this is the next try.
 */
static void go_on(struct log_writer *writer) {
    if (!writer->has_given_up && !eddy_is_active(&writer->retry.handle)) writer->is_waiting = false;
    advance(writer);
}

static void take_arrived(struct log_writer *writer) {
    struct log_block *block = log_passage_take(&writer->passage);
    while (block != NULL) {
        struct log_block *next = block->next;
        append(writer, block);
        block = next;
    }
}

static void on_arrived(eddy_wake *wake) {
    struct log_writer *writer = eddy_container_of(wake, struct log_writer, arrived);
    take_arrived(writer);
    go_on(writer);
}

void log_writer_put(struct log_writer *writer, struct log_block *block) {
    append(writer, block);
    go_on(writer);
}

void log_writer_send(struct log_writer *writer, struct log_block *block) {
    log_passage_push(&writer->passage, block);
    eddy_wake_send(&writer->arrived);
}

/* --- Its beginning and end --- */

int log_writer_open(struct log_writer *writer, eddy_loop *loop, const struct log_file *file) {
    *writer = (struct log_writer){.loop = loop, .file = *file, .delay_ns = RETRY_MIN_NS};
    writer->last = &writer->first;
    eddy_timer_init(&writer->retry, loop);
    eddy_wake_init(&writer->arrived, loop);
    eddy_unref(&writer->arrived.handle);
    return eddy_wake_start(&writer->arrived, on_arrived);
}

void log_writer_give_up(struct log_writer *writer) {
    writer->has_given_up = true;
    eddy_timer_stop(&writer->retry);
}

static void drop_rest(struct log_writer *writer) {
    size_t from = writer->done;
    for (struct log_block *block = writer->first; block != NULL; from = 0) {
        struct log_block *next = block->next;
        for (size_t i = from; i < block->used; i++) writer->lost += block->bytes[i] == '\n';
        /* The kernel may still read the first one. */
        if (!writer->is_busy || block != writer->first) system_free(block);
        block = next;
    }
    if (!writer->is_busy) writer->first = NULL;
}

void log_writer_close(struct log_writer *writer) {
    if (writer->loop == NULL) return;
    eddy_wake_stop(&writer->arrived);
    eddy_timer_stop(&writer->retry);
    take_arrived(writer);
    drop_rest(writer);
    if (writer->lost > 0 && !log_writer_is_over(writer))
        system_say("%llu lines of the log were lost", (unsigned long long)writer->lost);
    if (!writer->is_busy && writer->file.path != NULL) system_close(writer->file.fd);
    writer->loop = NULL;
}
