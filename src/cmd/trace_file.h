/* trace_file.h: the traces of a program's loops, written to a file while they run, by a thread of
 * its own: no loop waits for a disk. Memory is bounded: what comes faster than it is written, for
 * longer than a trace holds, is lost, and counted.
 *
 * Threading: the thread that opens it has it, where nothing else is said. */
#ifndef EDDY_CMD_TRACE_FILE_H
#define EDDY_CMD_TRACE_FILE_H

#include <eddy.h>

#include "trace_request.h"

struct trace_file;

struct trace_file_config {
    const struct trace_request *request;
    const char *process; /* the program's name in the file; must stay */
    unsigned loops;      /* which have one pool in common */
    unsigned number;     /* 1: a file that is there is replaced; else the name gets this number, or
                          * the next one that is free */
    bool opens_later;    /* by the thread, as it may block */
    eddy_wake *news;     /* sent once the file is ready, if it opens later, and when it is over, for
                          * whatever reason; NULL: nobody asks */
};

/* Makes the traces, and opens the file, if that is not to be done later. Errors: -ENOMEM, those of
 * open. */
int trace_file_open(struct trace_file **file, const struct trace_file_config *config);

/* Whether the traces are made and the file is open. Any thread. */
bool trace_file_is_ready(struct trace_file *file);

/* Once it is ready: to be started on a loop, by its thread. */
eddy_trace *trace_file_trace(struct trace_file *file, unsigned loop);

/* Errors: -EAGAIN. */
int trace_file_start(struct trace_file *file);

/* No trace is on any more: the rest is written, then it is over. Any thread. */
void trace_file_finish(struct trace_file *file);

struct trace_file_result {
    char path[TRACE_PATH_MAX]; /* as it was opened */
    uint64_t records, lost;
    int error; /* of opening or writing, or 0 */
};

/* Whether it is, though it may not have been told to finish: then there is an error. Any thread. */
bool trace_file_is_over(struct trace_file *file);

/* Waits for the thread, which has been told to finish, if it was started; for 2 s at most while it
 * gets nowhere: then -EBUSY, and nothing is freed. */
int trace_file_close(struct trace_file *file, struct trace_file_result *result);

#endif
