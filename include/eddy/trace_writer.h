/* trace_writer.h: what a trace is written to: text for people, grep and awk, or a file that
 * ui.perfetto.dev draws, one track a thread, with arrows from causes to calls.
 *
 *     static eddy_trace_writer writer;
 *     static eddy_trace_source source;
 *     ...
 *     eddy_trace_writer_init(&writer, "my program", write_all, &fd);
 *     eddy_trace_source_init(&source, &writer, "loop");
 *     while ((count = eddy_trace_read(&reader, records, COUNT)) > 0)
 *         err = eddy_trace_write_text(&source, records, count);
 *
 * docs/examples/trace.c has it in full, docs/19-seeing.md a look at both.
 * Nothing here takes memory or calls the system. One thread at a time uses a writer and its
 * sources; which one does not matter.
 * @since 0.1 */
#ifndef EDDY_TRACE_WRITER_H
#define EDDY_TRACE_WRITER_H

#include <eddy/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes all of the bytes, whole lines or packets, at most 4 KiB at once. Returns 0, not the count
 * as write(2) does, which is told as -EINVAL; or a negative errno. That is the end: the writer
 * calls it no more. When a function that writes has returned, all that it had is with the sink. */
typedef int eddy_trace_sink_fn(void *context, const void *data, size_t size);

/* A name for an address: its length (0: there is none), with `text` ended by a NUL, for which
 * `size` is room. For labels it calls eddy_trace_label with the trace. */
typedef size_t eddy_trace_name_fn(const void *context, uint64_t address, char *text, size_t size);

enum { EDDY_TRACE_OBJECTS = 2048 };

/* All fields are private. 60 KiB. It knows the objects that were named last, of all its sources:
 * they are numbered in the order in which they appear, each kind by itself, so that they are the
 * same in each run of a simulation. A request gets a new number each time. */
typedef struct eddy_trace_writer {
    eddy_trace_sink_fn *sink;
    void *context;
    const char *process;
    int error; /* of the sink, or 0 */
    bool has_begun;
    uint8_t sources;
    uint32_t tracks;
    int64_t start_ns, last_ns;
    uint32_t numbers[EDDY_KINDS + 2]; /* given so far */
    struct eddy_trace_object {
        uint64_t address;
        uint32_t number;
        uint16_t newer, older, next;
        uint8_t kind;
        bool has_ended;
    } objects[EDDY_TRACE_OBJECTS + 1];
    uint16_t buckets[EDDY_TRACE_OBJECTS];
    uint16_t objects_used;
    size_t used;
    char buffer[4096];
} eddy_trace_writer;

/* A loop whose records are written. The fields below are yours to set between init and the first
 * record; the rest is private. */
typedef struct eddy_trace_source {
    eddy_trace_name_fn *label; /* of objects; NULL: they have none */
    const void *label_context;
    eddy_trace_name_fn *function; /* by its address; NULL: functions are numbered as objects are */
    const void *function_context;
    struct eddy_trace_source *pool; /* whose threads are its pool's too, of the same writer; NULL:
                                     * it has a pool of its own */
    uint64_t lost; /* records, as in the reader; may be set again at any time: what has come since
                    * is told before the next record, as a comment or an instant of the loop's */

    eddy_trace_writer *writer;
    char name[32];
    uint64_t lost_told;
    uint32_t loop_track, other_track;
    uint8_t index;
    bool has_begun, in_turn, in_phase, in_wait;
    uint32_t calls;            /* that have begun and not ended */
    uint32_t call_numbers[16]; /* of the objects that they are of */
    uint64_t call_records[16];
    struct {
        uint32_t track;
        uint32_t running; /* jobs; threads do one at a time */
    } threads[255];       /* of the pool */
} eddy_trace_source;

/* `process` is what the program is called; borrowed. Cannot fail. */
EDDY_API void eddy_trace_writer_init(eddy_trace_writer *writer, const char *process,
                                     eddy_trace_sink_fn *sink, void *context);

/* `name` is what its thread is called, cut at 31 bytes: "loop", "loop 2". A writer has at most 256
 * of them. One that goes on with a trace that was opened anew is to be initialised anew, since the
 * numbers of records begin again. Cannot fail. */
EDDY_API void eddy_trace_source_init(eddy_trace_source *source, eddy_trace_writer *writer,
                                     const char *name);

/* A line each: microseconds since the first record, thread, number, cause ("-": none), phase, what
 * it was, indented by what it is inside of. Columns are separated by spaces; a line that begins
 * with "#" is a comment. Errors: what the sink has returned, also at an earlier call. */
EDDY_API int eddy_trace_write_text(eddy_trace_source *source, const eddy_trace_record *records,
                                   int count);

/* Packets of Perfetto's TrackEvent, on the monotonic clock. One writer's packets are one file. The
 * numbers of threads are made up. Errors: the same. */
EDDY_API int eddy_trace_write_perfetto(eddy_trace_source *source, const eddy_trace_record *records,
                                       int count);

/* Ends what is still open of the source: when its trace is stopped, or what was under way would
 * last until it is started again. More records may follow. Errors: the same. */
EDDY_API int eddy_trace_end_perfetto(eddy_trace_source *source);

#ifdef __cplusplus
}
#endif
#endif
