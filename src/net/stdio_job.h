/* stdio_job.h: transfers by the pool, of what may block or cannot be watched. */
#ifndef EDDY_NET_STDIO_JOB_H
#define EDDY_NET_STDIO_JOB_H

#include "net.h"

/* `own` is a duplicate, the stream's from then on; on an error it stays the caller's. */
int eddy__job_attach(eddy_stream *stream, int own);

#endif
