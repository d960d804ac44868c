/* bench_trace.c: what the loop of a sample did, at its end.
 * The trace holds some 20,000 records; what came before is not written.
 * Threading: the process of a sample has one that calls this. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>

enum { TRACE_BYTES = 1 << 20, BATCH = 256 };

/* Of the process, which has one sample. */
static eddy_trace *traced;

static int begin_trace(eddy_loop *loop) {
    void *memory = aligned_alloc(EDDY_TRACE_ALIGN, TRACE_BYTES);
    if (memory == NULL) return -ENOMEM;
    int err = eddy_trace_open(&traced, memory, TRACE_BYTES);
    return err < 0 ? err : eddy_trace_start(traced, loop);
}

int bench_open_loop(eddy_loop **loop, const struct bench_case *it) {
    eddy_loop_config config = {.backend = it->subject};
    int err = eddy_loop_open(loop, &config);
    return err == 0 && it->trace != NULL && traced == NULL ? begin_trace(*loop) : err;
}

static int put_bytes(void *context, const void *data, size_t size) {
    return fwrite(data, 1, size, context) == size ? 0 : -errno;
}

static int write_records(eddy_trace_source *source, bool is_text) {
    static eddy_trace_reader reader;
    eddy_trace_record records[BATCH];
    int count, err = 0;
    eddy_trace_reader_init(&reader, traced);
    while (err == 0 && (count = eddy_trace_read(&reader, records, BATCH)) > 0)
        err = (is_text ? eddy_trace_write_text : eddy_trace_write_perfetto)(source, records, count);
    return err == 0 && !is_text ? eddy_trace_end_perfetto(source) : err;
}

static size_t label_of(const void *trace, uint64_t object, char *text, size_t size) {
    return eddy_trace_label(trace, object, text, size);
}

static int write_file(FILE *file, bool is_text) {
    static eddy_trace_writer writer;
    static eddy_trace_source source;
    eddy_trace_writer_init(&writer, "eddy bench", put_bytes, file);
    eddy_trace_source_init(&source, &writer, "loop");
    source.label = label_of;
    source.label_context = traced;
    int err = write_records(&source, is_text);
    if (fclose(file) != 0 && err == 0) err = -errno;
    return err;
}

void bench_write_trace(const struct bench_case *it, struct bench_sample *sample) {
    if (it->trace == NULL || sample->error != 0) return;
    if (traced == NULL) {
        bench_cannot(sample, "has no loop to be traced", -ENOTSUP);
        return;
    }
    eddy_trace_stop(traced);
    FILE *file = fopen(it->trace, "we");
    int err = file == NULL ? -errno : write_file(file, trace_path_is_text(it->trace));
    if (err < 0) bench_cannot(sample, "cannot be written", err);
}
