/* trace_perfetto.c: a trace as packets of Perfetto's TrackEvent (protos/perfetto/trace of its
 * sources), put together by hand: a varint for each number, a length before each message.
 *
 * A thread is a track. Turns, phases, waits, calls and jobs are slices, which end in the reverse
 * order; all else is an instant. What asks for a call begins a flow, by its number, and the job and
 * the call go on with it.
 *
 * Invariant: on a loop's track, from the outermost slice on, there are open: the turn (in_turn),
 * the phase (in_phase), the wait (in_wait) or the calls. Threading: whoever has the writer. */
#include "trace_packet.h"

enum { PROCESS_TRACK = 1, PROCESS_ID = 1, PROCESS_NAME_MAX = 64 };

/* --- Tracks --- */

/* Without a clock to begin with, Perfetto would take the times as those of another one, which also
 * counts while the system sleeps. */
static void perfetto_begin(eddy_trace_writer *writer, int64_t time_ns) {
    if (writer->has_begun) return;
    writer->has_begun = true;
    writer->tracks = PROCESS_TRACK;
    size_t packet = perfetto_open_packet(writer);
    perfetto_number(writer, PACKET_FLAGS, 1);
    size_t clocks = perfetto_open(writer, PACKET_CLOCKS);
    size_t clock = perfetto_open(writer, CLOCKS_CLOCK);
    perfetto_number(writer, CLOCK_ID, CLOCK_MONOTONIC_ID);
    perfetto_number(writer, CLOCK_TIME, time_ns < 0 ? 0 : (uint64_t)time_ns);
    perfetto_close(writer, clock);
    perfetto_number(writer, CLOCKS_PRIMARY, CLOCK_MONOTONIC_ID);
    perfetto_close(writer, clocks);
    perfetto_close(writer, packet);

    packet = perfetto_open_packet(writer);
    size_t track = perfetto_open(writer, PACKET_TRACK);
    perfetto_number(writer, TRACK_ID, PROCESS_TRACK);
    size_t process = perfetto_open(writer, TRACK_PROCESS);
    perfetto_number(writer, PROCESS_NUMBER, PROCESS_ID);
    size_t name = perfetto_open(writer, PROCESS_NAME);
    eddy__trace_put_cut(writer, writer->process, PROCESS_NAME_MAX);
    perfetto_close(writer, name);
    perfetto_close(writer, process);
    perfetto_close(writer, track);
    perfetto_close(writer, packet);
}

static void perfetto_put_thread_name(eddy_trace_source *source, unsigned thread) {
    eddy_trace_writer *writer = source->writer;
    if (thread == 0) {
        eddy__trace_put_cut(writer, source->name, sizeof source->name);
        return;
    }
    eddy__trace_put(writer, thread == TRACE_THREAD_OTHER ? "other threads" : "pool ");
    if (source->index > 0) {
        eddy__trace_put(writer, thread == TRACE_THREAD_OTHER ? ", loop " : "");
        eddy__trace_put_number(writer, source->index + 1U);
        eddy__trace_put(writer, thread == TRACE_THREAD_OTHER ? "" : "-");
    }
    if (thread != TRACE_THREAD_OTHER) eddy__trace_put_number(writer, thread);
}

static void perfetto_describe(eddy_trace_source *source, unsigned thread, uint32_t number) {
    eddy_trace_writer *writer = source->writer;
    size_t packet = perfetto_open_packet(writer);
    size_t track = perfetto_open(writer, PACKET_TRACK);
    perfetto_number(writer, TRACK_ID, number);
    size_t descriptor = perfetto_open(writer, TRACK_THREAD);
    perfetto_number(writer, THREAD_PROCESS, PROCESS_ID);
    perfetto_number(writer, THREAD_NUMBER, number - PROCESS_TRACK); /* the first is the main one */
    size_t name = perfetto_open(writer, THREAD_NAME);
    perfetto_put_thread_name(source, thread);
    perfetto_close(writer, name);
    perfetto_close(writer, descriptor);
    perfetto_close(writer, track);
    perfetto_close(writer, packet);
}

static uint32_t perfetto_track(eddy_trace_source *source, unsigned thread) {
    eddy_trace_source *pool = trace_pool_of(source);
    uint32_t *track = &pool->threads[0].track;
    if (thread == 0)
        track = &source->loop_track;
    else if (thread == TRACE_THREAD_OTHER)
        track = &source->other_track;
    else
        track = &pool->threads[thread].track;
    if (*track == 0) {
        *track = ++source->writer->tracks;
        bool is_pool = thread != 0 && thread != TRACE_THREAD_OTHER;
        perfetto_describe(is_pool ? pool : source, thread, *track);
    }
    return *track;
}

/* --- Flows --- */

static uint64_t perfetto_flow(const eddy_trace_source *source, uint64_t number) {
    return number ^ (uint64_t)(source->index + 1U) << 56;
}

static bool perfetto_asks(unsigned kind) {
    switch (kind) {
    case EDDY_TRACE_EVENT:
    case EDDY_TRACE_QUEUE:
    case EDDY_TRACE_TIMER_START:
    case EDDY_TRACE_DEFER:
    case EDDY_TRACE_CLOSE:
    case EDDY_TRACE_POST:
    case EDDY_TRACE_WAKE:
    case EDDY_TRACE_SIGNAL:
    case EDDY_TRACE_SUBMIT:
    case EDDY_TRACE_CANCEL:
    case EDDY_TRACE_DONE:
        return true;
    default:
        return false;
    }
}

/* Of a call inside of another the outer one is the cause, which the slices show. */
static bool perfetto_is_inside_of_cause(const eddy_trace_source *source,
                                        const eddy_trace_record *record) {
    return record->kind == EDDY_TRACE_CALL && eddy__trace_call_around(source) == record->cause;
}

/* Numbers are not used again, so nothing need be said of where a flow ends. One whose beginning has
 * been lost begins where it is met first. The next tick of a timer is asked for by the last. */
static void perfetto_put_flow(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    bool is_call = record->kind == EDDY_TRACE_CALL;
    bool is_tick = is_call && record->what == EDDY_KIND_TIMER;
    if (is_tick || perfetto_asks(record->kind))
        perfetto_fixed(writer, EVENT_FLOW, perfetto_flow(source, record->number));
    if (record->cause == 0 || !(is_call || record->kind == EDDY_TRACE_BEGIN)) return;
    if (!perfetto_is_inside_of_cause(source, record))
        perfetto_fixed(writer, EVENT_FLOW, perfetto_flow(source, record->cause));
}

/* --- Events --- */

static void perfetto_put_title(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    const char *kind = eddy_trace_kind_name((eddy_trace_kind)record->kind);
    bool is_call = record->kind == EDDY_TRACE_CALL || record->kind == EDDY_TRACE_BEGIN;
    size_t name = perfetto_open(writer, EVENT_NAME);
    if (record->kind == EDDY_TRACE_PHASE) kind = eddy__trace_phase_name(record->phase);
    if (!is_call) eddy__trace_put(writer, kind);
    size_t before = writer->used;
    if (!is_call) trace_put_char(writer, ' ');
    size_t object = writer->used;
    eddy__trace_put_object(source, record);
    if (writer->used == object) writer->used = before;
    if (writer->used == name) eddy__trace_put(writer, kind);
    perfetto_close(writer, name);
}

static void perfetto_put_notes(eddy_trace_source *source, const eddy_trace_record *record) {
    const struct {
        unsigned field;
        const char *name;
        uint64_t value;
    } notes[] = {
        {NOTE_UNSIGNED, "number", record->number},
        {NOTE_UNSIGNED, "cause", record->cause},
        {NOTE_POINTER, "object", record->object},
        {NOTE_SIGNED, "argument", (uint64_t)record->argument},
    };
    eddy_trace_writer *writer = source->writer;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (notes[i].value == 0) continue;
        size_t note = perfetto_open(writer, EVENT_NOTE);
        perfetto_text(writer, NOTE_NAME, notes[i].name);
        perfetto_number(writer, notes[i].field, notes[i].value);
        perfetto_close(writer, note);
    }
    size_t before = writer->used;
    size_t note = perfetto_open(writer, EVENT_NOTE);
    perfetto_text(writer, NOTE_NAME, record->kind == EDDY_TRACE_CALL ? "function" : "what");
    size_t text = perfetto_open(writer, NOTE_TEXT);
    eddy__trace_put_argument(source, record);
    bool says_nothing = writer->used == text;
    perfetto_close(writer, text);
    perfetto_close(writer, note);
    if (says_nothing) writer->used = before;
}

static int64_t perfetto_later(int64_t one_ns, int64_t other_ns) {
    return one_ns > other_ns ? one_ns : other_ns;
}

/* An event on a track, without its packet's end: returns where both begin. */
struct perfetto_event {
    size_t packet, event;
};

static struct perfetto_event perfetto_open_event(eddy_trace_writer *writer, uint32_t track,
                                                 enum event_type type, int64_t time_ns) {
    struct perfetto_event it;
    it.packet = perfetto_open_packet(writer);
    perfetto_number(writer, PACKET_TIME, time_ns < 0 ? 0 : (uint64_t)time_ns);
    perfetto_number(writer, PACKET_CLOCK, CLOCK_MONOTONIC_ID);
    it.event = perfetto_open(writer, PACKET_EVENT);
    perfetto_number(writer, EVENT_TYPE, type);
    perfetto_number(writer, EVENT_TRACK, track);
    return it;
}

static void perfetto_close_event(eddy_trace_writer *writer, struct perfetto_event it) {
    perfetto_close(writer, it.event);
    perfetto_close(writer, it.packet);
}

/* A slice that begins, or an instant. */
static int perfetto_put(eddy_trace_source *source, const eddy_trace_record *record,
                        enum event_type type) {
    eddy_trace_writer *writer = source->writer;
    int err = eddy__trace_reserve(writer);
    if (err < 0) return err;
    uint32_t track = perfetto_track(source, record->thread);
    struct perfetto_event it = perfetto_open_event(writer, track, type, record->time_ns);
    perfetto_text(writer, EVENT_CATEGORY, eddy_trace_kind_name((eddy_trace_kind)record->kind));
    perfetto_put_title(source, record);
    perfetto_put_flow(source, record);
    perfetto_put_notes(source, record);
    perfetto_close_event(writer, it);
    return 0;
}

/* `record` NULL: nothing is known of its end. */
static int perfetto_put_end(eddy_trace_source *source, uint32_t track, int64_t time_ns,
                            const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    int err = eddy__trace_reserve(writer);
    if (err < 0) return err;
    struct perfetto_event it = perfetto_open_event(writer, track, SLICE_ENDS, time_ns);
    if (record != NULL && record->kind == EDDY_TRACE_DONE) perfetto_put_flow(source, record);
    if (record != NULL && record->kind == EDDY_TRACE_WAITED) perfetto_put_notes(source, record);
    perfetto_close_event(writer, it);
    return 0;
}

/* --- What is open --- */

static int perfetto_end_loops(eddy_trace_source *source, int64_t time_ns, bool with_turn,
                              bool with_phase) {
    int err = 0;
    uint32_t track = source->loop_track;
    for (; source->calls > 0 && err == 0; eddy__trace_call_ends(source))
        err = perfetto_put_end(source, track, time_ns, NULL);
    if (source->in_wait && err == 0) err = perfetto_put_end(source, track, time_ns, NULL);
    source->in_wait = false;
    if (!with_phase) return err;
    if (source->in_phase && err == 0) err = perfetto_put_end(source, track, time_ns, NULL);
    source->in_phase = false;
    if (!with_turn) return err;
    if (source->in_turn && err == 0) err = perfetto_put_end(source, track, time_ns, NULL);
    source->in_turn = false;
    return err;
}

/* A record of the loop's thread ends what it cannot be inside of. */
static int perfetto_end_before(eddy_trace_source *source, const eddy_trace_record *record) {
    bool is_outside = record->kind == EDDY_TRACE_TURN || eddy__trace_is_outside(record);
    if (is_outside || record->kind == EDDY_TRACE_PHASE)
        return perfetto_end_loops(source, record->time_ns, is_outside, true);
    if (record->kind == EDDY_TRACE_WAIT)
        return perfetto_end_loops(source, record->time_ns, false, false);
    return 0;
}

static int perfetto_put_loops(eddy_trace_source *source, const eddy_trace_record *record) {
    int err = perfetto_end_before(source, record);
    if (err < 0) return err;
    switch ((int)record->kind) {
    case EDDY_TRACE_TURN:
        source->in_turn = true;
        return perfetto_put(source, record, SLICE_BEGINS);
    case EDDY_TRACE_PHASE:
        source->in_phase = record->phase > 0;
        return record->phase > 0 ? perfetto_put(source, record, SLICE_BEGINS) : 0;
    case EDDY_TRACE_WAIT:
        source->in_wait = true;
        return perfetto_put(source, record, SLICE_BEGINS);
    case EDDY_TRACE_WAITED:
        if (!source->in_wait) return perfetto_put(source, record, INSTANT);
        source->in_wait = false;
        return perfetto_put_end(source, source->loop_track, record->time_ns, record);
    case EDDY_TRACE_CALL:
        err = perfetto_put(source, record, SLICE_BEGINS);
        eddy__trace_call_begins(source, record);
        return err;
    case EDDY_TRACE_RETURN:
        if (source->calls == 0) return perfetto_put(source, record, INSTANT);
        eddy__trace_call_ends(source);
        return perfetto_put_end(source, source->loop_track, record->time_ns, record);
    default:
        return perfetto_put(source, record, INSTANT);
    }
}

static int perfetto_put_pools(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_source *pool = trace_pool_of(source);
    uint32_t *running = &pool->threads[record->thread].running;
    bool is_job = record->kind == EDDY_TRACE_BEGIN || record->kind == EDDY_TRACE_DONE;
    if (!is_job) return perfetto_put(source, record, INSTANT);
    if (*running == 0 && record->kind == EDDY_TRACE_DONE)
        return perfetto_put(source, record, INSTANT);
    int err = 0;
    if (*running > 0)
        err =
            perfetto_put_end(source, pool->threads[record->thread].track, record->time_ns, record);
    *running = record->kind == EDDY_TRACE_BEGIN;
    return *running > 0 && err == 0 ? perfetto_put(source, record, SLICE_BEGINS) : err;
}

/* Slices whose ends may be among what was lost end here; the trace says why. */
static int perfetto_tell_lost(eddy_trace_source *source, int64_t time_ns) {
    eddy_trace_writer *writer = source->writer;
    uint64_t lost = eddy__trace_take_lost(source);
    if (lost == 0) return 0;
    int err = perfetto_end_loops(source, time_ns, true, true);
    if (err == 0) err = eddy__trace_reserve(writer);
    if (err < 0) return err;
    uint32_t track = perfetto_track(source, 0);
    struct perfetto_event it = perfetto_open_event(writer, track, INSTANT, time_ns);
    perfetto_text(writer, EVENT_CATEGORY, "lost");
    size_t name = perfetto_open(writer, EVENT_NAME);
    eddy__trace_put_number(writer, lost);
    eddy__trace_put(writer, " records were lost");
    perfetto_close(writer, name);
    perfetto_close_event(writer, it);
    return 0;
}

static int perfetto_put_record(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    int err = eddy__trace_reserve(writer);
    if (err < 0) return err;
    perfetto_begin(writer, record->time_ns);
    writer->last_ns = perfetto_later(writer->last_ns, record->time_ns);
    err = perfetto_tell_lost(source, record->time_ns);
    if (err < 0) return err;
    if (record->thread == 0) return perfetto_put_loops(source, record);
    if (record->thread != TRACE_THREAD_OTHER) return perfetto_put_pools(source, record);
    return perfetto_put(source, record, INSTANT);
}

int eddy_trace_write_perfetto(eddy_trace_source *source, const eddy_trace_record *records,
                              int count) {
    for (int i = 0; i < count; i++) {
        int err = perfetto_put_record(source, &records[i]);
        if (err < 0) return err;
    }
    return eddy__trace_flush(source->writer);
}

int eddy_trace_end_perfetto(eddy_trace_source *source) {
    int64_t last_ns = source->writer->last_ns;
    int err = perfetto_end_loops(source, last_ns, true, true);
    if (err == 0 && source->writer->has_begun) err = perfetto_tell_lost(source, last_ns);
    for (unsigned i = 0; i < sizeof source->threads / sizeof source->threads[0]; i++) {
        if (source->threads[i].running == 0 || err < 0) continue;
        err = perfetto_put_end(source, source->threads[i].track, last_ns, NULL);
        source->threads[i].running = 0;
    }
    return err < 0 ? err : eddy__trace_flush(source->writer);
}
