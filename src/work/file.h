/* file.h: file requests from inside. A further operation is a name here, a line in the table of
 * file_run.c with its function, and a public function in file.c. */
#ifndef EDDY_WORK_FILE_H
#define EDDY_WORK_FILE_H

#include <eddy/file.h>

#include "pool.h"

enum file_operation {
    FILE_OPEN,
    FILE_CLOSE,
    FILE_READ,
    FILE_WRITE,
    FILE_SEND,
    FILE_FSTAT,
    FILE_STAT,
    FILE_LSTAT,
    FILE_FSYNC,
    FILE_FDATASYNC,
    FILE_FTRUNCATE,
    FILE_UNLINK,
    FILE_RENAME,
    FILE_MKDIR,
    FILE_RMDIR,
    FILE_SCAN,
    FILE_OPERATIONS
};

/* -EINVAL if not all that the operation needs was given; 1 if there is a way to do it without
 * waiting, 0 if not. */
int eddy__file_check(const eddy_file *file);
/* Does the operation of this request now if it need not wait: then true, with the result in place.
 */
bool eddy__file_attempt(eddy_work *work);
/* For the engine: whether its ring can do what this one asks; and the next step of one that it can,
 * with `piece` as room for a part of a vector, which has to stay as long as `job` is looked at. */
bool eddy__file_suits_ring(const eddy_file *file);
bool eddy__file_is_transfer(const eddy_file *file);
void eddy__file_fill_job(const eddy_file *file, struct eddy_os_file_job *job, struct iovec *piece);
/* Adds what came of the step. True: the request is at its end, with its outcome in place. */
bool eddy__file_add(eddy_file *file, int64_t result);
/* Does the operation, in a thread of the pool. */
void eddy__file_run(eddy_work *work);

/* What a job is to the user, who knows a file request by its own address. */
static inline eddy_kind work_what(const eddy_work *work) {
    return work->fn == eddy__file_run ? EDDY_KIND_FILE : EDDY_KIND_WORK;
}

static inline const void *work_object(const eddy_work *work) {
    if (work_what(work) == EDDY_KIND_WORK) return work;
    return (const char *)work - offsetof(eddy_file, work);
}

#endif
