/* log_writer.h: the one that writes the log of the program: blocks of whole lines, from the logs of
 * all loops, one after the other, so that no line is torn by another.
 *
 * A write is a file request, so that a reader that has stalled or a slow disk holds up a thread of
 * the pool, and no loop. After an error that may pass (no space, EAGAIN) it is tried again, for as
 * long as it takes, and goes on with the rest of the line that was cut. Blocks wait for that in a
 * queue, whose length the logs bound. EPIPE is the end, until the file is reopened.
 *
 * Threading: a writer belongs to one loop; log_writer_send, log_writer_lose and
 * log_writer_is_over are called by any thread. */
#ifndef EDDY_CMD_SERVE_LOG_WRITER_H
#define EDDY_CMD_SERVE_LOG_WRITER_H

#include <eddy.h>
#include <stdatomic.h>

enum { LOG_BLOCK_BYTES = 64 * 1024 }; /* with its head; what a pipe takes at once */

/* Of whole lines. The log's, then the writer's, then the log's again. */
struct log_block {
    struct log_block *next;                     /* in whatever list it is in */
    void (*give_back)(struct log_block *block); /* on the writer's loop */
    void *owner;
    uint32_t used, lines;
    char bytes[LOG_BLOCK_BYTES - 3 * sizeof(void *) - 2 * sizeof(uint32_t)];
};

/* Blocks on their way to another thread. */
struct log_passage {
    EDDY_ATOMIC(struct log_block *) last; /* pushed (release), taken whole (acquire) */
};

void log_passage_push(struct log_passage *passage, struct log_block *block);
struct log_block *log_passage_take(struct log_passage *passage); /* all, in order of arrival */

/* Where the log goes. */
struct log_file {
    const char *path; /* opened again by log_writer_reopen; NULL: stdout. Must stay */
    int fd;
    bool needs_line_end; /* it ends within a line: the next one must not be glued to that */
};

struct log_writer {
    eddy_loop *loop;
    struct log_file file, opened; /* `opened` is the pool's while it opens it */
    struct log_passage passage;
    eddy_wake arrived;               /* in the passage */
    struct log_block *first, **last; /* the queue */
    size_t done;                     /* bytes of the first block that are written */
    eddy_file write;
    eddy_work open;
    eddy_timer retry;
    int64_t delay_ns; /* until the next try */
    bool is_busy;     /* writes or opens: one of them at a time */
    bool is_waiting;  /* for the next try */
    bool wants_open;
    bool has_given_up;          /* what fails is not tried again */
    int failure;                /* that has been told of and is not over, or 0 */
    EDDY_ATOMIC(bool) is_over;  /* nobody reads it any more */
    EDDY_ATOMIC(uint64_t) lost; /* lines, since the log was last up to date */
};

/* `file` is the writer's from now on. Errors: as eddy_wake_start. */
int log_writer_open(struct log_writer *writer, eddy_loop *loop, const struct log_file *file);

/* Has the block written; it is given back then, maybe before this returns. */
void log_writer_put(struct log_writer *writer, struct log_block *block);

/* The same from the loop of another thread. The writer's loop has to stay for it: a block that is
 * on its way does not keep it alive. */
void log_writer_send(struct log_writer *writer, struct log_block *block);

/* Lines for which there is no memory; that is told when it begins, and how many, once it is over.
 * Any thread. */
void log_writer_lose(struct log_writer *writer, uint64_t lines);
static inline bool log_writer_is_over(struct log_writer *writer) {
    return atomic_load_explicit(&writer->is_over, memory_order_relaxed);
}

/* Opens the file's path again and goes on there, after a line that is being written; if it cannot
 * be opened, the old file stays, and that is told. Nothing for stdout. */
void log_writer_reopen(struct log_writer *writer);

/* No more tries: the loop is to end. */
void log_writer_give_up(struct log_writer *writer);

/* Once the loop has ended, and the logs have been closed. Tells how many lines were lost. Does not
 * close the file's descriptor while a write is stuck in the kernel. */
void log_writer_close(struct log_writer *writer);

#endif
