/* trace_writer.h: what the two forms of a written trace have in common. A line or packet is put
 * together in the writer's buffer, for which there is room after eddy__trace_reserve.
 * Threading: whoever has the writer. */
#ifndef EDDY_CORE_TRACE_WRITER_H
#define EDDY_CORE_TRACE_WRITER_H

#include <eddy/trace_writer.h>

enum {
    TRACE_ITEM_MAX = 1024, /* bytes of a line or packet, and of the descriptors before it */
    TRACE_NAME_BYTES = 64, /* of an object or a function, with its NUL */
    TRACE_FUNCTION = EDDY_KINDS + 1, /* a kind of its own, beside those of eddy_kind and of marks */
    TRACE_THREAD_OTHER = 255,
};

/* Both return the sink's error, or 0. */
int eddy__trace_reserve(eddy_trace_writer *writer);
int eddy__trace_flush(eddy_trace_writer *writer);

static inline void trace_put_char(eddy_trace_writer *writer, char c) {
    writer->buffer[writer->used++] = c;
}

void eddy__trace_put(eddy_trace_writer *writer, const char *text);
/* At most about `max` bytes; whatever is not UTF-8, or does not show, as question marks. */
void eddy__trace_put_cut(eddy_trace_writer *writer, const char *text, size_t max);
void eddy__trace_put_number(eddy_trace_writer *writer, uint64_t number);
/* As microseconds, with three decimals. */
void eddy__trace_put_us(eddy_trace_writer *writer, int64_t ns);

/* "stream 3 'client'", "fd 7"; nothing for a record without an object. */
void eddy__trace_put_object(eddy_trace_source *source, const eddy_trace_record *record);
/* What its argument says: "512", "EAGAIN", "in 10000.000us"; maybe nothing. */
void eddy__trace_put_argument(eddy_trace_source *source, const eddy_trace_record *record);

/* How many records have been lost since this was asked last. */
uint64_t eddy__trace_take_lost(eddy_trace_source *source);

/* The one whose pool's threads the source's records are of. */
static inline eddy_trace_source *trace_pool_of(eddy_trace_source *source) {
    return source->pool != NULL ? source->pool : source;
}

/* Whether the loop's thread is outside of a turn. What may come from any thread, and has happened
 * to come from this one, does not say. */
bool eddy__trace_is_outside(const eddy_trace_record *record);

/* The call that is open, or 0. */
uint64_t eddy__trace_call_around(const eddy_trace_source *source);

/* Notes that a call begins, or has ended, for the number of its object. */
void eddy__trace_call_begins(eddy_trace_source *source, const eddy_trace_record *record);
void eddy__trace_call_ends(eddy_trace_source *source);

/* "flush" … "closing"; "outside" for 0 and what is no phase. */
const char *eddy__trace_phase_name(unsigned phase);

#endif
