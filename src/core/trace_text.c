/* trace_text.c: a trace as lines of text.
 * Threading: whoever has the writer. */
#include "trace_writer.h"

enum { TRACE_INDENT_MAX = 16, TRACE_TIME_COLUMNS = 12, TRACE_THREAD_COLUMNS = 8 };

/* Fills up what has been written from `from` on, on its left or its right. */
static void trace_text_fill(eddy_trace_writer *writer, size_t from, size_t columns, bool on_left) {
    size_t length = writer->used - from;
    if (length >= columns) return;
    size_t spaces = columns - length;
    for (size_t i = 0; i < spaces; i++) trace_put_char(writer, ' ');
    if (!on_left) return;
    for (size_t i = length; i-- > 0;) writer->buffer[from + spaces + i] = writer->buffer[from + i];
    for (size_t i = 0; i < spaces; i++) writer->buffer[from + i] = ' ';
}

/* A name of several words is one column. */
static void trace_text_word(eddy_trace_writer *writer, const char *text) {
    for (; *text != '\0'; text++) {
        bool is_plain = *text > ' ' && *text < 0x7F;
        trace_put_char(writer, is_plain ? *text : '-');
    }
}

static void trace_text_thread(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    size_t from = writer->used;
    if (record->thread == 0) {
        trace_text_word(writer, source->name[0] != '\0' ? source->name : "loop");
    } else if (record->thread == TRACE_THREAD_OTHER) {
        eddy__trace_put(writer, "other");
    } else {
        const eddy_trace_source *pool = trace_pool_of(source);
        eddy__trace_put(writer, "pool-");
        if (pool->index > 0) {
            eddy__trace_put_number(writer, pool->index + 1U);
            trace_put_char(writer, '-');
        }
        eddy__trace_put_number(writer, record->thread);
    }
    trace_text_fill(writer, from, TRACE_THREAD_COLUMNS, false);
}

static void trace_text_columns(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    size_t from = writer->used;
    eddy__trace_put_us(writer, (int64_t)((uint64_t)record->time_ns - (uint64_t)writer->start_ns));
    trace_text_fill(writer, from, TRACE_TIME_COLUMNS, true);
    trace_put_char(writer, ' ');
    trace_text_thread(source, record);
    trace_put_char(writer, ' ');
    from = writer->used;
    eddy__trace_put_number(writer, record->number);
    trace_text_fill(writer, from, 6, true);
    trace_put_char(writer, ' ');
    from = writer->used;
    if (record->cause == 0)
        trace_put_char(writer, '-');
    else
        eddy__trace_put_number(writer, record->cause);
    trace_text_fill(writer, from, 6, true);
    trace_put_char(writer, ' ');
    eddy__trace_put_number(writer, record->phase);
    trace_put_char(writer, ' ');
}

/* What has begun before, and what this one ends, as far as indentation goes. */
static unsigned trace_text_enter(eddy_trace_source *source, const eddy_trace_record *record) {
    if (record->thread != 0) {
        unsigned running = trace_pool_of(source)->threads[record->thread % 255].running;
        bool is_pool = record->thread != TRACE_THREAD_OTHER;
        return is_pool && record->kind != EDDY_TRACE_BEGIN && record->kind != EDDY_TRACE_DONE
                   ? running
                   : 0;
    }
    if (record->kind == EDDY_TRACE_TURN || record->kind == EDDY_TRACE_PHASE) source->calls = 0;
    if (record->kind == EDDY_TRACE_TURN || eddy__trace_is_outside(record)) source->in_turn = false;
    if (record->kind == EDDY_TRACE_PHASE || !source->in_turn) source->in_phase = false;
    unsigned outer = (unsigned)source->in_turn + (unsigned)source->in_phase;
    unsigned inner = source->calls;
    if (record->kind == EDDY_TRACE_RETURN && inner > 0) inner--;
    return outer + (inner < TRACE_INDENT_MAX ? inner : TRACE_INDENT_MAX);
}

static void trace_text_leave(eddy_trace_source *source, const eddy_trace_record *record) {
    if (record->thread != 0 && record->thread != TRACE_THREAD_OTHER) {
        eddy_trace_source *pool = trace_pool_of(source);
        if (record->kind == EDDY_TRACE_BEGIN) pool->threads[record->thread].running = 1;
        if (record->kind == EDDY_TRACE_DONE) pool->threads[record->thread].running = 0;
    }
    if (record->thread != 0) return;
    if (record->kind == EDDY_TRACE_TURN) source->in_turn = true;
    if (record->kind == EDDY_TRACE_PHASE && record->phase > 0) source->in_phase = true;
    if (record->kind == EDDY_TRACE_CALL) eddy__trace_call_begins(source, record);
    if (record->kind == EDDY_TRACE_RETURN) eddy__trace_call_ends(source);
}

static void trace_text_put(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    trace_text_columns(source, record);
    for (unsigned depth = trace_text_enter(source, record); depth > 0; depth--)
        eddy__trace_put(writer, "  ");
    eddy__trace_put(writer, eddy_trace_kind_name((eddy_trace_kind)record->kind));
    trace_put_char(writer, ' ');
    size_t before = writer->used;
    eddy__trace_put_object(source, record);
    if (writer->used > before) trace_put_char(writer, ' ');
    eddy__trace_put_argument(source, record);
    if (writer->buffer[writer->used - 1] == ' ') writer->used--;
    trace_put_char(writer, '\n');
    trace_text_leave(source, record);
}

static void trace_text_begin(eddy_trace_writer *writer, int64_t start_ns) {
    if (writer->has_begun) return;
    writer->has_begun = true;
    writer->start_ns = start_ns;
    eddy__trace_put(writer, "#         us thread   number  cause phase, and what\n");
}

static void trace_text_tell_lost(eddy_trace_source *source) {
    eddy_trace_writer *writer = source->writer;
    uint64_t lost = eddy__trace_take_lost(source);
    if (lost == 0) return;
    source->calls = 0;
    eddy__trace_put(writer, "# ");
    trace_text_word(writer, source->name);
    eddy__trace_put(writer, ": ");
    eddy__trace_put_number(writer, lost);
    eddy__trace_put(writer, " records were lost\n");
}

int eddy_trace_write_text(eddy_trace_source *source, const eddy_trace_record *records, int count) {
    eddy_trace_writer *writer = source->writer;
    for (int i = 0; i < count; i++) {
        int err = eddy__trace_reserve(writer);
        if (err < 0) return err;
        trace_text_begin(writer, records[i].time_ns);
        trace_text_tell_lost(source);
        trace_text_put(source, &records[i]);
    }
    return eddy__trace_flush(writer);
}
